"""Locate the files that `init` writes: in the working tree, or in the common Git folder.

Nothing else is written, and no committed symlink is followed out of the working tree.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath, resolve_beneath
from git_spacy.git.repository import Repository

_MAX_BYTES = 4 << 20


class Location(NamedTuple):
    """The path `relative` below `root`, the top of the working tree or the common Git folder."""

    root: Path
    relative: str
    is_shared: bool

    @property
    def path(self) -> Path:
        """Return the full path."""

        return self.root / self.relative

    @property
    def name(self) -> str:
        """Return the path to show."""

        return f".git/{self.relative}" if self.is_shared else self.relative


def locate(repository: Repository, top: Path, path: Path, *, follow: bool = True) -> Location:
    """Return the location of `path`, with symlinks resolved.

    The last part of the path is resolved only if `follow` is true.

    Raises Refused for a path elsewhere, and for a symlink in the working tree that leads out of it
    or into Git's own folder. Symlinks in Git's own folder may lead into the working tree: they are
    not committed, so the user created them.
    """

    shared = repository.common_dir.resolve()
    path = Path(os.path.abspath(path))
    roots = [
        (repository.common_dir, shared),
        (shared, shared),
        (repository.top or top, top),
        (top, top),
    ]
    base, root = _innermost(path, roots) or (None, None)
    if root == top and base is not None:
        relative = os.path.relpath(path, base)
    else:
        real = path.parent.resolve() / path.name
        _, root = _innermost(real, [(shared, shared), (top, top)]) or (None, None)
        if root is None:
            raise Refused(
                f"'{path}' is outside the repository",
                hint="git config --show-origin core.hooksPath",
            )
        relative = os.path.relpath(real, root)
    folder, name = os.path.split(relative)
    resolved = resolve_beneath(root, relative) if follow else resolve_beneath(root, folder) / name
    return Location(root, os.path.relpath(resolved, root.resolve()), root == shared)


def _innermost(path: Path, bases: list[tuple[Path, Path]]) -> tuple[Path, Path] | None:
    """Return the entry of `bases` with the longest path that contains `path`."""

    containing = [base for base in bases if base[0] in path.parents]
    return max(containing, key=lambda base: len(base[0].parts), default=None)


def read_content(location: Location) -> bytes | None:
    """Return the content of a file, or None if it is missing.

    Raises InvalidInput, Refused, OSError.
    """

    try:
        with open_beneath(location.root, location.relative) as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(data) > _MAX_BYTES:
        raise InvalidInput(f"'{location.name}' is larger than {_MAX_BYTES >> 20} MiB")
    return data
