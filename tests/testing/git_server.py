"""Run a smart-HTTP Git server: `git http-backend` behind Python's HTTP server.

It counts requests and bytes, and can reject filters, require a password, be slow, or fail.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.testing.http_server import LocalServer

Response = tuple[int, list[tuple[str, ...]], bytes]
"""A status, header fields and a body."""


class GitServer(LocalServer):
    """Serves the bare repositories below `root` at `url`; `sent` counts the bytes of responses."""

    def __init__(self, root: Path) -> None:
        super().__init__(_handler(self))
        self.root = root
        self.requests: list[str] = []
        self.sent = 0
        self.latency = 0.0  # seconds per request
        self.rate = 0.0  # bytes per second; 0: unlimited
        self.filters = True
        self.any_object = True
        self.redirect = ""
        self.password: tuple[str, str] | None = None
        self.broken: tuple[int, str, bytes] | None = None
        self.lfs: Callable[[str, dict[str, str], bytes], Response | None] = lambda *_: None
        self.endless: Callable[[str, bytes], Iterable[bytes] | None] = lambda _path, _body: None

    def answer(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> bytes:
        """Return the response of `git http-backend`, with headers."""

        environ = {
            "PATH": os.environ.get("GIT_SPACY_TEST_PATH", os.defpath) + ":/usr/bin:/bin",
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.root),
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": "uploadpack.allowFilter",
            "GIT_CONFIG_VALUE_0": str(self.filters).lower(),
            "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_1": str(self.any_object).lower(),
            "GIT_CONFIG_KEY_2": "safe.directory",
            "GIT_CONFIG_VALUE_2": "*",
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ("git", "http-backend"), env=environ, input=body, capture_output=True, check=False
        )
        assert done.stdout, f"git http-backend exited with {done.returncode}: {done.stderr!r}"
        return done.stdout


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                self._serve(self._chunks())
            else:
                self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _serve(self, body: bytes) -> None:
            server.requests.append(f"{self.command} {self.path}")
            time.sleep(server.latency)
            if server.password and not self._knows(server.password):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if server.redirect:
                self._send(302, [("Location", server.redirect + self.path)], b"")
                return
            if server.broken:
                self._send(server.broken[0], [("Content-Type", server.broken[1])], server.broken[2])
                return
            path, _, query = self.path.partition("?")
            if (pieces := server.endless(path, body)) is not None:
                self._stream(path, pieces)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            if (response := server.lfs(path, headers, body)) is not None:
                self._send(*response)
                return
            said = server.answer(self.command, path, query, headers, body)
            head, _, content = said.partition(b"\r\n\r\n")
            fields = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if line]
            status = next((int(v.split()[0]) for n, v in fields if n == "Status"), 200)
            self._send(status, [(n, v) for n, v in fields if n != "Status"], content)

        def _send(self, status: int, fields: list[tuple[str, ...]], content: bytes) -> None:
            self.send_response(status)
            for name, value in fields:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if server.rate:
                time.sleep(len(content) / server.rate)
            self.wfile.write(content)
            server.sent += len(content)

        def _stream(self, path: str, pieces: Iterable[bytes]) -> None:
            """Send a response of unknown length until the client disconnects."""

            kind = "advertisement" if path.endswith("/info/refs") else "result"
            self.send_response(200)
            self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
            self.end_headers()
            self.close_connection = True
            with suppress(OSError):
                for piece in pieces:
                    self.wfile.write(piece)

        def _knows(self, password: tuple[str, str]) -> bool:
            given = self.headers.get("Authorization", "")
            wanted = base64.b64encode(":".join(password).encode()).decode()
            return given == f"Basic {wanted}"

    return Handler
