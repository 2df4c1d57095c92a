"""Stream the contents of local blobs from one `git cat-file --batch` process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from git_spacy.errors import ExternalError, LocalFailure
from git_spacy.git import process
from git_spacy.git.remote_tree import Stream

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


def blob_sizes(
    options: Sequence[str], ids: Sequence[str], *, cwd: Path, environ: Mapping[str, str]
) -> dict[str, int]:
    """Return the sizes of blobs in bytes without reading them; -1 for a blob that is missing."""

    stdin = "".join(f"{id}\n" for id in ids).encode()
    arguments = (*options, "cat-file", "--batch-check=%(objectname) %(objectsize)")
    answers = process.run_git(arguments, cwd=cwd, environ=environ, input=stdin).stdout.decode()
    pairs = (line.split() for line in answers.splitlines())
    return {id: int(size) if size.isdigit() else -1 for id, size in pairs}
