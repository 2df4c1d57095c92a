"""Show the progress of a fetch on stderr: a bar per asset on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from git_spacy.assets.events import (
    FetchEvent,
    FetchFailed,
    FetchFinished,
    FetchNotice,
    FetchProgress,
    FetchReporter,
    FetchRetried,
    FetchSkipped,
    FetchStarted,
)
from git_spacy.cli import output
from git_spacy.errors import escape_controls, redact


@contextmanager
def reporter() -> Iterator[FetchReporter]:
    """Yield the function that takes the events of a fetch."""

    if output.is_terminal(sys.stderr):
        with _bars() as report:
            yield report
    else:
        yield line


def line(event: FetchEvent) -> None:
    """Print a line for an event, unless it only reports progress."""

    if isinstance(event, FetchFinished):
        output.message(f"fetched  {event.dest} ({output.size(event.size)}, {event.detail})")
    elif isinstance(event, FetchSkipped):
        output.message(f"skipped  {event.dest} ({event.reason})")
    elif isinstance(event, FetchFailed):
        missing = event.error.exit_code == 1
        word = "missing" if missing else "failed "
        output.message(f"{word}  {event.dest} ({event.error.problems[0].message})")
    elif isinstance(event, FetchRetried):
        wait = output.duration(event.wait)
        output.message(f"{event.dest}: {event.reason}; trying again in {wait}")
    elif isinstance(event, FetchNotice):
        output.message(f"note: {event.dest}: {event.text}")


@contextmanager
def _bars() -> Iterator[FetchReporter]:
    """Show bars below the lines; remove them at the end."""

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:

        def report(event: FetchEvent) -> None:
            if isinstance(event, FetchStarted):
                name = escape_controls(redact(event.dest))
                tasks[event.dest] = bars.add_task(name, total=None)
            elif isinstance(event, FetchProgress):
                bars.update(tasks[event.dest], completed=event.done, total=event.total)
            else:
                if (
                    isinstance(event, (FetchFinished, FetchSkipped, FetchFailed))
                    and event.dest in tasks
                ):
                    bars.remove_task(tasks.pop(event.dest))
                line(event)

        yield report
