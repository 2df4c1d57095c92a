"""Counts and times the requests, for Prometheus."""

from __future__ import annotations

import os
import time

from prometheus_client import REGISTRY as ONE_PROCESS
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEXTS = Counter("texts", "Texts that the model has processed")
REQUESTS = Counter("requests", "Requests by path and status", ["path", "status"])
SECONDS = Histogram("request_seconds", "Time from a request to the end of its answer", ["path"])


def report() -> bytes:
    """Return the numbers of all workers in the text format of Prometheus."""

    registry = ONE_PROCESS
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # see serve.py
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return generate_latest(registry)


class Measured:
    """Counts the requests to `paths`, and all others together as "other"."""

    def __init__(self, app: ASGIApp, paths: tuple[str, ...]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        started, is_counted = time.perf_counter(), False

        async def send_measured(message: Message) -> None:
            nonlocal is_counted
            if message["type"] == "http.response.start":
                # before the client has the answer, so that it can find it in the numbers
                REQUESTS.labels(path, str(message["status"])).inc()
                is_counted = True
            await send(message)

        try:
            await self._app(scope, receive, send_measured)
        finally:
            if not is_counted:  # an exception of ours, or the client has gone
                REQUESTS.labels(path, "500").inc()
            SECONDS.labels(path).observe(time.perf_counter() - started)
