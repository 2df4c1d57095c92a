"""Hash files and folders.

The digest is that of weasel's `get_checksum`: for a file, of its content; for a folder, of the
contents of all files in it, concatenated in the order of their paths. It does not cover file names,
so a fingerprint has a digest of the names, too.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import GeneratorType
from typing import NamedTuple

from git_spacy.errors import Refused
from git_spacy.files import folder_beneath, open_directory, open_each
from git_spacy.state.counted_files import Selection

_CHUNK = 1 << 20
_NAME = attrgetter("name")
_NO_NAMES = hashlib.md5(usedforsecurity=False).hexdigest()


class Fingerprint(NamedTuple):
    """What identifies the content of a path.

    `digest` (hexadecimal) is of the content, `names` of the names of the files in a folder ("" for
    a file); `size` is the total size in bytes.
    """

    digest: str
    names: str
    size: int

    @property
    def is_empty(self) -> bool:
        """Whether the path is a folder without any file in it."""

        return self.names == _NO_NAMES


class FileStat(NamedTuple):
    """A file at or below a path. `name` is relative to that path ("" for the path itself)."""

    name: str
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class StatSummary(NamedTuple):
    """A summary of all files at or below a path, made without opening any.

    `signature` is a digest of their names, sizes, times and inodes; `files` their number; `size`
    their total size in bytes; `newest` the time of the latest change (ns); `is_folder` whether the
    path is a folder.
    """

    signature: str
    files: int
    size: int
    newest: int
    is_folder: bool


def files_below(
    root: Path, relative: str, selection: Selection | None = None
) -> list[FileStat] | None:
    """Return the files at or below `relative` in hashing order; None if the path does not exist.

    As in weasel, links to files count as files, wherever these are; links to folders in a folder
    are skipped. With `selection`, only the selected files of a folder count. Raises Refused for a
    path that is neither file nor folder.
    """

    batches = _batches_below(root, relative, selection)
    if batches is None:
        return None
    return [
        FileStat(name, path, *_stat_fields(status))
        for _, files in batches
        for name, path, status in files
    ]


def stat_summary(
    root: Path, relative: str, selection: Selection | None = None
) -> StatSummary | None:
    """Summarize the files of `files_below`; None if the path does not exist.

    Raises the same errors. A run that has nothing to do spends most of its time here, so this is as
    fast as possible.
    """

    batches = _batches_below(root, relative, selection)
    if batches is None:
        return None
    hasher = hashlib.md5(usedforsecurity=False)
    count = size = newest = 0
    for folder, files in batches:
        lines = [folder]
        for name, _, status in files:
            fields = length, mtime, ctime, _ = _stat_fields(status)
            lines.append(f"{name}\0{fields}")
            size += length
            newest = max(newest, mtime, ctime)
        count += len(files)
        hasher.update("\n".join(lines).encode("utf-8", "surrogateescape"))
    is_folder = isinstance(batches, GeneratorType)
    return StatSummary(hasher.hexdigest(), count, size, newest, is_folder)


_Files = list[tuple[str, str, os.stat_result]]
"""(name relative to the hashed path, real path, stat) of each file."""


def _batches_below(
    root: Path, relative: str, selection: Selection | None
) -> Iterator[tuple[str, _Files]] | None:
    try:
        with folder_beneath(root, relative, anywhere=True) as (directory, name, real):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                return iter([("", [("", real, status)])])
            if not stat.S_ISDIR(status.st_mode):
                raise Refused(f"'{relative}' is neither a file nor a folder", file=relative)
            return _walk(root, open_directory(name, directory, relative), real, "", selection)
    except FileNotFoundError:
        return None


def _walk(
    root: Path, descriptor: int, path: str, prefix: str, selection: Selection | None
) -> Iterator[tuple[str, _Files]]:
    """Yield the files of a folder and its subfolders in batches, in order, with one stat per file.

    Each batch has consecutive files of one folder. The folder at `path` is read through its
    `descriptor`, which is closed at the end, so that a link put in its place later is not followed.
    """

    try:
        with os.scandir(descriptor) as scanned:
            entries = sorted(scanned, key=_NAME)
        files: _Files = []
        parent = os.path.join(path, "")
        for entry in entries:
            entry_path = parent + entry.name
            selected = selection is None or selection.select(prefix + entry.name)
            if not selected:
                continue
            if entry.is_file(follow_symlinks=False):
                files.append((prefix + entry.name, entry_path, entry.stat(follow_symlinks=False)))
            elif entry.is_dir(follow_symlinks=False):
                if files:
                    yield prefix, files
                    files = []
                inner = open_directory(entry.name, descriptor, entry_path)
                inner_prefix = f"{prefix}{entry.name}/"
                inner_selection = None if isinstance(selected, bool) else selected
                yield from _walk(root, inner, entry_path, inner_prefix, inner_selection)
            elif entry.is_symlink() and (target := _linked_file(root, entry_path)):
                files.append((prefix + entry.name, *target))
        if files:
            yield prefix, files
    finally:
        os.close(descriptor)


def _linked_file(root: Path, link: str) -> tuple[str, os.stat_result] | None:
    """Return the real path and the stat of a link's target; None if that is not a file."""

    try:
        with folder_beneath(root, link, anywhere=True) as (directory, name, real):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None
    return (real, status) if stat.S_ISREG(status.st_mode) else None


def _stat_fields(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def digest_contents(root: Path, files: list[FileStat], algorithm: str = "md5") -> str:
    """Return the digest of the contents of these files below `root`, concatenated in order."""

    hasher = hashlib.new(algorithm, usedforsecurity=False)
    buffer = memoryview(bytearray(_CHUNK))
    for stream in open_each(root, (file.path for file in files)):
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.hexdigest()


def checksums(root: Path, files: list[FileStat]) -> dict[str, int]:
    """Return a quick checksum of each of these files below `root`, by name."""

    contents = (stream.readall() for stream in open_each(root, (file.path for file in files)))
    return {file.name: zlib.crc32(content) for file, content in zip(files, contents, strict=True)}


def digest_file_names(files: list[FileStat]) -> str:
    """Return a digest of the names of files; "" for a single file."""

    return digest_names([file.name for file in files])


def digest_names(names: list[str]) -> str:
    """Return a digest of file names; "" for a single file, whose name is ""."""

    if names == [""]:
        return ""
    joined = "\0".join(names)
    return hashlib.md5(joined.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def fingerprint(root: Path, relative: str, algorithm: str = "md5") -> Fingerprint | None:
    """Read a path in full and return its fingerprint; None if it does not exist."""

    files = files_below(root, relative)
    if files is None:
        return None
    size = sum(file.size for file in files)
    return Fingerprint(digest_contents(root, files, algorithm), digest_file_names(files), size)
