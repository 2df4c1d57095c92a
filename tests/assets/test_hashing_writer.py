"""Digests, and the work of other threads, while a file is written."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from git_spacy import background
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.project.model import Checksum
from tests.testing.repositories import noise

DATA = noise(100_000) * 250  # 25 MB, several batches
NEW = hashlib.new
SHA256 = Checksum("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "file").open("wb") as opened:
        yield opened


def write_all(writer: HashingWriter, size: int) -> None:
    for start in range(0, len(DATA), size):
        writer.write(DATA[start : start + size])


class Recording:
    """Hashes of hashlib that remember which threads updated them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.threads: set[int] = set()
        self.error = error

    def new(self, name: str, **keywords: Any) -> Any:
        inner = NEW(name, **keywords)
        recording = self

        class Hash:
            hexdigest = inner.hexdigest

            def update(self, chunk: bytes) -> None:
                recording.threads.add(threading.get_ident())
                if recording.error:
                    raise recording.error
                inner.update(chunk)

        return Hash()


def recording(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> Recording:
    made = Recording(error)
    monkeypatch.setattr(background.hashlib, "new", made.new)
    return made


@pytest.mark.parametrize("size", [1 << 18, 999_999, 3 << 20, len(DATA)])
def test_both_digests_and_the_file_are_those_of_the_chunks(stream: BinaryIO, size: int) -> None:
    writer = HashingWriter(stream, SHA256)
    write_all(writer, size)
    assert writer.matches(SHA256)
    assert writer.digest() == hashlib.md5(DATA).hexdigest()
    stream.flush()
    assert Path(stream.name).read_bytes() == DATA
    assert writer.size == len(DATA)
    assert writer.head == DATA[:1024]


def test_writing_continues_after_a_digest_was_read(stream: BinaryIO) -> None:
    writer = HashingWriter(stream, None)
    write_all(writer, 1 << 18)
    assert writer.digest() == writer.digest() == hashlib.md5(DATA).hexdigest()
    write_all(writer, 1 << 18)
    assert writer.digest() == hashlib.md5(DATA * 2).hexdigest()


def test_other_threads_hash_a_large_file(stream: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = recording(monkeypatch)
    writer = HashingWriter(stream, SHA256)
    write_all(writer, 1 << 18)
    assert seen.threads
    assert threading.get_ident() not in seen.threads
    assert writer.matches(SHA256)


def test_a_small_file_starts_no_thread(stream: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = recording(monkeypatch)
    writer = HashingWriter(stream, None)
    writer.write(DATA[:100_000])
    assert writer.digest() == hashlib.md5(DATA[:100_000]).hexdigest()
    assert seen.threads == {threading.get_ident()}


@pytest.mark.parametrize("size", [10, len(DATA)])
def test_an_error_in_another_thread_reaches_the_caller_each_time(
    stream: BinaryIO, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    recording(monkeypatch, MemoryError())
    writer = HashingWriter(stream, None)
    writer.write(DATA[:size])
    for _ in range(2):
        with pytest.raises(MemoryError):
            writer.digest()


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="no posix_fadvise on this system")
@pytest.mark.parametrize("works", [True, False])
def test_the_disk_writes_a_large_file_while_it_arrives(
    stream: BinaryIO, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    parts: list[tuple[int, int]] = []

    def advise(descriptor: int, start: int, size: int, advice: int) -> None:
        assert os.fstat(descriptor).st_size >= start + size
        parts.append((start, start + size))
        if not works:
            raise OSError("unsupported")

    monkeypatch.setattr(os, "posix_fadvise", advise)
    write_all(HashingWriter(stream, None), 1 << 18)
    assert len(parts) == 2
    assert parts[0][0] == 0
    assert parts[0][1] == parts[1][0]
    assert parts[1][1] >= len(DATA) // 2
