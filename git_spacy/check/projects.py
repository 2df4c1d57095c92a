"""Which projects are meant: the one around a folder, or all of a repository below it."""

from __future__ import annotations

from pathlib import Path

from git_spacy.errors import InvalidInput
from git_spacy.git.index import Index
from git_spacy.git.repository import Repository
from git_spacy.project import loader


def find_projects(start: Path) -> list[Path]:
    """The folder of the project that `start` lies in; else those that Git knows below `start`.

    Raises Malformed if there is none, Unavailable if git fails.
    """

    try:
        return [loader.find(start)]
    except InvalidInput:
        repository = Repository.discover(start)
        index = Index.open(repository) if repository else None
        if index is None:
            raise
        real = start.resolve()
        files = [index.top.resolve() / entry.name for entry in index.named(loader.PROJECT_FILE)]
        below = [file.parent for file in files if file.is_file() and real in file.parents]
        if not below:
            raise
        return below


def work_tree_top(start: Path) -> Path:
    """The top of the work tree around `start`; `start` itself where there is none."""

    repository = Repository.discover(start)
    return repository.top if repository and repository.top else start
