"""Resolve the symlinks in a path of a project, and decide whether it may be written there.

A project may be written in its own folder, and where its user allowed it. A project file cannot
allow anything; the user's Git configuration names the folders. `files` asks here at every write
below a project, and `project.permission` before the first script of a run. Reading is not limited,
except for files whose content is used or sent.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from git_spacy.containment import RESERVED_NAMES, is_git_name, names_beneath
from git_spacy.errors import Refused

SETTING = "spacy.allowOutside"
FindFolders = Callable[[], Sequence[str]]
"""Returns the folders outside of a project that its user allowed."""

_granted: dict[str, FindFolders] = {}


@contextmanager
def granted(root: Path, find_folders: FindFolders) -> Iterator[None]:
    """Until the block ends, let paths of the project at `root` be written in these folders, too.

    `find_folders` is only called for a path outside of the project.
    """

    top = os.path.realpath(root)
    before = _granted.get(top)
    _granted[top] = find_folders
    try:
        yield
    finally:
        if before is None:
            del _granted[top]
        else:
            _granted[top] = before


def require(top: str, real: str, path: str) -> str:
    """Return the folder in which `real` may be written: `top`, a project, or one the user allowed.

    Both are real paths, and `path` is what `real` was resolved from. Raises Refused.
    """

    names = names_beneath(real, top)
    if names_beneath(top, real) is not None:
        raise Refused(
            f"'{path}' contains the project",
            hint="use the path of a file or folder of its own",
            file=path,
        )
    if any(map(is_git_name, names or real.split(os.sep))):
        raise Refused(
            f"'{path}' leads into Git's own folder, to '{real}'",
            hint="use a path outside '.git'",
            file=path,
        )
    if names is None:
        return _allowed_folder(top, real, path)
    if len(names) == 1 and names[0].casefold() in RESERVED_NAMES:
        raise Refused(
            f"'{path}' would overwrite the project's own file",
            hint="use another name",
            file=path,
        )
    return top


def _allowed_folder(top: str, real: str, path: str) -> str:
    for folder in _granted.get(top, tuple)():
        allowed = os.path.realpath(folder)
        if names_beneath(real, allowed) is not None:
            return allowed
    is_linked = os.path.normpath(os.path.join(top, path)) != real
    where = f"leads out of the project, to '{real}'" if is_linked else "is outside the project"
    raise Refused(
        f"'{path}' {where}, where nothing may be written",
        hint=_allow_command(top, real),
        file=path,
    )


def _allow_command(top: str, real: str) -> str:
    """Return the command line that allows the folder around `real`, or only `real` where that
    folder is the root or home folder, or contains the project."""

    folder = os.path.dirname(real)
    home = os.path.realpath(os.path.expanduser("~"))
    if folder in ("/", home) or names_beneath(top, folder) is not None:
        folder = real
    in_repository = any((above / ".git").exists() for above in (Path(top), *Path(top).parents))
    scope = "" if in_repository or os.environ.get("GIT_DIR") else "--global "
    return f"git config {scope}--add {SETTING} {shlex.quote(folder)}"


def resolve_writable(root: Path, relative: str) -> Path:
    """Return the real path of `relative`, which need not exist, if it may be written.

    That is below `root`, or where the user allowed it. Raises Refused for other paths, and for
    Git's own folder and the project's own files.
    """

    top = os.path.realpath(root)
    real = os.path.realpath(os.path.join(top, relative))
    require(top, real, relative)
    return Path(real)


def beneath(root: Path, relative: str) -> tuple[str, tuple[str, ...]]:
    """Return the real path of `root`, and the names on the real path from there to `relative`.

    Raises Refused if a symlink on the way leads out of `root` or into Git's own folder.
    """

    top = os.path.realpath(root)
    real = os.path.realpath(os.path.join(top, relative))
    names = names_beneath(real, top)
    if names is None:
        raise Refused(
            f"'{relative}' leads out of the project, to '{real}'",
            hint="replace the symlink with the file or folder itself",
            file=relative,
        )
    if any(map(is_git_name, names)):
        raise Refused(
            f"'{relative}' leads into Git's own folder, to '{real}'",
            hint="use a path outside '.git'",
            file=relative,
        )
    return top, names


def readable(root: Path, relative: str) -> tuple[str, tuple[str, ...]]:
    """Return `root`, or the parent folder of a file elsewhere, and the names on the real path from
    there to `relative`."""

    top = os.path.realpath(root)
    real = os.path.realpath(os.path.join(top, relative))
    names = names_beneath(real, top)
    if names is not None:
        return top, names
    folder, name = os.path.split(real)
    return folder, (name,) if name else ()


def writable(root: Path, relative: str) -> tuple[str, tuple[str, ...], str]:
    """Return a folder where `relative` may be written, and the names from there to its real parent
    folder, and its last name. Raises Refused as `resolve_writable` does."""

    folder, name = os.path.split(relative)
    if is_git_name(name):
        raise Refused(f"'{relative}' is reserved for Git", hint="use another name", file=relative)
    top = os.path.realpath(root)
    parent = os.path.realpath(os.path.join(top, folder))
    names = names_beneath(parent, top)
    if names is not None and not any(map(is_git_name, names)):
        return top, names, name
    allowed = require(top, os.path.normpath(os.path.join(parent, name)), relative)
    names = names_beneath(parent, allowed)
    if names is None:
        return parent, (), name
    while not os.path.isdir(allowed) and names is not None:
        allowed, missing = os.path.split(allowed)
        names = (missing, *names)
    return allowed, names, name


def staged(root: Path, relative: str) -> str:
    """Return the path that a staging of `relative` replaces. Raises Refused if it must not."""

    top = os.path.realpath(root)
    path = os.path.join(top, relative)
    real = os.path.realpath(path)
    if os.path.islink(path) and names_beneath(real, top) is None:
        require(top, real, relative)
        return real
    folder, name = os.path.split(path)
    require(top, os.path.join(os.path.realpath(folder), name), relative)
    return relative


def leads_outside(root: Path, relative: str) -> bool:
    """Return whether the real path of `relative` is outside of the folder `root`."""

    top = os.path.realpath(root)
    return names_beneath(os.path.realpath(os.path.join(top, relative)), top) is None
