"""Write and read gzip files.

Several threads compress, each block apart from the others. What hardly becomes smaller, as noise
does, is stored, which is 20 times as fast. Any gzip program reads the result, which is a single
member and always the same for the same content.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import BinaryIO

from git_spacy.background import Task

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, any system
_END = b"\x03\x00"  # an empty last block
_RAW = -zlib.MAX_WBITS  # deflate without the header of zlib
_GZIP = 16 + zlib.MAX_WBITS  # deflate between the header and the checksum of gzip
_BLOCK = 1 << 20
_PIECE = 1 << 16  # bytes to decompress: what is left of them is copied for each read
_LONGEST = 0xFFFF  # bytes of a stored block
# Bytes at the start, in the middle and at the end that are tried. A larger sample costs more time
# on noise; in a smaller one, records of some kilobytes do not occur twice and seem incompressible.
_SAMPLE = 1 << 13
_WORTHWHILE = 0.95  # size of the compressed sample, relative to the sample
_MOST_TASKS = 4


class GzipWriter:
    """Compresses to `stream` at this level. The file is complete after the `with` block, unless
    that raised an exception. At most a few blocks are in memory."""

    def __init__(self, stream: BinaryIO, level: int) -> None:
        self._stream = stream
        self._level = level
        self._crc = 0
        self._size = 0
        self._block: list[bytes] = []
        self._block_size = 0
        self._tasks: deque[Task[bytes]] = deque()
        self._most_tasks = min(os.cpu_count() or 1, _MOST_TASKS)
        stream.write(_HEADER)

    def write(self, data: bytes) -> int:
        """Append to the content. Raises OSError of the stream."""

        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._block.append(data)
        self._block_size += len(data)
        if self._block_size >= _BLOCK:
            self._compress_block()
        return len(data)

    def tell(self) -> int:
        """Return the size of the content so far."""

        return self._size

    def __enter__(self) -> GzipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        self._compress_block()
        while self._tasks:
            self._stream.write(self._tasks.popleft().result())
        self._stream.write(_END + struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))

    def _compress_block(self) -> None:
        if not self._block:
            return
        if len(self._tasks) == self._most_tasks:
            self._stream.write(self._tasks.popleft().result())
        self._tasks.append(Task(partial(_deflate, self._block, self._level)))
        self._block, self._block_size = [], 0


class GzipReader:
    """Decompresses `stream`, in larger pieces than `gzip.GzipFile`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inflater = zlib.decompressobj(_GZIP)
        self._input = b""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes of the content, fewer only at its end.

        Raises EOFError for a truncated file, zlib.error for a damaged one.
        """

        parts = []
        while size > 0 and (part := self._inflate(size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _inflate(self, most: int) -> bytes:
        """Return between one and `most` bytes, b"" at the end of the file."""

        while True:
            if self._inflater.eof and not self._begin_member():
                return b""
            data = self._input or self._stream.read(_PIECE)
            content = self._inflater.decompress(data, most)
            self._input = self._inflater.unconsumed_tail
            if content:
                return content
            if not data and not self._inflater.eof:
                raise EOFError("it is truncated")

    def _begin_member(self) -> bool:
        """Begin with the next member of the file; return whether one follows, maybe after zeros."""

        rest = self._inflater.unused_data.lstrip(b"\0")
        while not rest and (data := self._stream.read(_PIECE)):
            rest = data.lstrip(b"\0")
        if not rest:
            return False
        self._inflater, self._input = zlib.decompressobj(_GZIP), rest
        return True


def _deflate(parts: Sequence[bytes], level: int) -> bytes:
    """Return blocks of deflate, of which none is the last one and none needs an earlier one."""

    block = parts[0] if len(parts) == 1 else b"".join(parts)
    if not _is_worthwhile(block):
        return _stored(block)
    compressor = zlib.compressobj(level, zlib.DEFLATED, _RAW)
    return compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)


def _stored(block: bytes) -> bytes:
    """Return stored blocks of deflate, each with its length and the complement of that. zlib needs
    several times as long for them."""

    view = memoryview(block)
    pieces: list[bytes | memoryview] = []
    for start in range(0, len(block), _LONGEST):
        piece = view[start : start + _LONGEST]
        pieces += (struct.pack("<BHH", 0, len(piece), len(piece) ^ _LONGEST), piece)
    return b"".join(pieces)


def _is_worthwhile(block: bytes) -> bool:
    """Return whether a sample of the block becomes smaller."""

    if len(block) < 4 * _SAMPLE:
        return True
    starts = (0, len(block) // 2, len(block) - _SAMPLE)
    sample = b"".join(block[start : start + _SAMPLE] for start in starts)
    return len(zlib.compress(sample, 1)) < _WORTHWHILE * len(sample)
