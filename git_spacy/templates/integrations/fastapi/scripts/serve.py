"""Serve a trained pipeline with FastAPI and uvicorn, until Ctrl-C or SIGTERM.

python scripts/serve.py MODEL [--host 127.0.0.1] [--port 8000] [--workers 1]

At the end, requests in flight are answered, new ones are not accepted, and the exit code is 0: that
it was told to stop is no failure.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

PATIENCE = 4  # seconds for the requests in flight; `git spacy run` kills what takes more than 5


def main(
    model: Annotated[Path, typer.Argument(exists=True, help="A trained pipeline.")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen at.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with its own model.")] = 1,
) -> None:
    """Serve MODEL."""

    # Each worker is a new process, which imports the application by its name and builds it: what
    # it has to know comes by the environment.
    os.environ["SERVED_MODEL"] = str(model)
    # uvicorn stops in good order, and then lets the signal do what it does without uvicorn.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.run(
        "api:create",
        factory=True,
        app_dir=str(Path(__file__).parent),
        host=host,
        port=port,
        workers=workers,
        timeout_graceful_shutdown=PATIENCE,
    )


if __name__ == "__main__":
    typer.run(main)
