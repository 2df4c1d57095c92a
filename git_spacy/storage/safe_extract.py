"""Unpack an output from an untrusted tar.gz, checking each member before it is written.

tarfile parses the headers, but `_LimitedReader` bounds how much it reads for them, whatever they
ask for (names of gigabytes, maps of sparse files) and whatever the version of Python. Files are
written to a staging folder until the content has been verified.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from git_spacy.errors import ExternalError, Refused
from git_spacy.files import Staging
from git_spacy.git_names import is_git_name
from git_spacy.project.paths import ProjectPath

_CHUNK = 1 << 20
_BLOCK = 64 << 10  # bytes that tarfile reads at a time
_HEADERS = 64 << 10  # bytes for the headers of one member: two names of 4,096 and numbers
_MOST_MEMBERS = 1_000_000
_LONGEST, _LONGEST_PART = 3_000, 255  # bytes of a name and of each part; Linux allows 4,096
_DEEPEST = 100  # nested folders
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
# what tarfile raises for invalid headers
_HEADER_ERRORS = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RecursionError,
)  # fmt: skip


def unpack(
    stream: BinaryIO, path: ProjectPath, staged: Staging, limit: int, room: int | None = None
) -> None:
    """Unpack the archive of the output at `path` into `staged`.

    `limit` is the largest allowed size in bytes, `room` the free disk space. Raises Refused for a
    member that does not belong to the output, leaves it, or is not a file, folder or link;
    ExternalError for an incomplete or too large archive, OSError.
    """

    with _reporting_damage(path), gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
        measured = _LimitedReader(cast(IO[bytes], unzipped))
        with _open_tar(measured) as tar:
            writer = _MemberWriter(path, staged, limit, room)
            while member := _next_member(tar):
                measured.allow(max(member.size, 0))
                writer.write(member, tar)
                measured.allow(0)
                tar.members.clear()  # type: ignore[attr-defined]
            writer.finish()


def bad_archive(path: ProjectPath, problem: str) -> ExternalError:
    """Return the error for the archive of the output `path` in the remote, which has a problem."""

    return ExternalError(
        f"archive of '{path}' in the remote {problem}",
        hint="push the output again from a project that has it: git spacy push --force",
    )


@contextmanager
def _reporting_damage(path: ProjectPath) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise bad_archive(path, f"is damaged ({error})") from None


def _open_tar(measured: _LimitedReader) -> tarfile.TarFile:
    with _translating_header_errors():  # open() reads the first header
        return tarfile.open(fileobj=cast(IO[bytes], measured), mode="r|", bufsize=_BLOCK)


def _next_member(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _translating_header_errors():
        member = tar.next()
    if tar.pax_headers:
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


def stays_inside(inner: str, target: str) -> bool:
    """Return whether a link with the name `inner` below an output has its target in the output.

    `..` is only allowed at the start of the target: in `a/../b`, `a` may be a link.
    """

    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    return not target.startswith("/") and ".." not in parts[ups:] and ups <= inner.count("/")


class _MemberWriter:
    """Checks members of an archive and writes them into a staging folder."""

    def __init__(self, path: ProjectPath, staged: Staging, limit: int, room: int | None) -> None:
        self._path = path
        self._staged = staged
        self._limit = limit
        self._room = limit if room is None else room
        self._written = 0
        self._kinds: dict[str, str] = {}

    def write(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        inner = self._relative_name(member.name)
        if len(self._kinds) >= _MOST_MEMBERS:
            raise ExternalError(
                f"'{self._path}' has more than {_MOST_MEMBERS:,} files in the remote"
            )
        if member.mode & 0o6000:
            raise self._unsafe_member(member, "has the setuid or setgid bit")
        for folder in _parents(inner):
            self._make_folder(folder, member)
        if member.isdir():
            self._make_folder(inner, member)
            return
        if inner in self._kinds:
            raise self._unsafe_member(member, "occurs twice")
        if member.isreg() and not member.issparse():
            self._write_file(inner, member, tar)
        elif member.issym():
            self._write_link(inner, member)
        elif member.islnk():
            self._write_hard_link(inner, member)
        else:
            raise self._unsafe_member(member, "is not a file, folder or link")

    def finish(self) -> None:
        if not self._kinds:
            raise ExternalError(f"archive of '{self._path}' in the remote is empty")

    def _relative_name(self, name: str) -> str:
        """Return the name below the output, "" for the output itself. Raises Refused."""

        parts = [part for part in name.split("/") if part not in ("", ".")]
        own = self._path.normal.split("/")
        if name.startswith("/") or ".." in parts or parts[: len(own)] != own:
            raise self._refused(name, "which is outside the output")
        below = parts[len(own) :]
        if "\0" in name or len(below) > _DEEPEST or _is_too_long(parts):
            raise self._refused(name, "which is not a valid file name")
        if any(map(is_git_name, below)):
            raise self._refused(name, "which belongs to Git")
        return "/".join(below)

    def _target(self, inner: str) -> Path:
        return self._staged.path / inner if inner else self._staged.path

    def _make_folder(self, inner: str, member: tarfile.TarInfo) -> None:
        """Create a folder unless it exists."""

        kind = self._kinds.setdefault(inner, "new")
        if kind == "new":
            os.mkdir(self._target(inner))
            self._kinds[inner] = "folder"
        elif kind != "folder":
            raise self._unsafe_member(member, f"is below a {kind}")

    def _write_file(self, inner: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        self._written += member.size
        if self._written > self._limit:
            raise ExternalError(
                f"archive of '{self._path}' is too large: over {self._limit:,} bytes unpacked",
                hint="to raise the limit: git config spacy.maxOutputSize 100g",
            )
        if self._written > self._room:
            raise ExternalError(
                f"no space left on the disk to unpack the archive of '{self._path}'",
                hint="free disk space",
            )
        self._kinds[inner] = "file"
        source = tar.extractfile(member)
        assert source is not None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o777 if member.mode & 0o100 else 0o666
        with open(os.open(self._target(inner), flags, mode), "wb") as target:
            while data := source.read(_CHUNK):
                target.write(data)

    def _write_link(self, inner: str, member: tarfile.TarInfo) -> None:
        to = member.linkname
        if not inner or "\0" in to or not to or _is_too_long(to.split("/")):
            raise self._unsafe_member(member, f"is a link to '{to}'")
        if not stays_inside(inner, to):
            raise self._unsafe_member(member, f"is a link to '{to}', outside the output")
        self._kinds[inner] = "link"
        os.symlink(to, self._target(inner))

    def _write_hard_link(self, inner: str, member: tarfile.TarInfo) -> None:
        to = self._relative_name(member.linkname)
        if self._kinds.get(to) != "file":
            raise self._unsafe_member(
                member, f"is a link to '{member.linkname}', which is not a file in the output"
            )
        self._kinds[inner] = "file"
        os.link(self._target(to), self._target(inner))

    def _unsafe_member(self, member: tarfile.TarInfo, reason: str) -> Refused:
        return self._refused(member.name, f"which {reason}")

    def _refused(self, name: str, reason: str) -> Refused:
        shown = name if len(name) < 200 else f"{name[:200]}…"
        return Refused(
            f"archive of '{self._path}' in the remote contains '{shown}', {reason}",
            hint="do not use this remote until you know who wrote the archive",
        )


def _parents(inner: str) -> Iterator[str]:
    """Yield the folders above a name, starting with the output itself ("")."""

    if inner:
        yield ""
    for index, character in enumerate(inner):
        if character == "/":
            yield inner[:index]


def _is_too_long(parts: list[str]) -> bool:
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeError:
        return True  # the file system cannot encode it
    return sum(lengths) + len(parts) > _LONGEST or max(lengths, default=0) > _LONGEST_PART
