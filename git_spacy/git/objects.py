"""Read local objects with one git process for all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from git_spacy.errors import ExternalError, LocalFailure
from git_spacy.git import process
from git_spacy.git.repository import SAFE_CONFIG, Repository
from git_spacy.light_typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from git_spacy.git.remote_tree import Stream

_CHUNK = 1 << 20
_INFO = "%(objectname) %(objecttype) %(objectsize)"


def is_object_id(text: str) -> bool:
    """Return whether this could be the full id of an object, in SHA-1 or SHA-256."""

    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


class BlobStream:
    """The content of one blob: the next `size` bytes of a longer stream."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream = stream
        self._bytes_left = size
        self.size = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._bytes_left if size < 0 else min(size, self._bytes_left)
        chunk = self._stream.read(size)
        if len(chunk) < size:
            raise LocalFailure("git exited in the middle of a file", hint="try again")
        self._bytes_left -= size
        return chunk

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest of the content in chunks."""

        while self._bytes_left:
            yield self.read(_CHUNK)


def read_blobs(
    options: Sequence[str],
    ids: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    kind: bytes = b"blob",
) -> Iterator[tuple[str, BlobStream]]:
    """Yield (id, content) for each of `ids`. Read each content before asking for the next.

    `options` go before git's subcommand. Raises ExternalError for an id that is not that of a local
    object of this kind.
    """

    if not ids:
        return
    listed = "".join(f"{id}\n" for id in ids).encode()
    arguments = (*options, "cat-file", "--batch")
    with process.stream_git(arguments, cwd=cwd, environ=environ, input=listed) as stream:
        yield from _contents(stream, ids, kind)


def _contents(
    stream: BinaryIO, ids: Sequence[str], kind: bytes = b"blob"
) -> Iterator[tuple[str, BlobStream]]:
    for id in ids:
        head = stream.readline().split()
        if len(head) != 3 or head[1] != kind:
            raise ExternalError(
                f"the object {id} is missing from the repository, or damaged", hint="git fsck"
            )
        content = BlobStream(stream, int(head[2]))
        yield id, content
        for _ in content.chunks():
            pass
        stream.read(1)


def read_local_blobs(
    repository: Repository, ids: Sequence[str], kind: bytes = b"blob"
) -> Iterator[tuple[str, BlobStream]]:
    """Yield (id, content) for each of `ids`, as `read_blobs` does."""

    if not ids:
        return iter(())
    where, environ = repository.cwd(), repository.environment()
    return read_blobs(SAFE_CONFIG, ids, cwd=where, environ=environ, kind=kind)


def describe_objects(repository: Repository, names: Iterable[str], format: str) -> list[str]:
    """Return a line about each of these objects, which are not read.

    `format` is that of `git cat-file --batch-check`. The line of an object that is not in this
    clone ends in " missing", whatever the format.
    """

    stdin = os.fsencode("".join(f"{name}\n" for name in names))
    done = repository.run_git(("cat-file", f"--batch-check={format}"), input=stdin)
    return done.stdout.decode("utf-8", "replace").split("\n")[:-1]


class ObjectInfo(NamedTuple):
    """The id, the type and the size in bytes of an object."""

    id: str
    kind: str
    size: int


class TreeItem(NamedTuple):
    """The mode and the binary id of something in a tree; it may be missing from this clone."""

    mode: bytes
    digest: bytes

    @property
    def kind(self) -> str:
        """Its type."""

        return {b"40000": "tree", b"160000": "commit"}.get(self.mode, "blob")

    @property
    def id(self) -> str:
        """Its id."""

        return self.digest.hex()


class ObjectReader:
    """Describes and reads local objects, with one git process for all questions.

    Git before 2.36 has no such process; another one then answers each question.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._git: _Conversation | None = None
        self._is_supported = True

    def start(self) -> None:
        """Start git, so that it gets ready while the caller does something else."""

        if self._git is None and self._is_supported:
            self._git = _Conversation(self._repository)

    def describe(self, names: Sequence[str]) -> list[ObjectInfo | None]:
        """Describe each of these objects; None for one that is not in this clone.

        Raises ExternalError if git fails.
        """

        lines = []
        if names and (git := self._ask("info", names)):
            lines = [git.output.readline().decode("utf-8", "replace") for _ in names]
            self._git = git
        if names and not all(lines or [""]):
            self._git = None
            lines = describe_objects(self._repository, names, _INFO)
        return [_parse_info(line) for line in lines]

    def read(self, ids: Sequence[str], kind: bytes = b"blob") -> Iterator[tuple[str, BlobStream]]:
        """Yield (id, content) for each of `ids`, as `read_blobs` does."""

        if not ids:
            return
        if git := self._ask("contents", ids):
            yield from _contents(git.output, ids, kind)
            self._git = git  # unless the caller stopped in the middle
        else:
            yield from read_local_blobs(self._repository, ids, kind)

    def read_tree(self, tree: str) -> dict[bytes, TreeItem]:
        """Return what is in a tree, by name. Raises ExternalError if it is missing or damaged."""

        ((_, content),) = ((id, stream.read()) for id, stream in self.read([tree], b"tree"))
        width = 32 if len(tree) >= 64 else 20  # bytes of an id
        found = re.findall(rb"(?s)([^ \0]*) ([^\0]*)\0(.{%d})" % width, content)
        if sum(len(mode) + len(name) + 2 + width for mode, name, _ in found) != len(content):
            raise ExternalError(f"the object {tree} is damaged", hint="git fsck")
        return {name: TreeItem(mode, digest) for mode, name, digest in found}

    def _ask(self, command: str, names: Sequence[str]) -> _Conversation | None:
        """Ask git about these objects; None if that fails, for a reason that another git process
        will report. Who has read all answers gives the conversation back."""

        self.start()
        git, self._git = self._git, None
        if git is None or git.ask(command, names):
            return git
        self._is_supported = False
        return None


def _parse_info(line: str) -> ObjectInfo | None:
    fields = line.rstrip("\n").split(" ")  # of a missing object: its name and " missing"
    if len(fields) != 3 or not fields[2].isdigit():
        return None
    return ObjectInfo(fields[0], fields[1], int(fields[2]))


class _Conversation:
    """A running `git cat-file --batch-command`, which ends when this value is deleted."""

    def __init__(self, repository: Repository) -> None:
        arguments = ("cat-file", f"--batch-command={_INFO}", "--buffer")
        self._context = repository.converse_with_git(arguments)
        self._input, self.output = self._context.__enter__()

    def ask(self, command: str, names: Sequence[str]) -> bool:
        """Send a command for each name; return whether git answers.

        It begins when it has read all of them, so that neither process waits for the other.
        """

        lines = "".join(f"{command} {name}\n" for name in names)
        try:
            self._input.write(os.fsencode(f"{lines}flush\n"))
            self._input.flush()
        except OSError:  # git has ended
            return False
        return bool(self.output.peek(1))


def split_records(stream: Stream) -> Iterator[list[bytes]]:
    """Yield the records that end in a NUL, as many at a time as git has printed."""

    read = getattr(stream, "read1", stream.read)  # does not wait for more to be printed
    rest = b""
    while chunk := read(1 << 16):
        *records, rest = (rest + chunk).split(b"\0")
        yield records
    if rest:
        yield [rest]
