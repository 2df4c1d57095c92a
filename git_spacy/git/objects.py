"""The contents of blobs that are here, streamed out of one `git cat-file --batch`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from git_spacy.errors import LocalFailure
from git_spacy.git import process
from git_spacy.git.remote_tree import Stream, no_such_content

_CHUNK = 1 << 20


class BlobStream:
    """The next `left` bytes of a stream."""

    def __init__(self, stream: Stream, left: int) -> None:
        self._stream = stream
        self._left = left
        self.size = left

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        chunk = self._stream.read(size)
        if len(chunk) < size:
            raise LocalFailure("git ended in the middle of a file", hint="try again")
        self._left -= size
        return chunk

    def chunks(self) -> Iterator[bytes]:
        """What is left of it, piece by piece."""

        while self._left:
            yield self.read(_CHUNK)


def read_blobs(
    options: Sequence[str], ids: Sequence[str], *, cwd: Path, environ: Mapping[str, str]
) -> Iterator[tuple[str, BlobStream]]:
    """(id, content) for each of `ids`; one is read before the next is asked for.

    `options` stand before git's verb. Raises Unavailable for an id of no blob that is here.
    """

    if not ids:
        return
    listed = "".join(f"{id}\n" for id in ids).encode()
    arguments = (*options, "cat-file", "--batch")
    with process.streaming(arguments, cwd=cwd, environ=environ, input=listed) as stream:
        for id in ids:
            head = stream.readline().split()
            if len(head) != 3 or head[1] != b"blob":
                raise no_such_content(id)
            content = BlobStream(stream, int(head[2]))
            yield id, content
            for _ in content.chunks():
                pass
            stream.read(1)


def sizes(
    options: Sequence[str], ids: Sequence[str], *, cwd: Path, environ: Mapping[str, str]
) -> dict[str, int]:
    """How many bytes each of these blobs has, which are not read; -1 for one that is not here."""

    listed = "".join(f"{id}\n" for id in ids).encode()
    asked = (*options, "cat-file", "--batch-check=%(objectname) %(objectsize)")
    answers = process.run_git(asked, cwd=cwd, environ=environ, input=listed).stdout.decode()
    found = (line.split() for line in answers.splitlines())
    return {id: int(size) if size.isdigit() else -1 for id, size in found}
