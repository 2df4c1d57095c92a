"""Pack one output into a tar.gz stream.

The archive holds files, folders (also empty ones) and links that stay inside the output. A link to
a file elsewhere in the project is packed as that file. `safe_extract` unpacks.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import tarfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from git_spacy.errors import LocalFailure, Refused
from git_spacy.files import resolve_beneath
from git_spacy.git_names import is_git_name
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import FileStat, Fingerprint, files_below
from git_spacy.storage.safe_extract import bad_archive, stays_inside, unpack

__all__ = ["check_fingerprint", "pack", "unpack"]

_CHUNK = 1 << 20
_LEVEL = 3  # models hardly compress; a higher level costs time and gains nothing

Progress = Callable[[int], None]


def pack(root: Path, path: ProjectPath, md5: str, stream: BinaryIO, progress: Progress) -> None:
    """Write the archive of the output at `path`, whose digest is `md5`, to `stream`.

    `progress` is called with the number of bytes of each read. Raises Refused for a link that
    leaves the project or names a folder elsewhere in it, LocalFailure if the output changes while
    it is read, OSError.
    """

    facts = files_below(root, path.normal) or []
    hasher = hashlib.md5(usedforsecurity=False)
    links: set[str] = set()
    with (
        gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0) as zipped,
        tarfile.open(fileobj=cast(IO[bytes], zipped), mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for inner, info in _folders_and_links(root, path):
            tar.addfile(info)
            if info.issym():
                links.add(inner)
        for fact in facts:
            with open(fact.path, "rb") as source:
                reader = _HashingReader(source, hasher.update, progress)
                _add_file(tar, None if fact.name in links else _file_info(fact, path), reader)
            # tarfile keeps every member in memory, which adds up with 200,000 files
            tar.members.clear()  # type: ignore[attr-defined]
    if hasher.hexdigest() != md5:
        raise LocalFailure(f"'{path}' changed while it was read", hint="push again")


def check_fingerprint(
    path: ProjectPath, fingerprint: Fingerprint | None, md5: str, names: Collection[str] = ()
) -> Fingerprint:
    """Return the `fingerprint` of an unpacked output if it is the expected one.

    Its digest must be `md5`, and the digest of its file names one of `names` unless that is empty.
    Raises ExternalError otherwise.
    """

    if fingerprint is None or fingerprint.digest != md5:
        found = fingerprint.digest if fingerprint else "no files"
        raise bad_archive(path, f"has the wrong content: expected md5 {md5}, found {found}")
    if names and fingerprint.names not in names:
        raise bad_archive(path, "has other file names than were recorded")
    return fingerprint


def _add_file(tar: tarfile.TarFile, info: tarfile.TarInfo | None, reader: _HashingReader) -> None:
    """Add a file, or only hash it if `info` is None: then it is in the archive as a link."""

    if info is None:
        while reader.read(_CHUNK):
            pass
        return
    try:
        tar.addfile(info, cast(IO[bytes], reader))
    except OSError as error:
        if error.errno is not None:
            raise
        # tarfile raises OSError without errno if the file shrank; the digest will not match


def _file_info(fact: FileStat, path: ProjectPath) -> tarfile.TarInfo:
    info = tarfile.TarInfo(_member_name(path, fact.name))
    info.size = fact.size
    info.mtime = fact.mtime_ns // 1_000_000_000
    info.mode = 0o755 if os.access(fact.path, os.X_OK) else 0o644
    return info


def _member_name(path: ProjectPath, inner: str) -> str:
    return posixpath.join(path.normal, inner).rstrip("/")


def _folders_and_links(root: Path, path: ProjectPath) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield (name below the output, member) for each folder and link of an output."""

    top = resolve_beneath(root, path.normal)
    for folder, folders, files in os.walk(top):
        above = os.path.relpath(folder, top)
        above = "" if above == "." else above
        info = tarfile.TarInfo(_member_name(path, above))
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        yield above, info
        for name in sorted((*folders, *files)):
            inner = posixpath.join(above, name)
            if is_git_name(name):
                raise Refused(
                    f"'{_member_name(path, inner)}' belongs to Git and is never pushed",
                    hint=f"remove it from '{path}'",
                )
            link = os.path.join(folder, name)
            if not os.path.islink(link):
                continue
            target = os.readlink(link)
            if stays_inside(inner, target):
                info = tarfile.TarInfo(_member_name(path, inner))
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
                yield inner, info
            elif os.path.isdir(link):
                raise Refused(
                    f"'{_member_name(path, inner)}' is a link to a folder outside '{path}'",
                    hint="replace the link with a copy of the folder",
                )


class _HashingReader:
    """A stream that passes each chunk to a hash and its length to `progress`."""

    def __init__(
        self, stream: BinaryIO, update_hash: Callable[[bytes], object], progress: Progress
    ) -> None:
        self._stream = stream
        self._update_hash = update_hash
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._update_hash(data)
        self._progress(len(data))
        return data
