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

_LONG_WAIT = 5.0  # seconds: a user wonders what the program is waiting for


@contextmanager
def reporter() -> Iterator[FetchReporter]:
    """Yield the function that takes the events of a fetch."""

    line = _Lines().report
    if output.is_terminal(sys.stderr):
        with _bars(line) as report:
            yield report
    else:
        yield line


class _Lines:
    """Print a line for each event, unless it only reports progress.

    A reason for another attempt is printed once, not for each asset of one server; a failure only
    names the asset, since the errors follow at the end.
    """

    def __init__(self) -> None:
        self._retried: set[str] = set()

    def report(self, event: FetchEvent) -> None:
        """Print an event."""

        if isinstance(event, FetchRetried):
            if event.reason in self._retried and event.wait < _LONG_WAIT:
                return
            self._retried.add(event.reason)
        _print_line(event)


def _print_line(event: FetchEvent) -> None:
    if isinstance(event, FetchFinished):
        output.message(f"fetched  {event.dest} ({output.size(event.size)}, {event.detail})")
    elif isinstance(event, FetchSkipped):
        output.message(f"skipped  {event.dest} ({event.reason})")
    elif isinstance(event, FetchFailed):
        word = "missing" if event.error.exit_code == 1 else "failed "
        output.message(f"{word}  {event.dest}")
    elif isinstance(event, FetchRetried):
        wait = output.duration(event.wait)
        output.message(f"{event.dest}: {event.reason}; trying again in {wait}")
    elif isinstance(event, FetchNotice):
        output.message(f"note: {event.dest}: {event.text}")


@contextmanager
def _bars(line: FetchReporter) -> Iterator[FetchReporter]:
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
