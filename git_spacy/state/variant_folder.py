"""The folder for the copies of a project in which variants run (see `run.variant_trees`)."""

from __future__ import annotations

import os
from pathlib import Path

from git_spacy.files import remove_tree
from git_spacy.git.state_dir import state_dir


def variant_folder(root: Path) -> Path:
    """Return the folder with the copies of the project at `root`."""

    return state_dir(root) / "variants"


def remove_variant_folder(root: Path) -> None:
    """Remove the copies of the project at `root`, if there are any, e.g. those of a killed run.

    The caller must hold the project's lock. Raises OSError.
    """

    folder = variant_folder(root)
    if os.path.lexists(folder):
        remove_tree(folder)
