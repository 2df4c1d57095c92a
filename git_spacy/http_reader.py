"""Bound what an HTTP server can send around the content, and how slowly it can send anything.

http.client and urllib3 read status lines, interim answers, header fields, chunk sizes and trailers
for as long as a server sends them; a timeout of the socket starts again at every byte. Here lines
have a budget of bytes, and waiting has a budget of seconds that only content renews. It is in the
one place that all of these lines pass, so no version of the two libraries has to be asked for.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

MAX_LINES = 256 << 10  # bytes of lines in one answer, beside what its content allows
_LINES_PER_BYTE = 16  # a chunk of one byte needs about five
_PATIENCE = 2  # times the idle timeout: how long a server may take for the head or for …
_LEAST = 1 << 10  # … so many bytes of content


class Misbehaviour(http.client.HTTPException):
    """The server sends what no HTTP server needs to send. The text can stand in an error."""


class BoundedResponse(http.client.HTTPResponse):
    """An answer whose lines and whose slowness are bounded. The idle timeout is the socket's."""

    def __init__(self, sock: socket.socket, *args: Any, **keys: Any) -> None:
        super().__init__(sock, *args, **keys)
        self.fp = _Reader(_Wire(self.fp.detach(), sock))


class _Wire(io.RawIOBase):
    """The bytes of a socket, until too much time was spent in waiting for them."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._idle = sock.gettimeout()
        self._waited = 0.0
        self._content = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._idle is None:
            return self._raw.readinto(buffer)
        left = _PATIENCE * self._idle - self._waited
        if left <= 0:
            raise Misbehaviour("the server is too slow")
        timeout = min(self._idle, left)
        if self._sock.gettimeout() != timeout:
            self._sock.settimeout(timeout)
        start = time.monotonic()
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            if timeout < self._idle:
                raise Misbehaviour("the server is too slow") from None
            raise
        finally:
            self._waited += time.monotonic() - start

    def count_content(self, size: int) -> None:
        """Content has come: enough of it renews the patience."""

        self._content += size
        if self._content >= _LEAST:
            self._content = 0
            self._waited = 0.0

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Reader(io.BufferedReader):
    """What http.client and urllib3 read from: lines are counted, everything else is content."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__(wire)
        self._wire = wire
        self._lines = 0
        self._content = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        left = MAX_LINES + _LINES_PER_BYTE * self._content - self._lines
        limit = left + 1 if size is None or size < 0 else min(size, left + 1)
        line = super().readline(limit)
        self._lines += len(line)
        if len(line) > left:
            raise Misbehaviour("the server's header, chunk sizes or trailer have no end")
        return line

    def read1(self, size: int = -1, /) -> bytes:
        data = super().read1(size)
        self._content += len(data)
        self._wire.count_content(len(data))
        return data

    def read(self, size: int | None = None, /) -> bytes:
        if size is not None and size < 0:
            raise Misbehaviour("the server announces a chunk of negative size")
        parts = []
        left = size
        while left != 0 and (part := self.read1(1 << 16 if left is None else left)):
            parts.append(part)
            if left is not None:
                left -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
