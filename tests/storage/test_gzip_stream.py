"""Archives that several threads compress."""

from __future__ import annotations

import array
import gzip
import io
import random
import threading
import tracemalloc
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.storage import gzip_stream
from git_spacy.storage.gzip_stream import GzipReader, GzipWriter
from tests.testing.repositories import noise

NOISE = noise(4_500_000)
TEXT = b"".join(b"line %d of a log\n" % number for number in range(200_000))
# 200 kB that zlib does not recognize when they come again, since it looks back 32 kB
WEIGHTS = (
    10 * array.array("f", map(random.Random(0).gauss, [0.0] * 50_000, [0.1] * 50_000)).tobytes()
)


RECORDS = noise(6000) * 500


def compressed(data: bytes, size: int = 1 << 20) -> bytes:
    stream = io.BytesIO()
    with GzipWriter(stream, 3) as writer:
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
        assert writer.tell() == len(data)
    return stream.getvalue()


@pytest.mark.parametrize("size", [10_000, 1 << 20, 3_000_000])
def test_the_content_survives(size: int) -> None:
    for data in (b"", b"a", NOISE, TEXT, NOISE[:1_600_000] + TEXT + NOISE):
        found = compressed(data, size)
        assert gzip.decompress(found) == data
        inflater = zlib.decompressobj(31)
        inflater.decompress(found)
        assert inflater.eof, "a single member, which every program reads"
        assert not inflater.unused_data
        assert compressed(data, size) == found


@given(st.lists(st.binary(max_size=30)), st.integers(1, 40))
def test_blocks_of_any_size_survive(parts: list[bytes], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_stream, "_BLOCK", block)
        stream = io.BytesIO()
        with GzipWriter(stream, 3) as writer:
            for part in parts:
                writer.write(part)
    assert gzip.decompress(stream.getvalue()) == b"".join(parts)


def test_only_what_becomes_smaller_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []

    def compressobj(level: int, *arguments: Any) -> Any:
        levels.append(level)
        return zlib.compressobj(level, *arguments)

    monkeypatch.setattr(gzip_stream, "zlib", _Zlib(compressobj))
    assert len(NOISE) < len(compressed(NOISE)) < len(NOISE) * 1.001
    assert not levels
    levels.clear()
    assert len(compressed(TEXT)) < len(TEXT) / 5
    assert len(compressed(WEIGHTS)) < len(WEIGHTS) * 0.95
    assert len(compressed(RECORDS)) < len(RECORDS) / 20
    assert set(levels) == {3}


class _Zlib:
    """zlib with another `compressobj`."""

    def __init__(self, compressobj: Any) -> None:
        self.compressobj = compressobj

    def __getattr__(self, name: str) -> Any:
        return getattr(zlib, name)


def test_other_threads_compress(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    deflate = gzip_stream._deflate

    def watched(parts: Sequence[bytes], level: int) -> bytes:
        seen.append(threading.get_ident())
        return deflate(parts, level)

    monkeypatch.setattr(gzip_stream, "_deflate", watched)
    assert gzip.decompress(compressed(TEXT)) == TEXT
    assert threading.get_ident() not in seen
    assert len(seen) == -(-len(TEXT) // (1 << 20))


def test_an_error_in_another_thread_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(gzip_stream, "_deflate", fail)
    with pytest.raises(MemoryError):
        compressed(b"a")
    with pytest.raises(MemoryError):
        compressed(TEXT)


def test_a_file_that_was_given_up_is_incomplete() -> None:
    stream = io.BytesIO()
    with suppress(KeyError), GzipWriter(stream, 3) as writer:
        writer.write(TEXT)
        raise KeyError
    with pytest.raises(EOFError):
        gzip.decompress(stream.getvalue())


def read_all(data: bytes, size: int) -> bytes:
    reader = GzipReader(io.BytesIO(data))
    parts = []
    while part := reader.read(size):
        parts.append(part)
    assert all(len(part) == size for part in parts[:-1])
    return b"".join(parts)


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_any_gzip_file_is_read(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_stream, "_BLOCK", block)
    for content in (b"", b"a", bytes(30_000), noise(3000)):
        whole = gzip.compress(content)
        for size in (1000, 1 << 20):
            assert read_all(whole, size) == content
            assert read_all(whole + bytes(600), size) == content
            assert read_all(whole + bytes(9) + whole + whole, size) == content * 3
        for cut in (0, 5, 12, len(whole) - 9, len(whole) - 1):
            with pytest.raises(EOFError):
                read_all(whole[:cut], 1000)
        damaged = (b"x" + whole, whole + b"x" * 20, whole[:-5] + b"\xff" + whole[-4:])
        for data in damaged:
            with pytest.raises(zlib.error):
                read_all(data, 1000)


def test_a_large_file_is_read_without_keeping_more_than_was_asked_for() -> None:
    reader = GzipReader(io.BytesIO(gzip.compress(bytes(50_000_000))))
    tracemalloc.start()
    try:
        for _ in range(100):
            assert reader.read(100_000) == bytes(100_000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
