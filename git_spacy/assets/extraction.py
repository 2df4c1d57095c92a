"""Extract the archive of an asset: a zip, a tar, or a file compressed by gzip, bzip2, xz or zstd.

The format is recognised by the content. Everything is extracted beside the destination, and nothing
if any part of the archive is unsafe or damaged.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, BinaryIO, cast

from git_spacy.assets.content_encoding import MAGIC
from git_spacy.assets.events import FetchReporter
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.assets.sources import MAX_SIZE, AssetSource, FetchContext, FetchedContent
from git_spacy.errors import ExternalError, LocalFailure, Refused
from git_spacy.files import Staging, staging
from git_spacy.git.settings import number
from git_spacy.project.model import Asset
from git_spacy.safe_extract import (
    DamagedZipError,
    MemberContents,
    MemberExtractor,
    read_members,
    read_zip_members,
)
from git_spacy.state.hashing import digest_contents, digest_file_names, files_below, fingerprint

_CHUNK = 1 << 16
_SPARE = 64 << 20  # bytes of disk space that stay free
_XZ_MEMORY = 512 << 20  # bytes; `xz -9` needs 65 MiB to decompress
_TAR_BLOCK = 512
_LARGEST_END = 16 << 20  # bytes after the last member of a tar
_IN_A_COMMAND = "correct 'url', or remove 'extract' and extract the archive in a command"


def fetch_and_extract(
    source: AssetSource,
    asset: Asset,
    staged: Staging,
    context: FetchContext,
    report: FetchReporter,
) -> FetchedContent:
    """Fetch the archive of an asset from `source`, verify it and extract it into `staged`.

    The archive is removed. Raises what `AssetSource.fetch` raises; Refused for an unsafe member;
    ExternalError for an archive that is damaged, encrypted, empty, too large or of an unknown
    format.
    """

    with staging(context.root, archive_path(asset)) as archive:
        archived = source.fetch(asset, archive, context, report)
        if archived.names:
            raise ExternalError(
                "'extract' needs an archive; 'path' is a folder", hint=_IN_A_COMMAND
            )
        limit = int(number(context.settings, MAX_SIZE)) or None
        with archive.reopen() as stream, _translating_errors():
            reader = _CancellableReader(stream, context.cancellation.check)
            _extract_stream(cast(BinaryIO, reader), staged, limit)
        sha256 = fingerprint(context.root, archive.relative, "sha256")
    files = files_below(context.root, staged.relative)
    if not files or sha256 is None:
        raise ExternalError("the archive has no files", hint=_IN_A_COMMAND)
    names = digest_file_names(files)
    count = f"extracted {len(files):,} file{'' if len(files) == 1 else 's'}"
    return FetchedContent(
        size=sum(file.size for file in files),
        digest=digest_contents(context.root, files),
        names=names,
        detail=", ".join(filter(None, (archived.detail, count if names else "decompressed"))),
        source_digests={"md5": archived.digest, "sha256": sha256.digest},
    )


def archive_path(asset: Asset) -> str:
    """Return the path beside the destination under which the archive is staged."""

    return f"{asset.dest.normal}.archive"


def _extract_stream(source: BinaryIO, staged: Staging, limit: int | None) -> None:
    head = source.read(_TAR_BLOCK)
    source.seek(0)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _extract_members(read_zip_members(source), staged, limit)
    decompress = next((_OPENERS[name] for name in _OPENERS if head.startswith(MAGIC[name])), None)
    if decompress:
        content = decompress(source)
        head = _read_start(content)
        source.seek(0)
        content = decompress(source)
    elif _is_tar(head):
        content = source
    else:
        raise ExternalError(
            "'extract' needs a zip, a tar, or a file compressed by gzip, bzip2, xz or zstd",
            hint=_IN_A_COMMAND,
        )
    if _is_tar(head):
        _extract_members(read_members(cast(IO[bytes], content)), staged, limit)
        return _read_to_end(content)
    with staged.open() as target:
        writer = HashingWriter(target, None, limit)
        while chunk := content.read(_CHUNK):
            writer.write(chunk)
    return None


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _read_start(stream: BinaryIO) -> bytes:
    """Return the first block of a stream, which may return less than it is asked for."""

    data = b""
    while len(data) < _TAR_BLOCK and (chunk := stream.read(_TAR_BLOCK - len(data))):
        data += chunk
    return data


def _read_to_end(stream: BinaryIO) -> None:
    """Read what follows the last member: a compressed stream ends with its checksum."""

    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > _LARGEST_END:
            raise tarfile.ReadError("too much data after the last file")


def _extract_members(
    members: Iterable[tuple[tarfile.TarInfo, MemberContents]], staged: Staging, limit: int | None
) -> None:
    extractor = MemberExtractor("", staged.path, _refused, "archive", portable=True)
    room = max(shutil.disk_usage(staged.path.parent).free - _SPARE, 0)
    written = 0
    for member, contents in members:
        written += member.size
        if written > room:
            raise ExternalError(
                "no space left on the disk to extract the archive", hint="free disk space"
            )
        if limit is not None and written > limit:
            raise ExternalError(
                f"archive is larger than the limit: over {limit:,} bytes extracted",
                hint="to raise the limit: git config spacy.maxAssetSize 10g",
            )
        extractor.extract(member, contents)
    extractor.finish()


def _refused(name: str, reason: str) -> Refused:
    shown = name if len(name) < 200 else f"{name[:200]}…"
    return Refused(
        f"the archive contains '{shown}', {reason}",
        hint="if you trust it, remove 'extract' and extract the archive in a command",
    )


@contextmanager
def _translating_errors() -> Iterator[None]:
    """Raise ExternalError for what the readers of archives and compressed files raise."""

    import zlib
    from lzma import LZMAError

    damaged = (tarfile.TarError, DamagedZipError, EOFError, zlib.error, LZMAError)
    try:
        yield
    except damaged as error:
        raise ExternalError(f"cannot extract the archive: {error}", hint=_IN_A_COMMAND) from None
    except OSError as error:
        if error.errno is not None:
            raise
        # gzip and bz2 raise OSError without errno
        raise ExternalError(f"cannot extract the archive: {error}", hint=_IN_A_COMMAND) from None


class _CancellableReader:
    """A file that checks before each read whether the fetch has been cancelled."""

    def __init__(self, stream: BinaryIO, check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check
        self.seek = stream.seek
        self.tell = stream.tell
        self.seekable = stream.seekable

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._stream.read(size)


class _Decompressed:
    """The decompressed content of a file, which may consist of several compressed streams.

    `create` makes an object with the methods of `bz2.BZ2Decompressor`, for each stream. `error` is
    what it raises for damaged data; EOFError is raised in its place.
    """

    def __init__(
        self, source: BinaryIO, create: Callable[[], Any], error: type[Exception] = EOFError
    ) -> None:
        self._source = source
        self._create = create
        self._error = error
        self._engine = create()

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._engine.eof:
                data = self._next_stream()
                if not data:
                    return b""
                self._engine = self._create()
            elif self._engine.needs_input:
                data = self._source.read(_CHUNK)
                if not data:
                    raise EOFError("it is truncated")
            else:
                data = b""
            try:
                out: bytes = self._engine.decompress(data, size)
            except self._error as error:
                raise EOFError(str(error)) from None
            if out:
                return out

    def _next_stream(self) -> bytes:
        """Return the start of the next stream, b"" at the end. Streams of xz may be padded."""

        data: bytes = self._engine.unused_data.lstrip(b"\0")
        while not data and (chunk := self._source.read(_CHUNK)):
            data = chunk.lstrip(b"\0")
        return data


def _open_gzip(source: BinaryIO) -> BinaryIO:
    import gzip

    return cast(BinaryIO, gzip.GzipFile(fileobj=source, mode="rb"))


def _open_bzip2(source: BinaryIO) -> BinaryIO:
    import bz2

    return cast(BinaryIO, _Decompressed(source, bz2.BZ2Decompressor))


def _open_xz(source: BinaryIO) -> BinaryIO:
    import lzma

    create = partial(lzma.LZMADecompressor, format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return cast(BinaryIO, _Decompressed(source, create))


def import_zstd() -> Any:
    """Return the module for zstd of this Python. Raises LocalFailure."""

    try:
        try:
            from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
        except ImportError:
            from backports import zstd  # type: ignore[import-not-found]
    except ImportError:
        raise LocalFailure(
            "cannot decompress zstd: Python has it from 3.14 on",
            hint="pip install 'backports.zstd>=1.0'",
        ) from None
    return zstd


def _open_zstd(source: BinaryIO) -> BinaryIO:
    zstd = import_zstd()
    return cast(BinaryIO, _Decompressed(source, zstd.ZstdDecompressor, zstd.ZstdError))


_OPENERS: Mapping[str, Callable[[BinaryIO], BinaryIO]] = {
    ".gz": _open_gzip, ".bz2": _open_bzip2, ".xz": _open_xz, ".zst": _open_zstd,
}  # fmt: skip
