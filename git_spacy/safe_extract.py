"""Extract outputs from an untrusted tar, checking each member before it is written.

tarfile parses the headers, but `_LimitedReader` bounds how much it reads for them, whatever they
ask for (names of gigabytes, maps of sparse files) and whatever the version of Python.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from git_spacy.containment import MakeError, TreeNames, link_stays_inside
from git_spacy.files import create
from git_spacy.project.paths import ProjectPath

_CHUNK = 1 << 20
_BLOCK = 64 << 10  # bytes that tarfile reads at a time
_HEADERS = 64 << 10  # bytes for the headers of one member: two names of 4,096 and numbers
_MOST_MEMBERS = 1_000_000
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


class OutputExtractor:
    """Checks the members of a tar that belong to the output at `path`, and writes them to `target`.

    Members are checked and written one after another, links at the end. Raises the error that
    `error` makes for a member that does not belong to the output, leaves it, or is not a file,
    folder or link.
    """

    def __init__(self, path: ProjectPath, target: Path, error: MakeError) -> None:
        self._path = path
        self._target = target
        self._error = error
        self._names = TreeNames(self._refusal)
        self._links: dict[str, str] = {}

    def _refusal(self, inner: str, reason: str) -> Exception:
        return self._error(
            posixpath.join(self._path.in_archive, inner).rstrip("/"), f"which {reason}"
        )

    def check(self, member: tarfile.TarInfo) -> tuple[str, list[str]]:
        """Check a member; return its name below the output, and the folders to create for it."""

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
                    inner, f"is a link to '{member.linkname}', which is not a file in the output"
                )
        elif not member.isreg() or member.issparse():
            raise self._refusal(inner, "is not a file, folder or link")
        return inner, self._names.add(inner, "file")

    def check_links(self) -> None:
        """Check the targets of all links, once all members are checked."""

        for inner, target in self._links.items():
            if not inner or not link_stays_inside(inner, target, self._names.may_be_link):
                raise self._refusal(inner, f"is a link to '{target}', outside the output")

    def _inner_name(self, name: str) -> str:
        """Return the name below the output, "" for the output itself.

        An archive of weasel can have the path as project.yml has it, such as `./model/`.
        """

        parts = [part for part in name.split("/") if part not in ("", ".")]
        own = self._path.in_archive.split("/")
        if name.startswith("/") or ".." in parts or parts[: len(own)] != own:
            raise self._error(name, "which is outside the output")
        return "/".join(parts[len(own) :])

    def extract(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        """Check a member, and write it unless it is a link. Raises OSError."""

        inner, folders = self.check(member)
        for folder in folders:
            os.mkdir(self._target / folder)
        if member.islnk():
            os.link(self._target / self._inner_name(member.linkname), self._target / inner)
        elif member.isreg():
            source = tar.extractfile(member)
            assert source is not None
            with create(self._target / inner, executable=bool(member.mode & 0o100)) as target:
                shutil.copyfileobj(source, target, _CHUNK)

    def finish(self) -> None:
        """Check and create the links. Raises OSError."""

        self.check_links()
        for inner, target in self._links.items():
            os.symlink(target, self._target / inner)
