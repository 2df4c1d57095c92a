"""Decode HTTP content codings (RFC 9110, 8.4.1) as a stream and detect truncated data.

We request files without any coding, but some servers apply one anyway.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

_CHUNK = 1 << 16
_OUT = 1 << 20  # largest decompressed chunk, whatever the compression ratio
_GZIP = b"\x1f\x8b"
_WINDOW_GZIP, _WINDOW_ZLIB, _WINDOW_RAW = 31, 15, -15

# First bytes of files whose suffix says that they are compressed.
MAGIC = {
    ".gz": _GZIP,
    ".tgz": _GZIP,
    ".zip": b"PK",
    ".whl": b"PK",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".7z": b"7z\xbc\xaf",
}


class DecodeError(Exception):
    """The content does not match its coding or is truncated."""


def decode_stream(stream: BinaryIO, coding: str) -> Iterator[bytes]:
    """Yield the decoded content of `stream`. Raises DecodeError, possibly only at the end."""

    if coding in ("gzip", "x-gzip"):
        return _inflate(stream, _WINDOW_GZIP)
    if coding == "deflate":
        # RFC 9110 requires the zlib format, but some servers send a raw deflate stream
        first = stream.read(1)
        stream.seek(0)
        is_zlib = first and first[0] & 0x0F == 8 and first[0] >> 4 <= 7
        return _inflate(stream, _WINDOW_ZLIB if is_zlib else _WINDOW_RAW)
    raise DecodeError(f"unsupported content encoding '{coding}'")


def decode_head(head: bytes, coding: str) -> bytes:
    """Return the first decoded bytes of a gzip stream that begins with `head`, else b""."""

    if coding not in ("gzip", "x-gzip"):
        return b""
    try:
        return zlib.decompressobj(_WINDOW_GZIP).decompress(head)
    except zlib.error:
        return b""


def _inflate(stream: BinaryIO, window: int) -> Iterator[bytes]:
    engine = zlib.decompressobj(window)
    data = stream.read(_CHUNK)
    while data:
        try:
            out = engine.decompress(data, _OUT)
        except zlib.error:
            raise DecodeError("the compressed response is damaged") from None
        if out:
            yield out
        if engine.eof:
            data = engine.unused_data or stream.read(_CHUNK)
            if data:  # gzip allows several members in a row
                engine = zlib.decompressobj(window)
        else:
            # output left in the decompressor comes with the next input, or in the loop below
            data = engine.unconsumed_tail or stream.read(_CHUNK)
    while not engine.eof and (out := engine.decompress(b"", _OUT)):
        yield out
    if not engine.eof:
        raise DecodeError("the compressed response is truncated")
