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

from git_spacy.errors import Refused
from git_spacy.files import folder_beneath, open_directory, open_each

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


class FileStat(NamedTuple):
    """One file below a path: its name relative to that path ("" for the path itself) and stat."""

    name: str
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class StatSummary(NamedTuple):
    """What the names, sizes, times and inodes of all files at or below a path say, none opened:
    a `signature` over them, how many `files` there are and their `size` in bytes, and the time of
    the `newest` change to any (ns)."""

    signature: str
    files: int
    size: int
    newest: int


def files_below(root: Path, relative: str) -> list[FileStat] | None:
    """The files at or below `relative`, in the order in which they are hashed; None: no such path.

    Like the reference, links to files count as files, links to folders inside a folder do not.
    Raises Unsafe for a link that leads out of `root`, and for what is no file or folder.
    """

    found = _batches_below(root, relative)
    if found is None:
        return None
    return [
        FileStat(name, path, *_stat_fields(status))
        for _, files in found
        for name, path, status in files
    ]


def stat_summary(root: Path, relative: str) -> StatSummary | None:
    """The same files, looked at as quickly as can be: this is what a run costs that does nothing.
    None: no such path. Raises as `files_below`."""

    found = _batches_below(root, relative)
    if found is None:
        return None
    hasher = hashlib.md5(usedforsecurity=False)
    count = size = newest = 0
    for folder, files in found:
        lines = [folder]
        for name, _, status in files:
            facts = length, changed, altered, _ = _stat_fields(status)
            lines.append(f"{name}\0{facts}")
            size += length
            newest = max(newest, changed, altered)
        count += len(files)
        hasher.update("\n".join(lines).encode("utf-8", "surrogateescape"))
    return StatSummary(hasher.hexdigest(), count, size, newest)


_Files = list[tuple[str, str, os.stat_result]]
"""Names from the path that was asked for, where they are, and what the system says of them."""


def _batches_below(root: Path, relative: str) -> Iterator[tuple[str, _Files]] | None:
    try:
        with folder_beneath(root, relative) as (directory, name, real):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                return iter([("", [("", real, status)])])
            if not stat.S_ISDIR(status.st_mode):
                raise Refused(f"'{relative}' is neither a file nor a folder", location=relative)
            return _walk(root, open_directory(name, directory, relative), real, "")
    except FileNotFoundError:
        return None


def _walk(root: Path, descriptor: int, path: str, prefix: str) -> Iterator[tuple[str, _Files]]:
    """The files of the folder and of those in it, in runs of files that follow each other: a
    folder comes where its name has it. One stat a file. `path` is the folder's, which is read
    through its `descriptor`, closed at the end: no link that is put there later is followed."""

    try:
        with os.scandir(descriptor) as found:
            entries = sorted(found, key=_NAME)
        files: _Files = []
        above = os.path.join(path, "")
        for entry in entries:
            at = above + entry.name
            if entry.is_file(follow_symlinks=False):
                files.append((prefix + entry.name, at, entry.stat(follow_symlinks=False)))
            elif entry.is_dir(follow_symlinks=False):
                if files:
                    yield prefix, files
                    files = []
                inner = open_directory(entry.name, descriptor, at)
                yield from _walk(root, inner, at, f"{prefix}{entry.name}/")
            elif entry.is_symlink() and (target := _linked_file(root, at)):
                files.append((prefix + entry.name, *target))
        if files:
            yield prefix, files
    finally:
        os.close(descriptor)


def _linked_file(root: Path, link: str) -> tuple[str, os.stat_result] | None:
    """The real path and the facts of the file that a link leads to; None if it is not a file."""

    try:
        relative = os.path.relpath(link, os.path.realpath(root))
        with folder_beneath(root, relative) as (directory, name, real):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None
    return (real, status) if stat.S_ISREG(status.st_mode) else None


def _stat_fields(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def digest_contents(root: Path, facts: list[FileStat], algorithm: str = "md5") -> str:
    """The digest of the contents of these files below `root`, each read once, in their order."""

    hasher = hashlib.new(algorithm, usedforsecurity=False)
    buffer = memoryview(bytearray(_CHUNK))
    for stream in open_each(root, (fact.path for fact in facts)):
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.hexdigest()


def digest_file_names(facts: list[FileStat]) -> str:
    """A digest of the files' names; "" for a single file."""

    return digest_names([fact.name for fact in facts])


def digest_names(names: list[str]) -> str:
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
    return Fingerprint(digest_contents(root, facts, algorithm), digest_file_names(facts), size)
