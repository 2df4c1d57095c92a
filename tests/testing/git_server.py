"""A real smart-HTTP Git server: `git http-backend` behind a thread, counting, and misbehaving.

It serves every repository below a folder. What went over the wire is in `requests` and `sent`.
"""

from __future__ import annotations

import base64
import gzip
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

GIT = shutil.which("git") or "git"  # found before a test empties the PATH
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_HTTP_EXPORT_ALL": "1",
}


class Request(NamedTuple):
    """One request as it came in, and how many bytes its answer had."""

    method: str
    path: str
    authorization: str
    sent: int


class GitServer(ThreadingHTTPServer):
    """Serves `root`. The attributes may be changed while it runs.

    `filters`, `any_object`: whether partial clones and contents by id are offered. `password`:
    user:password that is asked for. `failure`: a status to answer with instead, or "html".
    `redirect`: a URL prefix to send everybody to.
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.filters = True
        self.any_object = True
        self.protocol_v2 = True
        self.password = ""
        self.failure: int | str = 0
        self.redirect = ""
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.requests)

    def settings(self) -> dict[str, str]:
        offered = {
            "uploadpack.allowFilter": self.filters,
            "uploadpack.allowAnySHA1InWant": self.any_object,
            "safe.bareRepository": None,
        }
        pairs = [(name, str(on).lower()) for name, on in offered.items() if on is not None]
        pairs.append(("safe.directory", "*"))
        variables = {"GIT_CONFIG_COUNT": str(len(pairs))}
        for number, (name, value) in enumerate(pairs):
            variables[f"GIT_CONFIG_KEY_{number}"] = name
            variables[f"GIT_CONFIG_VALUE_{number}"] = value
        return variables


class _Handler(BaseHTTPRequestHandler):
    server: GitServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self._answer(body)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes) -> None:
        server = self.server
        if server.redirect:
            self._send(302, {"Location": server.redirect + self.path}, b"")
        elif server.failure == "html":
            self._send(200, {"Content-Type": "text/html"}, b"<html>Sign in, please</html>")
        elif server.failure:
            self._send(int(server.failure), {}, b"no\n")
        elif server.password and self.headers.get("Authorization") != _basic(server.password):
            self._send(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"who are you?\n")
        else:
            self._send(*self._backend(body))

    def _backend(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        variables = {
            **_ENVIRONMENT,
            **self.server.settings(),
            "GIT_PROJECT_ROOT": str(self.server.root),
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
        }
        if self.server.protocol_v2 and self.headers.get("Git-Protocol"):
            variables["GIT_PROTOCOL"] = self.headers["Git-Protocol"]
        done = subprocess.run((GIT, "http-backend"), input=body, env=variables, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        return status, headers, content

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        authorization = self.headers.get("Authorization", "")
        self.server.requests.append(Request(self.command, self.path, authorization, len(body)))
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(password.encode()).decode()


@contextmanager
def serving(root: Path) -> Iterator[GitServer]:
    """A server of the repositories below `root`, for as long as the block lasts."""

    server = GitServer(root)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
