"""Find the Git hooks that come with this package."""

from __future__ import annotations

from pathlib import Path

CHAIN = "git-spacy-chain"
HOOKS = ("pre-commit", "pre-merge-commit", "pre-applypatch")


def scripts_folder() -> Path:
    """Return the folder of HOOKS and CHAIN, which is in the package, or beside it in a checkout."""

    package = Path(__file__).parents[1]
    installed = package / "hooks"
    return installed if installed.is_dir() else package.parent / "hooks"
