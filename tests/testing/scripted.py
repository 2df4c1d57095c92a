"""Script the responses of an HTTP server: truncated, stalled, wrong or redirected.

Each path has a list of answers, which are used in turn; the last one is repeated. An answer may
also be a function of the handler.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

from tests.testing.misbehaving import Exchange, Misbehaving


class Answer(NamedTuple):
    """A scripted answer.

    `cut`: close the connection after this many bytes of the body. `stall`: send nothing after this
    many bytes until the server stops. `chunked`: use chunked encoding. `ranges`: honour Range and
    If-Range. `length`: the Content-Length to send. `reset`: with `cut`, reset the connection.
    """

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    stall: int | None = None
    chunked: bool = False
    ranges: bool = False
    length: int | None = None
    reset: bool = False


class Request(NamedTuple):
    """A received request."""

    path: str
    headers: dict[str, str]


Script = Callable[[BaseHTTPRequestHandler], None]


class Scripted(Misbehaving):
    """`requests` has all requests; `idle` is set when an answer stalls."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(address, port)
        self.requests: list[Request] = []
        self.idle = threading.Event()

    def on(self, path: str, *answers: Answer | Script) -> str:
        """Set the answers for `path` and return its URL."""

        script = list(answers)

        def behave(exchange: Exchange) -> None:
            handler = exchange.handler
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append(Request(handler.path, headers))
            answer = script.pop(0) if len(script) > 1 else script[0]
            try:
                if isinstance(answer, Answer):
                    self.send_answer(handler, answer)
                else:
                    answer(handler)
            except OSError:
                handler.close_connection = True  # the client disconnected

        self.paths[path] = behave
        return self.url + path

    def requests_for(self, path: str) -> list[Request]:
        """Return the requests for one path."""

        return [request for request in self.requests if request.path.split("?")[0] == path]

    def send_answer(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        """Send this answer."""

        start, status = _part(handler, answer)
        body = answer.body[start:]
        handler.send_response(status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        if status == 206:
            total = len(answer.body)
            named = dict(answer.headers).get("Content-Range")
            if named is None:
                handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if answer.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            length = len(body) if answer.length is None else answer.length
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        end = next((n for n in (answer.cut, answer.stall) if n is not None), len(body))
        _send(handler, body[:end], answer.chunked)
        if answer.stall is not None:
            handler.wfile.flush()
            self.idle.set()
            self.stopping.wait()
        if end < len(body) or answer.cut is not None:
            handler.close_connection = True
            if answer.reset:
                linger = struct.pack("ii", 1, 0)
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                handler.connection.close()
        elif answer.chunked:
            handler.wfile.write(b"0\r\n\r\n")
        if answer.length is not None:
            handler.close_connection = True


def redirect(target: str, status: int = 302) -> Answer:
    """Return a redirect to `target`."""

    return Answer(b"", status, (("Location", target),))


def _part(handler: BaseHTTPRequestHandler, answer: Answer) -> tuple[int, int]:
    """Return the first byte to send, and the status of the response."""

    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not answer.ranges or not asked:
        return 0, answer.status
    named = dict(answer.headers)
    valid = handler.headers.get("If-Range") in (named.get("ETag"), named.get("Last-Modified"))
    return (int(asked[1]), 206) if valid else (0, answer.status)


def _send(handler: BaseHTTPRequestHandler, data: bytes, chunked: bool) -> None:
    if not chunked:
        handler.wfile.write(data)
        return
    for start in range(0, len(data), 1000):
        chunk = data[start : start + 1000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
