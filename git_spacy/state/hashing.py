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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

from git_spacy import light_hashes
from git_spacy.errors import Refused
from git_spacy.files import folder_beneath, open_directory, open_each
from git_spacy.light_hashes import blake2b
from git_spacy.light_typing import NamedTuple
from git_spacy.state.counted_files import Selection

_CHUNK = 1 << 20
_NAME = attrgetter("name")
MARSHAL_FORMAT = 2  # the latest format whose bytes depend on nothing but the values
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


def files_below(
    root: Path, relative: str, selection: Selection | None = None
) -> list[FileStat] | None:
    """Return the files at or below `relative` in hashing order; None if the path does not exist.

    As in weasel, links to files count as files, wherever these are; links to folders in a folder
    are skipped. With `selection`, only the selected files of a folder count. Raises Refused for a
    path that is neither file nor folder.
    """

    try:
        with open_path(root, relative) as (directory, name, real, status):
            if stat.S_ISREG(status.st_mode):
                return [_file_stat("", real, status)]
            descriptor = open_directory(name, directory, relative)
    except FileNotFoundError:
        return None
    return list(_walk(root, descriptor, real, "", selection))


@contextmanager
def open_path(root: Path, relative: str) -> Iterator[tuple[int, str, str, os.stat_result]]:
    """Resolve all links in `relative`, and open the folder that has the file or folder in it.

    Yields the descriptor of that folder, the name in it, the real path, and the status. Raises
    Refused for what is neither a file nor a folder, OSError.
    """

    with folder_beneath(root, relative, anywhere=True) as (directory, name, real):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise Refused(f"'{relative}' is neither a file nor a folder", file=relative)
        yield directory, name, real, status


def _file_stat(name: str, path: str, status: os.stat_result) -> FileStat:
    return FileStat(
        name, path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    )


def _walk(
    root: Path, descriptor: int, folder: str, prefix: str, selection: Selection | None
) -> Iterator[FileStat]:
    """Yield the files of a folder and its subfolders.

    The folder is read through its `descriptor`, which is closed at the end, so that a link put in
    its place later is not followed.
    """

    try:
        with os.scandir(descriptor) as scanned:
            entries = sorted(scanned, key=_NAME)
        for entry in entries:
            name, path = prefix + entry.name, os.path.join(folder, entry.name)
            selected = selection.select(name) if selection else True
            if not selected:
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield _file_stat(name, path, status)
            elif stat.S_ISDIR(status.st_mode):
                inner = open_directory(entry.name, descriptor, path)
                below = None if isinstance(selected, bool) else selected
                yield from _walk(root, inner, path, f"{name}/", below)
            elif stat.S_ISLNK(status.st_mode) and (target := linked_file(root, path)):
                yield _file_stat(name, *target)
    finally:
        os.close(descriptor)


def linked_file(root: Path, link: str) -> tuple[str, os.stat_result] | None:
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
        self._hasher.update(marshal.dumps((name, size, mtime_ns, inode), MARSHAL_FORMAT))

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
