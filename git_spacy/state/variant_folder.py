"""The folders for the copies of a project in which variants run (see `run.variant_trees`).

Each process has its own, named after its entry among the processes at work (see `run_lock`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from git_spacy.files import remove_tree
from git_spacy.git.state_dir import state_dir


def variant_folder(root: Path, process: str) -> Path:
    """Return the folder with the copies of the project at `root` that a process makes."""

    return state_dir(root) / "variants" / process


def abandoned_folders(root: Path, processes: Collection[str]) -> list[Path]:
    """Return the folders of processes other than these, which are all that are at work."""

    try:
        names = os.listdir(state_dir(root) / "variants")
    except OSError:  # as a rule, there are none
        return []
    return [variant_folder(root, name) for name in names if name not in processes]


def remove_variant_folders(folders: Iterable[Path]) -> None:
    """Remove folders with copies of a project. Ignores errors: the next run tries again."""

    for folder in folders:
        with suppress(OSError):
            remove_tree(folder)
        with suppress(OSError):  # there are others
            folder.parent.rmdir()
