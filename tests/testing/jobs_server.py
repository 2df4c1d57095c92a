"""A Jobs API of Ray on HTTP, which can do the jobs itself, without Ray and only when it is told to."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from git_spacy.jobs import order as orders
from tests.testing.http_server import LocalServer
from tests.testing.waiting import PATIENCE


class JobsServer(LocalServer):
    """Keeps packages and jobs in memory. `token`, unless "", is required. `raw` answers to a path
    replace those of the API."""

    def __init__(self, folder: Path, token: str = "") -> None:
        super().__init__(_Handler)
        self.folder, self.token = folder, token
        self.packages: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.raw: dict[str, tuple[int, bytes]] = {}
        self.requests: list[tuple[str, str, str]] = []

    def unpack(self, id: str) -> Path:
        """Return a folder with the package of a job, as Ray makes it on the cluster."""

        uri = self.jobs[id]["runtime_env"]["working_dir"]
        folder = self.folder / id
        with zipfile.ZipFile(io.BytesIO(self.packages[uri.removeprefix("gcs://")])) as package:
            package.extractall(folder)
        return folder

    def run(self, id: str) -> int:
        """Do a job, but with local processes in place of Ray's tasks; return its exit code."""

        folder = self.unpack(id)
        file = folder / orders.ORDER_FILE
        order = json.loads(file.read_text())
        file.write_text(
            json.dumps({**order, "arguments": ["--executor", "local", *order["arguments"]]})
        )
        entrypoint = self.jobs[id]["entrypoint"].split()
        environ = {name: os.environ[name] for name in ("PATH", "HOME")}
        done = subprocess.run(
            (sys.executable, *entrypoint[1:]), cwd=folder, env={**environ, "ONLY_THERE": "yes"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
        self.logs[id] = done.stdout
        self.jobs[id]["status"] = "FAILED" if done.returncode else "SUCCEEDED"
        return done.returncode


class _Handler(BaseHTTPRequestHandler):
    server: JobsServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    do_PUT = do_POST = do_GET

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "")
        self.server.requests.append((self.command, self.path, token))
        code, content = self._result(token, body)
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _result(self, token: str, body: bytes) -> tuple[int, bytes]:
        server = self.server
        if server.token and token != f"Bearer {server.token}":
            return 401, b"Unauthorized: Missing authentication token"
        if self.path in server.raw:
            return server.raw[self.path]
        parts = self.path.strip("/").split("/")[1:]
        if parts == ["version"]:
            return 200, b'{"version": "4", "ray_version": "2.60.0"}'
        if parts[0] == "packages":
            name = parts[2]
            if self.command == "GET":
                return (200 if name in server.packages else 404), b""
            server.packages[name] = body
            return 200, b""
        if self.command == "POST" and len(parts) == 1:
            job = json.loads(body)
            server.jobs[job["submission_id"]] = {**job, "status": "PENDING", "message": "waits"}
            return 200, json.dumps({"submission_id": job["submission_id"]}).encode()
        job = server.jobs.get(parts[1])
        if job is None:
            return 404, f"Job {parts[1]} does not exist".encode()
        if parts[2:] == ["logs"]:
            return 200, json.dumps({"logs": server.logs.get(parts[1], "")}).encode()
        if parts[2:] == ["stop"]:
            job["status"] = "STOPPED"
            return 200, b'{"stopped": true}'
        return 200, json.dumps(job).encode()

    def log_message(self, *_: object) -> None:
        """Print nothing."""
