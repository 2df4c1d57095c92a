"""Run an HTTP server with a behaviour for each path, which records its requests."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from tests.testing.http_server import LocalServer

Behaviour = Callable[["Exchange"], None]


class Exchange:
    """A request, with methods to answer it. `number` counts the requests for its path from 1."""

    def __init__(self, handler: BaseHTTPRequestHandler, number: int, stop: threading.Event) -> None:
        self.handler, self.number, self.stop = handler, number, stop
        self.headers = handler.headers

    def answer(
        self, body: bytes = b"", status: int = 200, /, length: int | None = None, **headers: str
    ) -> None:
        """Send a complete response; `length` overrides Content-Length, -1 omits it."""

        handler = self.handler
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if length != -1:
            handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    def file(self, body: bytes, tag: str = '"v1"', cut: int | None = None) -> None:
        """Send a file, honouring ranges; close the connection after `cut` bytes."""

        start, status, extra = 0, 200, {}
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.headers.get("If-Range") == tag:
            start, status = int(wanted[6:-1]), 206
            extra["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        part = body[start:]
        self.answer(part[:cut], status, length=len(part), ETag=tag, **extra)

    def chunks(self, parts: list[bytes], complete: bool = True) -> None:
        """Send a chunked response, without its last chunk unless `complete`."""

        handler = self.handler
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if complete:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    def stall(self, body: bytes, after: int) -> None:
        """Send `after` bytes of the body, then nothing until the server stops."""

        self.handler.send_response(200)
        self.handler.send_header("Content-Length", str(len(body)))
        self.handler.send_header("ETag", '"v1"')
        self.handler.end_headers()
        self.handler.wfile.write(body[:after])
        self.handler.wfile.flush()
        self.stop.wait()
        self.handler.close_connection = True

    def endless(self) -> None:
        """Send an endless body until the client disconnects."""

        self.handler.send_response(200)
        self.handler.end_headers()
        self.handler.close_connection = True
        try:
            while not self.stop.is_set():
                self.handler.wfile.write(b"x" * 65536)
        except OSError:
            pass


class Misbehaving(LocalServer):
    """Serves `paths` (path → Behaviour) at `url`; `asked` has each request with its headers."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(_handler(self), address, port)
        self.paths: dict[str, Behaviour] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Serve over https. Call this before the `with` block."""

        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


def _handler(server: Misbehaving) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            server.asked.append((path, dict(self.headers.items())))
            behaviour = server.paths.get(path)
            exchange = Exchange(self, server.count(path), server.stopping)
            if behaviour is None:
                exchange.answer(b"not found", 404)
            else:
                behaviour(exchange)

        def finish(self) -> None:
            try:
                super().finish()
            except OSError:
                pass
            self.connection.close()

    return Handler
