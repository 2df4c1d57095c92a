"""Pack one output into a tar.gz stream, and unpack such a stream from a remote.

The archive holds files, folders (also empty ones) and links that stay inside the output. A link to
a file elsewhere in the project is packed as that file. Unpacked files go to a staging folder until
the content has been verified.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

from git_spacy.background import BackgroundHash
from git_spacy.errors import ExternalError, LocalFailure, Refused
from git_spacy.files import Staging
from git_spacy.project.paths import ProjectPath
from git_spacy.safe_extract import OutputExtractor, read_members
from git_spacy.state.hashing import FileIdentity, FileStat, Fingerprint, files_below
from git_spacy.storage.gzip_stream import GzipReader, GzipWriter
from git_spacy.storage.output_layout import folders_and_links
from git_spacy.storage.staged_output import WrittenFiles, staged_fingerprint

_CHUNK = 1 << 20
_LEVEL = 3  # models hardly compress; a higher level costs time and gains nothing
_SPARE = 64 << 20  # bytes of disk space that stay free
_PUSH_AGAIN = "push the output again from a project that has it: git spacy push --force"

Progress = Callable[[int], None]


def pack(root: Path, path: ProjectPath, md5: str, stream: BinaryIO, progress: Progress) -> None:
    """Write the archive of the output at `path`, whose digest is `md5`, to `stream`.

    `progress` is called with the number of bytes of each read. Raises Refused for an output or a
    link in it that leads out of the project, unless the user allowed the folder that it leads to,
    and for a link that names a folder elsewhere, LocalFailure if the output changes while
    it is read, OSError.
    """

    facts = files_below(root, path.normal) or []
    hasher = BackgroundHash()
    links: set[str] = set()
    with (
        GzipWriter(stream, _LEVEL) as zipped,
        tarfile.TarFile(
            fileobj=cast(IO[bytes], zipped), mode="w", format=tarfile.PAX_FORMAT, copybufsize=_CHUNK
        ) as tar,
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


def check_sendable(root: Path, path: ProjectPath) -> None:
    """Raise Refused as `pack` does for an output or a link in it that leads elsewhere."""

    for _ in _folders_and_links(root, path):
        pass


def unpack(
    stream: BinaryIO, path: ProjectPath, staged: Staging, limit: int, room: int | None = None
) -> WrittenFiles:
    """Unpack the archive of the output at `path` into `staged`, and return what was written.

    `limit` is the largest allowed size in bytes, `room` the free disk space. Raises Refused for a
    member that does not belong to the output, leaves it, or is not a file, folder or link;
    ExternalError for an incomplete or too large archive, OSError.
    """

    extractor = OutputExtractor(path, staged.path, partial(_refused, path))
    hasher = BackgroundHash()
    identity = FileIdentity()
    names: list[str] = []
    has_links = False

    def identify(name: str, status: os.stat_result) -> None:
        names.append(name)
        identity.add(name, status.st_size, status.st_mtime_ns, status.st_ino)

    count = written = 0
    try:
        for member, tar in read_members(cast(IO[bytes], GzipReader(stream))):
            count += 1
            written += member.size
            _check_size(path, written, limit, limit if room is None else room)
            extractor.extract(member, tar, hasher.update, identify)
            has_links = has_links or member.issym() or member.islnk()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ExternalError(
            f"archive of '{path}' in the remote is damaged ({error})", hint=_PUSH_AGAIN
        ) from None
    if not count:
        raise ExternalError(f"archive of '{path}' in the remote is empty", hint=_PUSH_AGAIN)
    extractor.finish()
    if has_links:
        return WrittenFiles(names, written, "")
    return WrittenFiles(names, written, hasher.hexdigest(), identity.hexdigest())


def _check_size(path: ProjectPath, written: int, limit: int, room: int) -> None:
    if written > limit:
        raise ExternalError(
            f"archive of '{path}' is too large: over {limit:,} bytes unpacked",
            hint="to raise the limit: git config spacy.maxOutputSize 100g",
        )
    if written > room:
        raise ExternalError(
            f"no space left on the disk to unpack the archive of '{path}'", hint="free disk space"
        )


def _refused(path: ProjectPath, name: str, reason: str) -> Refused:
    shown = name if len(name) < 200 else f"{name[:200]}…"
    return Refused(
        f"archive of '{path}' in the remote contains '{shown}', {reason}",
        hint="do not use this remote until you know who wrote the archive",
    )


def unpack_verified(
    stream: BinaryIO, root: Path, path: ProjectPath, staged: Staging, md5: str, *,
    names: Collection[str] = (), limit: int = 0,
) -> tuple[Fingerprint, str]:  # fmt: skip
    """Unpack an archive into `staged`; return the fingerprint of the content, and the identity of
    the files ("" if it is unknown).

    Its digest must be `md5`, and the digest of its file names one of `names` unless that is empty.
    It may have `limit` bytes (0: as many as fit on the disk). Raises as `unpack`, and ExternalError
    for other content.
    """

    room = max(shutil.disk_usage(root).free - _SPARE, 0)
    unpacked = unpack(stream, path, staged, limit or sys.maxsize, room)
    found = staged_fingerprint(root, staged, unpacked)
    if found is None or found.digest != md5:
        raise ExternalError(
            f"archive of '{path}' in the remote has the wrong content: expected md5 {md5},"
            f" found {found.digest if found else 'no files'}",
            hint=_PUSH_AGAIN,
        )
    if names and found.names not in names:
        raise ExternalError(
            f"archive of '{path}' in the remote has other file names than were recorded",
            hint=_PUSH_AGAIN,
        )
    return found, unpacked.identity


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
    return posixpath.join(path.in_archive, inner).rstrip("/")


def _folders_and_links(root: Path, path: ProjectPath) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield (name below the output, member) for each folder and link of an output."""

    for member in folders_and_links(root, path.normal):
        info = tarfile.TarInfo(_member_name(path, member.name))
        if member.target is None:
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        else:
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, member.target, 0o777
        yield member.name, info


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
