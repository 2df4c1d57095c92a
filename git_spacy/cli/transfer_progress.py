"""Show the progress of push and pull on stderr: a bar per output on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from git_spacy.cli import output
from git_spacy.errors import escape_controls
from git_spacy.storage.events import (
    TransferEvent,
    TransferFailed,
    TransferFinished,
    TransferProgress,
    TransferReporter,
    TransferSkipped,
    TransferStarted,
)


@contextmanager
def reporter(done: str) -> Iterator[TransferReporter]:
    """Yield the function that takes the events of transfers.

    `done` is the word for a finished transfer: "pushed" or "pulled".
    """

    def line(event: TransferEvent) -> None:
        if isinstance(event, TransferFinished):
            facts = ", ".join(filter(None, (output.size(event.size), event.detail)))
            output.message(f"{done:<7} {event.path} ({facts})")
        elif isinstance(event, TransferSkipped):
            output.message(f"skipped {event.path} ({event.reason})")
        elif isinstance(event, TransferFailed):
            output.message(f"failed  {event.path}")  # the error follows at the end

    if output.is_terminal(sys.stderr):
        with _bars(line) as report:
            yield report
    else:
        yield line


@contextmanager
def _bars(line: TransferReporter) -> Iterator[TransferReporter]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:

        def report(event: TransferEvent) -> None:
            if isinstance(event, TransferStarted):
                tasks[event.path] = bars.add_task(escape_controls(event.path), total=event.total)
            elif isinstance(event, TransferProgress):
                bars.update(tasks[event.path], completed=event.done)
            else:
                if event.path in tasks:
                    bars.remove_task(tasks.pop(event.path))
                line(event)

        yield report
