"""Serve Git LFS objects: the batch API with the basic transfer, for a GitServer."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import NamedTuple

from tests.testing.git_server import GitServer, Response

_TYPE = "application/vnd.git-lfs+json"


class LfsRequest(NamedTuple):
    """A received request."""

    path: str
    headers: dict[str, str]


class LfsServer:
    """Answers the requests of Git LFS at `server`; `objects` has the contents by SHA-256."""

    def __init__(self, server: GitServer) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[LfsRequest] = []
        self.href = f"{server.url}/store"  # the folder of the objects
        self.login: tuple[str, str] | None = None
        self.statuses: list[int] = []  # of the next batch requests, instead of 200
        self.answer: bytes | None = None  # instead of the answer to a batch request
        server.lfs = self._respond

    def add(self, content: bytes) -> str:
        """Store `content` and return its pointer."""

        self.objects[hashlib.sha256(content).hexdigest()] = content
        return pointer(content)

    def _respond(self, path: str, headers: dict[str, str], body: bytes) -> Response | None:
        if path.endswith("/info/lfs/objects/batch"):
            self.requests.append(LfsRequest(path, headers))
            return self._batch(headers, body)
        if path.startswith("/store/"):
            self.requests.append(LfsRequest(path, headers))
            content = self.objects.get(path.rpartition("/")[2])
            if content is None or headers.get("x-token") != "secret":
                return 403, [], b"no"
            return 200, [("Content-Type", "application/octet-stream")], content
        return None

    def _batch(self, headers: dict[str, str], body: bytes) -> Response:
        for name in ("accept", "content-type"):
            assert headers[name].partition(";")[0] == _TYPE
        question = json.loads(body)
        assert question["operation"] == "download"
        if self.login and headers.get("authorization") != _basic(self.login):
            return 401, [("LFS-Authenticate", "Basic")], b"{}"
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return status, [("Content-Type", _TYPE)], b"{}"
        objects = [self._describe(item) for item in question["objects"]]
        answer = self.answer or json.dumps({"transfer": "basic", "objects": objects}).encode()
        return 200, [("Content-Type", _TYPE)], answer

    def _describe(self, item: dict[str, object]) -> dict[str, object]:
        oid = str(item["oid"])
        if oid not in self.objects:
            return {**item, "error": {"code": 404, "message": "not here"}}
        download = {"href": f"{self.href}/{oid}", "header": {"X-Token": "secret"}}
        return {**item, "actions": {"download": download}}


def pointer(content: bytes) -> str:
    """Return the Git LFS pointer for `content`."""

    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()
