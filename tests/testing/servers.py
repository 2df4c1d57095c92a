"""Servers of others, each in a process of its own: what they leave open is theirs."""

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
    """A port at which nobody listens, for a server that cannot be given port 0.

    It stays bound, but does not listen, until this process ends: so the system gives it to nobody
    else, but a server with SO_REUSEADDR, as every one has it, can listen at it.
    """

    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        holder.detach()
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `process` listens at `port`; fail with what it logged if it ends before."""

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            said = log.read_text("utf-8", "replace")
            assert process.poll() is None, f"it ended with {process.returncode}:\n{said}"
            assert time.monotonic() < deadline, f"it does not listen:\n{said}"
            time.sleep(0.02)


@contextmanager
def started(port: int, log: Path, *arguments: object, **environ: str) -> Iterator[None]:
    """A server in a process of its own, once it listens at `port`; what it prints goes to `log`."""

    with log.open("wb") as output:
        child = subprocess.Popen(
            tuple(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **environ},
        )  # fmt: skip
    try:
        wait_for_port(port, child, log)
        yield
    finally:
        child.kill()  # it has nothing to keep
        child.wait()
