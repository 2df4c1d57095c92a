"""Run third-party servers, each in its own process."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testing.waiting import PATIENCE


def free_port() -> int:
    """Return a free port for a server that does not support port 0.

    The port stays bound, without listening, until this process ends. The system does not assign it
    again, but a server with SO_REUSEADDR can listen on it.
    """

    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        holder.detach()
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `process` listens on `port`; fail with its log if it exits first."""

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            said = log.read_text("utf-8", "replace")
            assert process.poll() is None, f"the server exited with {process.returncode}:\n{said}"
            assert time.monotonic() < deadline, f"the server does not listen:\n{said}"
            time.sleep(0.02)


@contextmanager
def started(port: int, log: Path, *arguments: object, **environ: str) -> Iterator[None]:
    """Start a server and wait until it listens on `port`; write its output to `log`."""

    with log.open("wb") as output:
        child = subprocess.Popen(
            tuple(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **environ},
        )  # fmt: skip
    try:
        wait_for_port(port, child, log)
        yield
    finally:
        child.kill()  # it has no state to save
        child.wait()
