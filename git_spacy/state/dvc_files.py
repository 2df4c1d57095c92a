"""What DVC can do next in a project, from its own files.

DVC itself is not asked, since it takes a second to start and may not be installed.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from git_spacy.errors import Refused
from git_spacy.files import open_beneath
from git_spacy.project.paths import has_git_dir
from git_spacy.project.project_text import STAGES_FILE, is_generated

_MAX_BYTES = 1 << 20
_CONFIGS = (".dvc/config", ".dvc/config.local")
_LOCK = "dvc.lock"
_STAGE = re.compile(r"^  ([\w-]+):\n(?:    desc: .*\n)?    cmd: git spacy run (\1)\n", re.MULTILINE)


def can_pull(root: Path) -> bool:
    """Return whether the project in `root` has a dvc.lock, and DVC has a default remote for it."""

    if not (root / _LOCK).is_file():
        return False
    for folder in (root, *root.parents):
        if (folder / ".dvc").is_dir():
            return _has_default_remote(folder)
        if has_git_dir(folder):
            break
    return False


def _has_default_remote(folder: Path) -> bool:
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    for name in _CONFIGS:
        try:
            settings.read_string(_read(folder, name))
        except configparser.Error:
            continue
    name = settings.get("core", "remote", fallback="")
    return settings.has_option(f"'remote \"{name}\"'", "url")


def stages_to_commit(
    root: Path, ran: Collection[str], environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the stages of the commands `ran` that DVC would run again, since it does not know that
    they ran; () if it has started this process, or has never run in the project."""

    if environ.get("DVC_STAGE") or not (root / _LOCK).is_file():
        return ()
    text = _read(root, STAGES_FILE)
    if not is_generated(text.encode()):
        return ()
    return tuple(match[1] for match in _STAGE.finditer(text) if match[2] in ran)


def _read(folder: Path, name: str) -> str:
    """Return the text of a file, "" if it cannot be read."""

    try:
        with open_beneath(folder, name) as stream:
            return stream.read(_MAX_BYTES).decode("utf-8")
    except (OSError, Refused, ValueError):
        return ""
