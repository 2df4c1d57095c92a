"""An output out of a tar.gz that somebody else made: each member is looked at before it is written.

The tar module reads headers, and no more of them than `_Measured` gives it: what a header may ask
for (names of gigabytes, maps of holes) is bounded there, whatever the Python. All that is written
lies beside its destination until its content is known to be right.
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
_BLOCK = 64 << 10  # bytes that the tar module reads at a time
_HEADERS = 64 << 10  # bytes for the headers of one member: two names of 4,096 and some numbers
_MOST_MEMBERS = 1_000_000
_LONGEST, _LONGEST_PART = 3_000, 255  # bytes of a name and of each part: the system has 4,096
_DEEPEST = 100  # folders in each other
_BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
# what the tar module raises for headers that make no sense
_SENSELESS = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RecursionError,
)  # fmt: skip


def unpack(
    stream: BinaryIO, path: ProjectPath, staged: Staging, limit: int, room: int | None = None
) -> None:
    """Write what the archive has of the output at `path` into `staged`: at most `limit` bytes, and
    `room` of them fit the disk.

    Raises Unsafe for a member that is not of this output, leads out of it, or is no file, folder or
    link; Unavailable for what is no whole archive or too large; OSError.
    """

    with _as_malformed(path), gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
        measured = _LimitedReader(cast(IO[bytes], unzipped))
        with _opened(measured) as tar:
            writer = _Writer(path, staged, limit, room)
            while member := _next(tar):
                measured.allow(max(member.size, 0))
                writer.write(member, tar)
                measured.allow(0)
                tar.members.clear()  # type: ignore[attr-defined]
            writer.finish()


@contextmanager
def _as_malformed(path: ProjectPath) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ExternalError(
            f"what the remote has of '{path}' is no whole archive ({error})",
            hint="push it again from where it was made, with --force",
        ) from None


def _opened(measured: _LimitedReader) -> tarfile.TarFile:
    with _sensible():  # it reads the first header
        return tarfile.open(fileobj=cast(IO[bytes], measured), mode="r|", bufsize=_BLOCK)


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _sensible():
        member = tar.next()
    if tar.pax_headers:
        raise tarfile.ReadError("it has headers for all members")
    if member is not None and member.size < 0:
        raise tarfile.ReadError("a member of less than nothing")
    return member


@contextmanager
def _sensible() -> Iterator[None]:
    try:
        yield
    except _SENSELESS as error:
        raise tarfile.ReadError(f"a header makes no sense: {type(error).__name__}") from None


class _LimitedReader:
    """An unpacked stream that gives no more than was allowed and headers need."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.allow(0)

    def allow(self, size: int) -> None:
        """So much is to come, and the headers of one member."""

        self._left = size + _HEADERS + 2 * _BLOCK

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("headers without end")
        return data


def stays_inside(inner: str, target: str) -> bool:
    """Whether a link of this name below an output, to `target`, leads to something in the output.

    Nothing may come up again (`a/../b`): if `a` is a link, that is somewhere else.
    """

    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    return not target.startswith("/") and ".." not in parts[ups:] and ups <= inner.count("/")


class _Writer:
    """Writes members below the staging's path."""

    def __init__(self, path: ProjectPath, staged: Staging, limit: int, room: int | None) -> None:
        self._path = path
        self._staged = staged
        self._limit = limit
        self._room = limit if room is None else room
        self._written = 0
        self._kinds: dict[str, str] = {}

    def write(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        inner = self._inner(member.name)
        if len(self._kinds) >= _MOST_MEMBERS:
            raise ExternalError(
                f"'{self._path}' has more than {_MOST_MEMBERS:,} files in the remote"
            )
        if member.mode & 0o6000:
            raise self._unsafe(member, "would run as somebody else (setuid)")
        for folder in _above(inner):
            self._enter(folder, member)
        if member.isdir():
            self._enter(inner, member)
            return
        if inner in self._kinds:
            raise self._unsafe(member, "is there twice")
        if member.isreg() and not member.issparse():
            self._file(inner, member, tar)
        elif member.issym():
            self._link(inner, member)
        elif member.islnk():
            self._hard_link(inner, member)
        else:
            raise self._unsafe(member, "is no file, folder or link")

    def finish(self) -> None:
        if not self._kinds:
            raise ExternalError(f"what the remote has of '{self._path}' is empty")

    def _inner(self, name: str) -> str:
        """The name below the output, "" for itself. Raises Unsafe."""

        parts = [part for part in name.split("/") if part not in ("", ".")]
        own = self._path.normal.split("/")
        if name.startswith("/") or ".." in parts or parts[: len(own)] != own:
            raise self._refused(name, "which is not of it")
        below = parts[len(own) :]
        if "\0" in name or len(below) > _DEEPEST or _is_long(parts):
            raise self._refused(name, "a name that no disk can have")
        if any(map(is_git_name, below)):
            raise self._refused(name, "which is Git's own")
        return "/".join(below)

    def _at(self, inner: str) -> Path:
        return self._staged.path / inner if inner else self._staged.path

    def _enter(self, inner: str, member: tarfile.TarInfo) -> None:
        """Have a folder there."""

        kind = self._kinds.setdefault(inner, "new")
        if kind == "new":
            os.mkdir(self._at(inner))
            self._kinds[inner] = "folder"
        elif kind != "folder":
            raise self._unsafe(member, f"lies behind a {kind}")

    def _file(self, inner: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        self._written += member.size
        if self._written > self._limit:
            raise ExternalError(
                f"what the remote has of '{self._path}' is too large once it is unpacked",
                hint="if it is to be so large: git config spacy.maxOutputSize 100g",
            )
        if self._written > self._room:
            raise ExternalError(
                f"what the remote has of '{self._path}' does not fit the disk once it is unpacked",
                hint="make room on it, if so much was ever pushed",
            )
        self._kinds[inner] = "file"
        source = tar.extractfile(member)
        assert source is not None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o777 if member.mode & 0o100 else 0o666
        with open(os.open(self._at(inner), flags, mode), "wb") as target:
            while data := source.read(_CHUNK):
                target.write(data)

    def _link(self, inner: str, member: tarfile.TarInfo) -> None:
        to = member.linkname
        if not inner or "\0" in to or not to or _is_long(to.split("/")):
            raise self._unsafe(member, f"is a link to '{to}'")
        if not stays_inside(inner, to):
            raise self._unsafe(member, f"is a link to '{to}', out of it")
        self._kinds[inner] = "link"
        os.symlink(to, self._at(inner))

    def _hard_link(self, inner: str, member: tarfile.TarInfo) -> None:
        to = self._inner(member.linkname)
        if self._kinds.get(to) != "file":
            raise self._unsafe(member, f"is a link to '{member.linkname}', which is no file of it")
        self._kinds[inner] = "file"
        os.link(self._at(to), self._at(inner))

    def _unsafe(self, member: tarfile.TarInfo, why: str) -> Refused:
        return self._refused(member.name, f"which {why}")

    def _refused(self, name: str, why: str) -> Refused:
        shown = name if len(name) < 200 else f"{name[:200]}…"
        return Refused(
            f"the remote's archive of '{self._path}' has '{shown}', {why}",
            hint="do not use this remote before you know who wrote there",
        )


def _above(inner: str) -> Iterator[str]:
    """The folders that hold this name, the output itself ("") first."""

    if inner:
        yield ""
    for at, character in enumerate(inner):
        if character == "/":
            yield inner[:at]


def _is_long(parts: list[str]) -> bool:
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeError:
        return True  # no name at all here
    return sum(lengths) + len(parts) > _LONGEST or max(lengths, default=0) > _LONGEST_PART
