"""Extract files from an untrusted tar or zip, checking each member before it is written.

tarfile and zipfile parse the headers, but `_LimitedReader` and `_LimitedDirectory` bound how much
they read for them, whatever they ask for (names of gigabytes, maps of sparse files) and whatever
the version of Python.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, cast

from git_spacy.containment import MakeError, TreeNames, link_stays_inside
from git_spacy.file_copy import copy_stream
from git_spacy.files import create
from git_spacy.project.paths import ProjectPath

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_CHUNK = 1 << 20
_BLOCK = 64 << 10  # bytes that tarfile reads at a time
_HEADERS = 64 << 10  # bytes for the headers of one member: two names of 4,096 and numbers
_MOST_MEMBERS = 1_000_000
_MOST_ZIP_MEMBERS = 300_000  # zipfile keeps its directory in memory, half a kilobyte for each
_LARGEST_DIRECTORY = 128 << 20  # bytes
_ZIP_ENTRY = b"PK\x01\x02"  # starts each entry of the directory
_UNIX, _MACOS = 3, 19  # systems whose zip files have permissions
_ENCRYPTED = 1
_LONGEST_LINK = 4096
UpdateHash = Callable[[bytes], object]
OnWritten = Callable[[str, os.stat_result], object]
# what tarfile raises for invalid headers
_HEADER_ERRORS = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RecursionError,
)  # fmt: skip


def read_members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield each member of an uncompressed tar, and the tar to read its content from.

    A content must be read before the next member. Raises TarError for a tar that is damaged or asks
    for too much memory.
    """

    measured = _LimitedReader(stream)
    with _open_tar(measured) as tar:
        count = 0
        while member := _next_member(tar):
            count += 1
            if count > _MOST_MEMBERS:
                raise tarfile.ReadError(f"more than {_MOST_MEMBERS:,} files")
            measured.allow(max(member.size, 0))
            yield member, tar
            measured.allow(0)
            tar.members.clear()  # type: ignore[attr-defined]


def _open_tar(measured: _LimitedReader) -> tarfile.TarFile:
    with _translating_header_errors():  # open() reads the first header
        return tarfile.open(fileobj=cast(IO[bytes], measured), mode="r|", bufsize=_BLOCK)


