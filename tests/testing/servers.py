"""Servers of others, each in a process of its own: what they leave open is theirs."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def started(port: int, *arguments: object, **environ: str) -> Iterator[None]:
    """A server in a process of its own, once it answers at `port`."""

    child = subprocess.Popen(
        tuple(map(str, arguments)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )  # fmt: skip
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert child.poll() is None
                time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait(10)
