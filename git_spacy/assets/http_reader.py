"""Limit how much an HTTP server can send besides the content, and how slowly it can send it.

http.client and urllib3 read status lines, interim responses, header fields, chunk sizes and
trailers for as long as a server sends them, and a socket's timeout restarts with every byte. Here,
lines have a budget of bytes, and waiting has a budget of seconds that only content renews. Whatever
the version of the two libraries, all of their lines pass through this reader.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

MAX_LINE_BYTES = 256 << 10  # per response, plus what its content allows
_LINE_BYTES_PER_CONTENT_BYTE = 16  # a chunk of one byte needs about five
_IDLE_TIMEOUTS = 2  # how many of them a server may take for the header, or for …
_MIN_CONTENT = 1 << 10  # … this many bytes of content


class ProtocolViolation(http.client.HTTPException):
    """The server sends what no HTTP server needs to send. Its text is fit for an error message."""


class BoundedResponse(http.client.HTTPResponse):
    """A response that limits the length of its lines and the time that the server may take.

    The idle timeout is that of the socket.
    """

    def __init__(self, sock: socket.socket, *args: Any, **keys: Any) -> None:
        super().__init__(sock, *args, **keys)
        self.fp = _CountingReader(_TimedSocket(self.fp.detach(), sock))


class _TimedSocket(io.RawIOBase):
    """Reads the bytes of a socket until too much time was spent waiting for them."""

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
        left = _IDLE_TIMEOUTS * self._idle - self._waited
        if left <= 0:
            raise ProtocolViolation("the server is too slow")
        timeout = min(self._idle, left)
        if self._sock.gettimeout() != timeout:
            self._sock.settimeout(timeout)
        start = time.monotonic()
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            if timeout < self._idle:
                raise ProtocolViolation("the server is too slow") from None
            raise
        finally:
            self._waited += time.monotonic() - start

    def count_content(self, size: int) -> None:
        """Count bytes of content; enough of them reset the time spent waiting."""

        self._content += size
        if self._content >= _MIN_CONTENT:
            self._content = 0
            self._waited = 0.0

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _CountingReader(io.BufferedReader):
    """The stream for http.client and urllib3: bytes of lines and bytes of content are counted."""

    def __init__(self, timed: _TimedSocket) -> None:
        super().__init__(timed)
        self._timed = timed
        self._lines = 0
        self._content = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        left = MAX_LINE_BYTES + _LINE_BYTES_PER_CONTENT_BYTE * self._content - self._lines
        limit = left + 1 if size is None or size < 0 else min(size, left + 1)
        line = super().readline(limit)
        self._lines += len(line)
        if len(line) > left:
            raise ProtocolViolation("the server's header, chunk sizes or trailer are too long")
        return line

    def read1(self, size: int = -1, /) -> bytes:
        data = super().read1(size)
        self._content += len(data)
        self._timed.count_content(len(data))
        return data

    def read(self, size: int | None = None, /) -> bytes:
        if size is not None and size < 0:
            raise ProtocolViolation("the server announced a chunk of negative size")
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
