"""Where the hooks for Git itself lie that this package ships."""

from __future__ import annotations

from pathlib import Path

CHAIN = "git-spacy-chain"
HOOKS = ("pre-commit", "pre-merge-commit", "pre-applypatch")


def scripts_folder() -> Path:
    """The folder that has HOOKS, each calling CHAIN: in the package, or beside it in a checkout."""

    package = Path(__file__).parents[1]
    inside = package / "hooks"
    return inside if inside.is_dir() else package.parent / "hooks"
