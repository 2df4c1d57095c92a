"""Content codings of HTTP (RFC 9110, 8.4.1) undone as a stream, to the end or not at all.

We ask for none; a server that applies one all the same must not decide what the data is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

_CHUNK = 1 << 16
_OUT = 1 << 20  # at most this much at once, however well it was packed
_GZIP = b"\x1f\x8b"
_WINDOW_GZIP, _WINDOW_ZLIB, _WINDOW_RAW = 31, 15, -15

# How the content of a file begins whose name says that it is packed.
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


class Undecodable(Exception):
    """It is not what its coding says, or it stops in the middle."""


def decoded(stream: BinaryIO, coding: str) -> Iterator[bytes]:
    """The content of `stream` without its coding. Raises Undecodable, at the latest at the end."""

    if coding in ("gzip", "x-gzip"):
        return _inflated(stream, _WINDOW_GZIP)
    if coding == "deflate":
        # RFC 9110 means zlib's format; some servers have always sent the bare stream
        first = stream.read(1)
        stream.seek(0)
        is_zlib = first and first[0] & 0x0F == 8 and first[0] >> 4 <= 7
        return _inflated(stream, _WINDOW_ZLIB if is_zlib else _WINDOW_RAW)
    raise Undecodable(f"the server encodes with '{coding}', unasked")


def beginning(head: bytes, coding: str) -> bytes:
    """How the decoded content begins, as far as `head` tells; b"" if it cannot be decoded."""

    if coding not in ("gzip", "x-gzip"):
        return b""
    try:
        return zlib.decompressobj(_WINDOW_GZIP).decompress(head)
    except zlib.error:
        return b""


def _inflated(stream: BinaryIO, window: int) -> Iterator[bytes]:
    engine = zlib.decompressobj(window)
    data = stream.read(_CHUNK)
    while data:
        try:
            out = engine.decompress(data, _OUT)
        except zlib.error:
            raise Undecodable("the server's compressed answer is damaged") from None
        if out:
            yield out
        if engine.eof:
            data = engine.unused_data or stream.read(_CHUNK)
            if data:  # gzip may be several, one after the other
                engine = zlib.decompressobj(window)
        else:
            # what is left inside comes out with the next bytes, or with none
            data = engine.unconsumed_tail or stream.read(_CHUNK)
    while not engine.eof and (out := engine.decompress(b"", _OUT)):
        yield out
    if not engine.eof:
        raise Undecodable("the server's compressed answer is cut off")
