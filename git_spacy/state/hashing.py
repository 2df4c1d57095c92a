"""Hash files and folders.

The digest is that of weasel's `get_checksum`: for a file, of its content; for a folder, of the
contents of all files in it, concatenated in the order of their paths. It does not cover file names,
so a fingerprint has a digest of the names, too.
"""

from __future__ import annotations

import marshal
import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter, itemgetter
from pathlib import Path
from types import GeneratorType

from git_spacy import light_hashes
from git_spacy.errors import Refused
from git_spacy.files import folder_beneath, open_directory, open_each
from git_spacy.light_hashes import blake2b
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.state.counted_files import Selection

_CHUNK = 1 << 20
_NAME = itemgetter(0)
_STAT_FIELDS = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
_KIND = 12  # the bits of a mode below those that say what kind of file it is
_MARSHAL = 2  # the latest format whose bytes depend on nothing but the values
_NO_NAMES = "d41d8cd98f00b204e9800998ecf8427e"  # the md5 of no bytes


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
        FileStat(prefix + name, links.get(name) or folder + name, *fields)
        for prefix, folder, rows, links in batches
        for name, _, *fields in rows
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
    hasher = blake2b(digest_size=16)
    count = size = newest = 0
    for prefix, _, rows, _ in batches:
        columns = tuple(zip(*rows, strict=True))
        _, _, sizes, mtimes, ctimes, _ = columns
        count += len(rows)
        size += sum(sizes)
        newest = max(newest, max(mtimes), max(ctimes))
        hasher.update(marshal.dumps((prefix, columns), _MARSHAL))
    is_folder = isinstance(batches, GeneratorType)
    return StatSummary(hasher.hexdigest(), count, size, newest, is_folder)


class _Batch(NamedTuple):
    """Consecutive files of one folder, at least one, in hashing order.

    `prefix` and `folder` precede the names: relative to the hashed path, and in the real path.
    `rows` has the name and the `_STAT_FIELDS` of each file; `links` the real paths of those that
    are links, by name.
    """

    prefix: str
    folder: str
    rows: list[tuple[Any, ...]]
    links: Mapping[str, str]


def _batches_below(
    root: Path, relative: str, selection: Selection | None
) -> Iterator[_Batch] | None:
    try:
        with folder_beneath(root, relative, anywhere=True) as (directory, name, real):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                return iter([_Batch("", real, [("", *_STAT_FIELDS(status))], {})])
            if not stat.S_ISDIR(status.st_mode):
                raise Refused(f"'{relative}' is neither a file nor a folder", file=relative)
            return _walk(root, open_directory(name, directory, relative), real, "", selection)
    except FileNotFoundError:
        return None


def _walk(
    root: Path, descriptor: int, path: str, prefix: str, selection: Selection | None
) -> Iterator[_Batch]:
    """Yield the files of a folder and its subfolders, with one stat and one tuple for each.

    The folder at `path` is read through its `descriptor`, which is closed at the end, so that a
    link put in its place later is not followed.
    """

    try:
        with os.scandir(descriptor) as scanned:
            rows = [
                (entry.name, *_STAT_FIELDS(entry.stat(follow_symlinks=False)))
                for entry in scanned
                if selection is None or selection.select(prefix + entry.name)
            ]
        rows.sort(key=_NAME)
        folder = os.path.join(path, "")
        links: dict[str, str] = {}
        files: list[tuple[Any, ...]] = []
        if {row[1] >> _KIND for row in rows} == {stat.S_IFREG >> _KIND}:
            files, rows = rows, []
        for row in rows:
            name, mode = row[:2]
            if stat.S_ISREG(mode):
                files.append(row)
            elif stat.S_ISDIR(mode):
                if files:
                    yield _Batch(prefix, folder, files, links)
                    files = []
                inner = open_directory(name, descriptor, folder + name)
                selected = selection.select(prefix + name) if selection else True
                yield from _walk(
                    root,
                    inner,
                    folder + name,
                    f"{prefix}{name}/",
                    None if isinstance(selected, bool) else selected,
                )
            elif stat.S_ISLNK(mode) and (target := _linked_file(root, folder + name)):
                links[name], status = target
                files.append((name, *_STAT_FIELDS(status)))
        if files:
            yield _Batch(prefix, folder, files, links)
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


def digest_contents(root: Path, files: list[FileStat], algorithm: str = "md5") -> str:
    """Return the digest of the contents of these files below `root`, concatenated in order."""

    import hashlib  # loads OpenSSL, which takes longer than finding that nothing changed

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
    joined = "\0".join(names).encode("utf-8", "surrogateescape")
    return light_hashes.md5(joined, usedforsecurity=False).hexdigest()


class FileIdentity:
    """A digest of the names, sizes, mtimes and inodes of files, which tells whether they are still
    those that were written: unlike ctimes, these stay when the files are moved."""

    def __init__(self) -> None:
        self._hasher = blake2b(digest_size=16)

    def add(self, name: str, size: int, mtime_ns: int, inode: int) -> None:
        self._hasher.update(marshal.dumps((name, size, mtime_ns, inode), _MARSHAL))

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


def file_identity(files: Iterable[FileStat]) -> str:
    """Return the identity of these files."""

    identity = FileIdentity()
    for file in files:
        identity.add(file.name, file.size, file.mtime_ns, file.inode)
    return identity.hexdigest()


def fingerprint(root: Path, relative: str, algorithm: str = "md5") -> Fingerprint | None:
    """Read a path in full and return its fingerprint; None if it does not exist."""

    files = files_below(root, relative)
    if files is None:
        return None
    size = sum(file.size for file in files)
    return Fingerprint(digest_contents(root, files, algorithm), digest_file_names(files), size)
