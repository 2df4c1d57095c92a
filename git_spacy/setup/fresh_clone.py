"""Notice, once in a clone, that the team uses our hooks or merge driver but this clone lacks them.

Git copies no hooks and no configuration to a clone. Reads a few files and starts no process, since
`git spacy status` asks. What is missing exactly, `git spacy doctor` finds out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from git_spacy import sharing
from git_spacy.git.repository import Repository

_MARKER = "setup-mentioned"  # in our part of the Git folder
_MAX_BYTES = 1 << 20
_DRIVER = b"merge=spacy-lock"
_OUR_HOOK = b"git-spacy"
_HOOK_MANAGERS = (".pre-commit-config.yaml", ".husky/pre-commit", "lefthook.yml", "lefthook.yaml")
_HOOK = "hooks/pre-commit"


def missing_setup(start: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what this clone lacks of what its files show that the team uses; () if nothing.

    The parts are "hooks" and "merge driver". Returns them only once in a clone, and never in CI.
    """

    if environ.get("CI"):
        return ()
    repository = Repository.discover(start)
    if repository is None or repository.top is None:
        return ()
    marker = repository.common_dir / "spacy" / _MARKER
    if marker.exists() or not _is_used(repository.top):
        return ()
    missing = _missing_parts(repository, environ)
    return missing if missing and _create(marker) else ()


def _is_used(top: Path) -> bool:
    return _DRIVER in _read(top / ".gitattributes") or any(
        _OUR_HOOK in _read(top / name) for name in _HOOK_MANAGERS
    )


def _missing_parts(repository: Repository, environ: Mapping[str, str]) -> tuple[str, ...]:
    home = environ.get("HOME", "")
    files = (
        repository.common_dir / "config",
        Path(environ.get("GIT_CONFIG_GLOBAL") or os.path.join(home, ".gitconfig")),
        Path(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git/config"),
    )
    config = b"\n".join(map(_read, files)).lower()
    parts = []
    # another folder of hooks was configured on purpose
    if not (b"hookspath" in config or (repository.common_dir / _HOOK).exists()):
        parts.append("hooks")
    if b'[merge "spacy-lock"]' not in config:
        parts.append("merge driver")
    return tuple(parts)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with open(path, "rb") as stream:
            return stream.read(_MAX_BYTES)
    except OSError:
        return b""


def _create(marker: Path) -> bool:
    """Create the marker; return False if it exists already or cannot be created."""

    try:
        sharing.make_folders(marker.parent)
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    except OSError:
        return False
    return True
