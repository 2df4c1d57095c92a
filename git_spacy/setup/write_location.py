"""Where a file that `init` writes lies: in the work tree, or in the Git folder that all work trees
of a repository share. Nothing else is written, and no link that somebody committed is followed out
of the work tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath, resolve_beneath
from git_spacy.git.repository import Repository

_LARGEST = 4 << 20  # bytes of a file that people write


class Location(NamedTuple):
    """The path `relative` below `root`: the top of the work tree, or the shared Git folder."""

    root: Path
    relative: str
    is_shared: bool

    @property
    def path(self) -> Path:
        """The whole path."""

        return self.root / self.relative

    @property
    def name(self) -> str:
        """As people know it."""

        return f".git/{self.relative}" if self.is_shared else self.relative


def locate(repository: Repository, top: Path, path: Path, *, follow: bool = True) -> Location:
    """Where `path` lies, links resolved; its last part only with `follow`.

    Raises Unsafe for what lies elsewhere, and for a link in the work tree that leads out of it or
    into Git's own folder. Links in Git's own folder may lead into the work tree: they are not
    committed, so it was the user who put them there.
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
                f"'{path}' lies outside of the repository",
                hint="see what names that folder: git config --show-origin core.hooksPath",
            )
        relative = os.path.relpath(real, root)
    folder, name = os.path.split(relative)
    found = resolve_beneath(root, relative) if follow else resolve_beneath(root, folder) / name
    return Location(root, os.path.relpath(found, root.resolve()), root == shared)


def _innermost(path: Path, bases: list[tuple[Path, Path]]) -> tuple[Path, Path] | None:
    """The longest of the `bases` above `path`, with what comes with it."""

    above = [one for one in bases if one[0] in path.parents]
    return max(above, key=lambda one: len(one[0].parts), default=None)


def read_content(location: Location) -> bytes | None:
    """The content of a file; None if there is no such file. Raises Malformed, Unsafe, OSError."""

    try:
        with open_beneath(location.root, location.relative) as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(data) > _LARGEST:
        raise InvalidInput(
            f"'{location.name}' is larger than {_LARGEST >> 20} MB", hint="shorten it"
        )
    return data
