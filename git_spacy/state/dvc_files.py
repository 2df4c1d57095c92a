"""What DVC can do next in a project, from its own files.

DVC itself is not asked, since it takes a second to start and may not be installed.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath
from git_spacy.project import documents
from git_spacy.project.paths import has_git_dir
from git_spacy.project.project_text import (
    PARAMS_FILE,
    PROJECT_FILE,
    STAGES_FILE,
    is_generated,
    names_params,
)
from git_spacy.project.variable_usage import find_usage

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


def check_labels(root: Path, data: bytes, environ: Mapping[str, str]) -> None:
    """Raise InvalidInput if DVC has started this process for a stage with parameters that its
    command does not use, so that the results would have labels that say nothing about them.

    That is so after `dvc exp run --set-param project.yml:…`, which replaces each `${…}` in
    project.yml. `data` is the content of project.yml.
    """

    stage = environ.get("DVC_STAGE", "").rpartition(":")[2]
    text = _read(root, STAGES_FILE).encode() if stage else b""
    if not names_params(text):
        return
    usage = find_usage(data)
    used = {".".join(parts[1:]) for command in usage.commands for parts in command}
    if unused := [name for name in _params(text, stage) if name not in used]:
        raise InvalidInput(
            f"no command uses '{unused[0]}', with which DVC labels the results of '{stage}'",
            file=PROJECT_FILE,
            hint="if 'dvc exp run' has changed the file: git checkout project.yml\n"
            "or, if you have changed it: git spacy check generated --fix",
        )


def _params(stages: bytes, name: str) -> list[str]:
    """Return the parameters in params.yaml of the stage `name`; [] if there is no such stage."""

    node, _ = documents.parse(stages, STAGES_FILE)
    for key in ("stages", name, "params"):
        node = node.value.get(key) if node and isinstance(node.value, dict) else None
    items = node.value if node and isinstance(node.value, list) else []
    files = [item.value.get(PARAMS_FILE) for item in items if isinstance(item.value, dict)]
    lists = [file.value for file in files if file and isinstance(file.value, list)]
    return [str(documents.to_plain(item)) for values in lists for item in values]


def _read(folder: Path, name: str) -> str:
    """Return the text of a file, "" if it cannot be read."""

    try:
        with open_beneath(folder, name) as stream:
            return stream.read(_MAX_BYTES).decode("utf-8")
    except (OSError, Refused, ValueError):
        return ""
