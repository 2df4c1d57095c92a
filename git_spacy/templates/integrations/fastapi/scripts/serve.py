"""Serve a trained pipeline with FastAPI and uvicorn, until Ctrl-C or SIGTERM.

python scripts/serve.py MODEL [--host 127.0.0.1] [--port 8000] [--workers 1]

On shutdown, requests in progress are completed and new ones are refused. The exit code is 0, since
stopping the server is not a failure.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

SHUTDOWN_TIMEOUT = 4  # seconds; `git spacy run` kills a script after 5


def main(
    model: Annotated[Path, typer.Argument(exists=True, help="A trained pipeline.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with its own model.")] = 1,
) -> None:
    """Serve MODEL."""

    # Each worker is a new process that imports and creates the application, so the model is passed
    # in the environment.
    os.environ["SERVED_MODEL"] = str(model)
    # The workers add up their numbers for /metrics in this folder.
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        run(host, port, workers)


def run(host: str, port: int, workers: int) -> None:
    """Run the server until a signal."""

    # After its graceful shutdown, uvicorn raises the signal again for our own handler.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.run(
        "api:create",
        factory=True,
        app_dir=str(Path(__file__).parent),
        host=host,
        port=port,
        workers=workers,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )


if __name__ == "__main__":
    typer.run(main)
