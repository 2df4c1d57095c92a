"""A commit of somebody's repository: what is in it, and one folder or file of it written down.

The trees are looked at first; what they hold is refused before a byte is written if any of it
could land outside, or where Git would obey it. Knows nothing of how objects travel.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Unavailable, Unsafe, printable
from git_spacy.project.paths import is_git_folder

FOLDER, LINK, SUBMODULE, EXECUTABLE = 0o040000, 0o120000, 0o160000, 0o100755
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

Read = Callable[[Sequence[str]], Iterator[bytes]]
"""Object ids of blobs to their contents, in that order, fetched together."""


class Entry(NamedTuple):
    """One line of a tree: Git's mode, the path from the top, the object id (hexadecimal)."""

    mode: int
    name: str
    id: str


Opened = tuple[str, tuple[Entry, ...], Read]
"""What a back end yields: the commit, every entry of every tree, the reader of blobs."""


class Placed(NamedTuple):
    """What a checkout wrote: how many files, and which of them are only Git LFS pointers."""

    files: int
    lfs_pointers: tuple[str, ...]


class RemoteTree(NamedTuple):
    """A commit of a repository whose trees are here and whose blobs are still there."""

    commit: str
    listing: tuple[Entry, ...]
    read: Read
    warn: Callable[[str], None]

    def folders(self) -> tuple[str, ...]:
        """Every folder in it, without asking the server again."""

        return tuple(entry.name for entry in self.listing if entry.mode == FOLDER)

    def files(self, path: str) -> tuple[Entry, ...]:
        """What lies at or below `path` but folders; empty if there is no such path."""

        path = path.strip("/")
        below = path + "/" if path else ""
        return tuple(
            entry
            for entry in self.listing
            if entry.mode != FOLDER and (entry.name == path or entry.name.startswith(below))
        )

    def checkout(self, path: str, dest: Path) -> Placed:
        """Write the folder or file `path` ("" for everything) to `dest`, which must not exist.

        Raises Unsafe for a name or link that must not be, before anything is written.
        """

        path = path.strip("/")
        entries = self.files(path)
        if not entries:
            raise Unavailable(f"there is no '{path}' in commit {self.commit[:12]}")
        wanted = [entry for entry in entries if entry.mode != SUBMODULE]
        for entry in entries:
            _check_name(entry.name)
            if entry.mode == SUBMODULE:
                self.warn(f"'{entry.name}' is a submodule: left out")
        if [entry.name for entry in wanted] == [path] and path:
            return _write_file(wanted[0], next(self.read([wanted[0].id])), dest)
        return _write_folder(wanted, len(path) + 1 if path else 0, self.read, dest)


def _check_name(name: str) -> None:
    for part in name.split("/"):
        if part in ("", ".", "..") or is_git_folder(part):
            raise Unsafe(
                f"the repository holds '{printable(name)}', which Git could take for its own",
                mend="do not use this repository, or tell its owner",
            )


def _write_file(entry: Entry, content: bytes, dest: Path) -> Placed:
    if entry.mode == LINK:
        raise Unsafe(f"'{entry.name}' is a symlink", mend="name what it points to")
    _write(dest, content, entry.mode)
    return Placed(1, (entry.name,) if _is_pointer(content) else ())


def _write_folder(entries: Sequence[Entry], skip: int, read: Read, dest: Path) -> Placed:
    # The links first: if one leads out, nothing is written. Made last: nothing goes through one.
    links = [entry for entry in entries if entry.mode == LINK]
    plain = [entry for entry in entries if entry.mode != LINK]
    contents = read([entry.id for entry in (*links, *plain)])
    targets = [(entry.name[skip:], os.fsdecode(next(contents))) for entry in links]
    for name, target in targets:
        _check_link(name, target)
    os.mkdir(dest)
    pointers = []
    for entry, content in zip(plain, contents, strict=True):
        path = dest / entry.name[skip:]
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content, entry.mode)
        if _is_pointer(content):
            pointers.append(entry.name[skip:])
    for name, target in targets:
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, dest / name)
    # `l1 -> .` and `l2 -> l1/..` pass every look at the text: ask the file system too
    top = os.path.realpath(dest)
    for name, target in targets:
        real = os.path.realpath(dest / name)
        if real != top and not real.startswith(top + os.sep):
            raise _leads_out(name, target)
    return Placed(len(entries), tuple(pointers))


def _check_link(name: str, target: str) -> None:
    end = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if target.startswith("/") or end == ".." or end.startswith("../"):
        raise _leads_out(name, target)
    if any(is_git_folder(part) for part in end.split("/")):
        raise _leads_out(name, target)


def _leads_out(name: str, target: str) -> Unsafe:
    return Unsafe(
        f"'{printable(name)}' is a symlink that leads out, to '{printable(target)}'",
        mend="do not use this repository, or tell its owner",
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    permissions = 0o777 if mode == EXECUTABLE else 0o666
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, permissions), "wb") as stream:
        stream.write(content)


def _is_pointer(content: bytes) -> bool:
    return len(content) < 1024 and content.startswith(_LFS_POINTER)
