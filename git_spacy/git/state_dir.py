"""Where git-spacy keeps private state of a project: never shared, and safe to delete."""

from __future__ import annotations

import os
from pathlib import Path

from git_spacy.light_hashes import sha256


def state_dir(root: Path) -> Path:
    """Return the folder for private state of the project at `root`.

    It is in the Git folder of the worktree, or in the user's cache outside a repository.
    """

    from git_spacy.git.repository import Repository

    real = os.path.realpath(root)
    repository = Repository.discover(Path(real))
    if repository is None or repository.top is None:
        return user_cache_dir(root)
    folder = repository.git_path("spacy")
    if os.fspath(repository.top) == real:
        return folder
    folder_in_repository = os.path.relpath(real, os.path.realpath(repository.top))
    return (
        folder
        if folder_in_repository == "."
        else folder / "projects" / _short_hash(folder_in_repository)
    )


def user_cache_dir(root: Path) -> Path:
    """Return the folder for private state of a project outside a repository."""

    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(folder) / "git-spacy" / _short_hash(os.path.realpath(root))


def _short_hash(text: str) -> str:
    digits: str = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return digits[:16]
