"""Find the projects to check: the one around a folder or, outside a project, all below it."""

from __future__ import annotations

from pathlib import Path

from git_spacy.errors import InvalidInput
from git_spacy.git.index import Index
from git_spacy.git.repository import Repository
from git_spacy.project import loader


def find_projects(start: Path) -> list[Path]:
    """Return the folder of the project that contains `start`.

    Outside a project, return the folders of all projects below `start` whose project.yml Git
    tracks. Raises InvalidInput if no project is found, ExternalError if git fails.
    """

    try:
        return [loader.find(start)]
    except InvalidInput:
        repository = Repository.discover(start)
        index = Index.open(repository) if repository else None
        if index is None:
            raise
        real_start = start.resolve()
        files = [index.top.resolve() / entry.name for entry in index.named(loader.PROJECT_FILE)]
        below = [file.parent for file in files if file.is_file() and real_start in file.parents]
        if not below:
            raise
        return below


def work_tree_top(start: Path) -> Path:
    """Return the top of the Git working tree that contains `start`; `start` outside of any."""

    repository = Repository.discover(start)
    return repository.top if repository and repository.top else start
