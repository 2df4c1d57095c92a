"""One path to its fingerprint, streamed; many in parallel.

The digest is the reference's (weasel's `get_checksum`): of a file its content; of a folder the
contents of all files in it, in the order of their paths, one after the other. That is blind to
names, so `names` is a digest of those.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Unsafe
from git_spacy.files import resolved_inside

_CHUNK = 1 << 20
_NAME = attrgetter("name")
_NO_NAMES = hashlib.md5(usedforsecurity=False).hexdigest()


class Fingerprint(NamedTuple):
    """`digest` (hexadecimal) of the content; `names` of the file names below a folder, "" for a
    file; `size` in bytes of all files together."""

    digest: str
    names: str
    size: int

    @property
    def is_empty(self) -> bool:
        """Whether it is of a folder without a file in it."""

        return self.names == _NO_NAMES


class FileFact(NamedTuple):
    """One file below a path: its name relative to that path ("" for the path itself) and stat."""

    name: str
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Look(NamedTuple):
    """What the names, sizes, times and inodes of all files at or below a path say, none opened:
    a `signature` over them, how many `files` there are and their `size` in bytes, and the time of
    the `newest` change to any (ns)."""

    signature: str
    files: int
    size: int
    newest: int


def files_below(root: Path, relative: str) -> list[FileFact] | None:
    """The files at or below `relative`, in the order in which they are hashed; None: no such path.

    Like the reference, links to files count as files, links to folders inside a folder do not.
    Raises Unsafe for a link that leads out of `root`, and for what is no file or folder.
    """

    found = _below(root, relative)
    if found is None:
        return None
    return [
        FileFact(name, path, *_facts(status)) for _, files in found for name, path, status in files
    ]


def look(root: Path, relative: str) -> Look | None:
    """The same files, looked at as quickly as can be: this is what a run costs that does nothing.
    None: no such path. Raises as `files_below`."""

    found = _below(root, relative)
    if found is None:
        return None
    hasher = hashlib.md5(usedforsecurity=False)
    count = size = newest = 0
    for folder, files in found:
        lines = [folder]
        for name, _, status in files:
            facts = length, changed, altered, _ = _facts(status)
            lines.append(f"{name}\0{facts}")
            size += length
            newest = max(newest, changed, altered)
        count += len(files)
        hasher.update("\n".join(lines).encode("utf-8", "surrogateescape"))
    return Look(hasher.hexdigest(), count, size, newest)


_Files = list[tuple[str, str, os.stat_result]]
"""Names from the path that was asked for, where they are, and what the system says of them."""


def _below(root: Path, relative: str) -> Iterator[tuple[str, _Files]] | None:
    top = resolved_inside(root, relative)
    try:
        status = os.stat(top)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(status.st_mode):
        return iter([("", [("", str(top), status)])])
    if not stat.S_ISDIR(status.st_mode):
        raise Unsafe(f"'{relative}' is neither a file nor a folder", where=relative)
    return _walk(root, str(top), "")


def _walk(root: Path, directory: str, prefix: str) -> Iterator[tuple[str, _Files]]:
    """The files of the folder and of those in it, in runs of files that follow each other: a
    folder comes where its name has it. One stat a file."""

    with os.scandir(directory) as found:
        entries = sorted(found, key=_NAME)
    files: _Files = []
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            files.append((prefix + entry.name, entry.path, entry.stat(follow_symlinks=False)))
        elif entry.is_dir(follow_symlinks=False):
            if files:
                yield prefix, files
                files = []
            yield from _walk(root, entry.path, f"{prefix}{entry.name}/")
        elif entry.is_symlink():
            target = resolved_inside(root, os.path.relpath(entry.path, os.path.realpath(root)))
            if target.is_file():
                files.append((prefix + entry.name, str(target), target.stat()))
    if files:
        yield prefix, files


def _facts(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def digest(facts: list[FileFact], algorithm: str = "md5") -> str:
    """The digest of these files' contents, read once each, one after the other."""

    hasher = hashlib.new(algorithm, usedforsecurity=False)
    buffer = memoryview(bytearray(_CHUNK))
    for fact in facts:
        with open(fact.path, "rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                hasher.update(buffer[:count])
    return hasher.hexdigest()


def names(facts: list[FileFact]) -> str:
    """A digest of the files' names; "" for a single file."""

    return listing([fact.name for fact in facts])


def listing(names: list[str]) -> str:
    """The same of the names themselves."""

    if names == [""]:
        return ""
    joined = "\0".join(names)
    return hashlib.md5(joined.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def fingerprint(root: Path, relative: str, algorithm: str = "md5") -> Fingerprint | None:
    """The fingerprint of a path, read in full; None if there is nothing."""

    facts = files_below(root, relative)
    if facts is None:
        return None
    size = sum(fact.size for fact in facts)
    return Fingerprint(digest(facts, algorithm), names(facts), size)