def _next_member(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _translating_header_errors():
        member = tar.next()
    if not tar.pax_headers.keys() <= {"comment"}:  # `git archive` writes the commit there
        raise tarfile.ReadError("global headers are not supported")
    if member is not None and member.size < 0:
        raise tarfile.ReadError("a member has a negative size")
    return member


@contextmanager
def _translating_header_errors() -> Iterator[None]:
    try:
        yield
    except _HEADER_ERRORS as error:
        raise tarfile.ReadError(f"invalid header: {type(error).__name__}") from None


class _LimitedReader:
    """A stream that raises ReadError when more is read than was allowed plus one set of headers."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.allow(0)

    def allow(self, size: int) -> None:
        """Allow reading `size` bytes of content and the headers of one member."""

        self._left = size + _HEADERS + 2 * _BLOCK

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("headers are too large")
        return data


class DamagedZipError(Exception):
    """A zip cannot be read."""


class MemberContents(Protocol):
    """Where to read the content of the last member from, e.g. a TarFile."""

    def extractfile(self, member: tarfile.TarInfo) -> IO[bytes] | None:
        """Open the content of a member for reading."""


def read_zip_members(stream: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, MemberContents]]:
    """Yield each member of a zip as that of a tar, and where to read its content from.

    Raises DamagedZipError for a zip that is damaged, encrypted or asks for too much memory.
    """

    from zipfile import ZipFile

    with _translating_zip_errors():
        archive = ZipFile(cast(IO[bytes], _LimitedDirectory(stream)))
    contents = _ZipContents(archive)
    for entry in archive.infolist():
        with _translating_zip_errors():
            member = contents.member(entry)
        yield member, contents


class _ZipContents:
    """The contents of a zip."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._entry: ZipInfo | None = None

    def member(self, entry: ZipInfo) -> tarfile.TarInfo:
        """Return an entry as a member, whose content `extractfile` opens next."""

        if entry.flag_bits & _ENCRYPTED:
            raise DamagedZipError("it is encrypted")
        self._entry = entry
        has_mode = entry.create_system in (_UNIX, _MACOS)
        mode = entry.external_attr >> 16 if has_mode else 0
        # some programs on Windows separate folders by backslashes, as only Windows does
        name = entry.filename if has_mode else entry.filename.replace("\\", "/")
        member = tarfile.TarInfo(name)
        member.mode = stat.S_IMODE(mode)
        kind = stat.S_IFMT(mode)
        if name.endswith("/") or kind == stat.S_IFDIR:
            member.type = tarfile.DIRTYPE
        elif kind == stat.S_IFLNK:
            member.type, member.linkname = tarfile.SYMTYPE, self._link_target(entry)
        elif kind in (0, stat.S_IFREG):
            member.size = entry.file_size
        else:
            member.type = tarfile.CHRTYPE  # or any other special file
        return member

    def _link_target(self, entry: ZipInfo) -> str:
        if entry.file_size > _LONGEST_LINK:
            raise DamagedZipError("the target of a link is too long")
        return os.fsdecode(self._archive.read(entry))

    def extractfile(self, member: tarfile.TarInfo) -> IO[bytes]:  # noqa: ARG002
        assert self._entry is not None
        with _translating_zip_errors():
            return cast(IO[bytes], _ZipMember(self._archive.open(self._entry)))


class _ZipMember:
    """The content of a file in a zip, which raises DamagedZipError."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        with _translating_zip_errors():
            return self._content.read(size)


@contextmanager
def _translating_zip_errors() -> Iterator[None]:
    """Raise DamagedZipError for what zipfile and the decompressors raise; OSErrors of the system
    remain."""

    import zlib
    from lzma import LZMAError
    from zipfile import BadZipFile

    damaged = (BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, RuntimeError)
    try:
        yield
    except (*damaged, *_HEADER_ERRORS) as error:
        raise DamagedZipError(str(error) or type(error).__name__) from None
    except OSError as error:
        if error.errno is None:  # bz2
            raise DamagedZipError(str(error)) from None
        raise


class _LimitedDirectory:
    """A zip file that raises DamagedZipError if its directory is too large to be kept in memory.

    zipfile reads the directory at once. Each entry of it starts with `_ZIP_ENTRY`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell
        self.seekable = stream.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_DIRECTORY:
            raise DamagedZipError("its directory is too large")
        data = self._stream.read(size)
        if len(data) > _CHUNK and data.count(_ZIP_ENTRY) > _MOST_ZIP_MEMBERS:
            raise DamagedZipError(f"more than {_MOST_ZIP_MEMBERS:,} files")
        return data


class MemberExtractor:
    """Checks the members of a tar or zip below the folder `top` in it, and writes them to `target`.

    `noun` says what is extracted: "output" or "archive". Members are checked and written one after
    another, links at the end. Raises the error that `error` makes for a member that is not below
    `top`, leaves it, or is not a file, folder or link; with `portable`, also for names that are the
    same on some system.
    """

    def __init__(
        self, top: str, target: Path, error: MakeError, noun: str, *, portable: bool = False
    ) -> None:
        self._top = top
        self._target = target
        self._error = error
        self._noun = noun
        self._names = TreeNames(self._refusal, portable=portable)
        self._links: dict[str, str] = {}

    def _refusal(self, inner: str, reason: str) -> Exception:
        return self._error(posixpath.join(self._top, inner).rstrip("/"), f"which {reason}")

    def check(self, member: tarfile.TarInfo) -> tuple[str, list[str]]:
        """Check a member; return its name below `top`, and the folders to create for it."""

        inner = self._inner_name(member.name)
        if member.mode & 0o6000:
            raise self._refusal(inner, "has the setuid or setgid bit")
        if member.isdir():
            return inner, self._names.add(inner, "folder")
        if member.issym():
            self._links[inner] = member.linkname
            return inner, self._names.add(inner, "link")
        if member.islnk():
            if not self._names.is_file(self._inner_name(member.linkname)):
                raise self._refusal(
                    inner,
                    f"is a link to '{member.linkname}', which is not a file in the {self._noun}",
                )
        elif not member.isreg() or member.issparse():
            raise self._refusal(inner, "is not a file, folder or link")
        return inner, self._names.add(inner, "file")

    def check_links(self) -> None:
        """Check the targets of all links, once all members are checked."""

        for inner, target in self._links.items():
            if not inner or not link_stays_inside(inner, target, self._names.may_be_link):
                raise self._refusal(inner, f"is a link to '{target}', outside the {self._noun}")

    def _inner_name(self, name: str) -> str:
        """Return the name below `top`, "" for `top` itself.

        An archive of weasel can have the path as project.yml has it, such as `./model/`.
        """

        parts = [part for part in name.split("/") if part not in ("", ".")]
        own = self._top.split("/") if self._top else []
        if name.startswith("/") or ".." in parts or parts[: len(own)] != own:
            raise self._error(name, f"which is outside the {self._noun}")
        return "/".join(parts[len(own) :])

    def extract(
        self, member: tarfile.TarInfo, tar: MemberContents, update_hash: UpdateHash | None = None,
        on_written: OnWritten | None = None,
    ) -> str:  # fmt: skip
        """Check a member, write it unless it is a link, and return its name below `top`.

        The content of a file is also passed to `update_hash`; once it is written, its name and
        status are passed to `on_written`. Raises OSError.
        """

        inner, folders = self.check(member)
        for folder in folders:
            os.mkdir(self._target / folder)
        if member.islnk():
            os.link(self._target / self._inner_name(member.linkname), self._target / inner)
        elif member.isreg():
            source = tar.extractfile(member)
            assert source is not None
            with create(self._target / inner, executable=bool(member.mode & 0o100)) as target:
                copy_stream(source, target, update_hash)
                if on_written is not None:
                    target.flush()
                    on_written(inner, os.fstat(target.fileno()))
        return inner

    def finish(self) -> None:
        """Check and create the links. Raises OSError."""

        self.check_links()
        for inner, target in self._links.items():
            os.symlink(target, self._target / inner)


class OutputExtractor(MemberExtractor):
    """Extracts the output at `path` from an archive that has its members under that path."""

    def __init__(self, path: ProjectPath, target: Path, error: MakeError) -> None:
        super().__init__(path.in_archive, target, error, "output")
