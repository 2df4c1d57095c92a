"""Write a gzip file with several threads: each block is compressed apart from the others.

What hardly becomes smaller, as the weights of a model do, is stored, which is 20 times as fast. Any
gzip program reads the result, which is a single member and always the same for the same content.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from threading import Thread
from types import TracebackType
from typing import BinaryIO

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, any system
_END = b"\x03\x00"  # an empty last block
_RAW = -zlib.MAX_WBITS  # deflate without the header of zlib
_BLOCK = 1 << 20
_SAMPLE = 1 << 14  # bytes at the start, in the middle and at the end that are tried
_WORTHWHILE = 0.95  # size of the compressed sample, relative to the sample
_MOST_THREADS = 4


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
        self._threads: deque[_Compression] = deque()
        self._most_threads = min(os.cpu_count() or 1, _MOST_THREADS)
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
        while self._threads:
            self._stream.write(self._threads.popleft().result())
        self._stream.write(_END + struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))

    def _compress_block(self) -> None:
        if not self._block:
            return
        if len(self._threads) == self._most_threads:
            self._stream.write(self._threads.popleft().result())
        self._threads.append(_Compression(self._block, self._level))
        self._block, self._block_size = [], 0


class _Compression(Thread):
    """Compresses a block. The thread ends with it, even if nobody waits for the result."""

    def __init__(self, block: Sequence[bytes], level: int) -> None:
        super().__init__(daemon=True)
        self._parts = block
        self._level = level
        self._result = b""
        self._error: BaseException | None = None
        try:
            self.start()
        except RuntimeError:  # the limit of the system
            self.run()

    def run(self) -> None:
        try:
            self._result = _deflate(b"".join(self._parts), self._level)
        except BaseException as error:
            self._error = error

    def result(self) -> bytes:
        """Wait for the compressed block. Raises what the thread raised."""

        if self.ident is not None:
            self.join()
        if self._error:
            raise self._error
        return self._result


def _deflate(block: bytes, level: int) -> bytes:
    """Return blocks of deflate, of which none is the last one and none needs an earlier one."""

    compressor = zlib.compressobj(level if _is_worthwhile(block) else 0, zlib.DEFLATED, _RAW)
    return compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)


def _is_worthwhile(block: bytes) -> bool:
    """Return whether a sample of the block becomes smaller."""

    if len(block) < 4 * _SAMPLE:
        return True
    starts = (0, len(block) // 2, len(block) - _SAMPLE)
    sample = b"".join(block[start : start + _SAMPLE] for start in starts)
    return len(zlib.compress(sample, 1)) < _WORTHWHILE * len(sample)
