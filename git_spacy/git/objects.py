"""Read local objects with one git process for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from git_spacy.errors import ExternalError, LocalFailure
from git_spacy.git import process
from git_spacy.git.remote_tree import Stream
from git_spacy.git.repository import SAFE_CONFIG, Repository

_CHUNK = 1 << 20


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
    options: Sequence[str], ids: Sequence[str], *, cwd: Path, environ: Mapping[str, str]
) -> Iterator[tuple[str, BlobStream]]:
    """Yield (id, content) for each of `ids`. Read each content before asking for the next.

    `options` go before git's subcommand. Raises ExternalError for an id that is not a local blob.
    """

    if not ids:
        return
    listed = "".join(f"{id}\n" for id in ids).encode()
    arguments = (*options, "cat-file", "--batch")
    with process.stream_git(arguments, cwd=cwd, environ=environ, input=listed) as stream:
        for id in ids:
            head = stream.readline().split()
            if len(head) != 3 or head[1] != b"blob":
                raise ExternalError(
                    f"the object {id} is missing from the repository, or damaged", hint="git fsck"
                )
            content = BlobStream(stream, int(head[2]))
            yield id, content
            for _ in content.chunks():
                pass
            stream.read(1)


def read_local_blobs(
    repository: Repository, ids: Sequence[str]
) -> Iterator[tuple[str, BlobStream]]:
    """Yield (id, content) for each of `ids`, as `read_blobs` does."""

    if not ids:
        return iter(())
    return read_blobs(SAFE_CONFIG, ids, cwd=repository.cwd(), environ=repository.environment())


def describe_objects(repository: Repository, names: Iterable[str], format: str) -> list[str]:
    """Return a line about each of these objects, which are not read.

    `format` is that of `git cat-file --batch-check`. The line of an object that is not in this
    clone ends in " missing", whatever the format.
    """

    stdin = os.fsencode("".join(f"{name}\n" for name in names))
    done = repository.run_git(("cat-file", f"--batch-check={format}"), input=stdin)
    return done.stdout.decode().splitlines()


def split_records(stream: Stream) -> Iterator[list[bytes]]:
    """Yield the records that end in a NUL, as many at a time as git has printed."""

    read = getattr(stream, "read1", stream.read)  # does not wait for more to be printed
    rest = b""
    while chunk := read(1 << 16):
        *records, rest = (rest + chunk).split(b"\0")
        yield records
    if rest:
        yield [rest]
