"""A web server that does what a script says: cuts, stalls, lies, redirects, and remembers.

Each path has a list of answers, used in turn; the last one stays. An answer is a function of the
handler, so that a test can do to the connection whatever it likes; most need only `Answer`.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple


class Answer(NamedTuple):
    """A scripted answer.

    `cut`: close after so many bytes of the body. `stall`: send so many and fall silent until the
    server ends. `chunked`: no length. `ranges`: honour Range and If-Range. `length`: announce this.
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
    """What was asked."""

    path: str
    headers: dict[str, str]


Script = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Serves `answers` (path → what it says, in turn) at `url`; `requests` are what came."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer | Script]] = {}
        self.requests: list[Request] = []
        self.ended = threading.Event()
        self.idle = threading.Event()  # set when a handler has begun to stall
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, *answers: Answer | Script) -> str:
        """Script `path`; its URL."""

        self.answers[path] = list(answers)
        return self.url + path

    def asked(self, path: str) -> list[Request]:
        """The requests for `path`."""

        return [request for request in self.requests if request.path.split("?")[0] == path]

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next(self, path: str) -> Answer | Script:
        """What to say now."""

        script = self.answers.get(path.split("?")[0], [Answer(b"no such thing", 404)])
        return script.pop(0) if len(script) > 1 else script[0]


def redirect(target: str, status: int = 302) -> Answer:
    """Go elsewhere."""

    return Answer(b"", status, (("Location", target),))


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(Request(self.path, headers))
            answer = server.next(self.path)
            try:
                if isinstance(answer, Answer):
                    self.say(answer)
                else:
                    answer(self)
            except OSError:
                self.close_connection = True  # whoever asked has gone

        def say(self, answer: Answer) -> None:
            start, status = self.part(answer)
            body = answer.body[start:]
            self.send_response(status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if status == 206:
                total = len(answer.body)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                length = len(body) if answer.length is None else answer.length
                self.send_header("Content-Length", str(length))
            self.end_headers()
            end = next((n for n in (answer.cut, answer.stall) if n is not None), len(body))
            self.send(body[:end], answer.chunked)
            if answer.stall is not None:
                self.wfile.flush()
                server.idle.set()
                server.ended.wait(20)
            if end < len(body) or answer.cut is not None:
                self.close_connection = True
                if answer.reset:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
            elif answer.chunked:
                self.wfile.write(b"0\r\n\r\n")
            if answer.length is not None:
                self.close_connection = True

        def part(self, answer: Answer) -> tuple[int, int]:
            """Where to begin, and the status that says so."""

            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if not answer.ranges or not asked:
                return 0, answer.status
            named = dict(answer.headers)
            valid = self.headers.get("If-Range") in (named.get("ETag"), named.get("Last-Modified"))
            return (int(asked[1]), 206) if valid else (0, answer.status)

        def send(self, data: bytes, chunked: bool) -> None:
            if not chunked:
                self.wfile.write(data)
                return
            for start in range(0, len(data), 1000):
                chunk = data[start : start + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    return Handler
