"""Find the project.yml of a folder, without importing what reads it."""

from __future__ import annotations

import os
from pathlib import Path

from git_spacy.errors import InvalidInput
from git_spacy.project.paths import bare_repository, has_git_dir, is_git_dir

PROJECT_FILE = "project.yml"


def find(start: Path) -> Path:
    """Return the closest folder at or above `start` with a project.yml.

    The search ends at the top of the Git worktree. Raises InvalidInput if there is no project.yml,
    and Refused in a bare repository that is not named by GIT_DIR.
    """

    start = Path(os.path.abspath(start))
    root = None
    for folder in (start, *start.parents):
        if root is None and (folder / PROJECT_FILE).exists():
            root = folder
        if has_git_dir(folder):
            break
        if is_git_dir(folder) and not os.environ.get("GIT_DIR"):
            raise bare_repository(folder)
    if root is None:
        raise InvalidInput(
            f"no {PROJECT_FILE} in '{start}' or any parent folder",
            hint="change to the folder of a project\n"
            "or create a small one: git spacy init --new my_project\n"
            "or copy a template: git spacy clone ner_fashion",
        )
    return root
