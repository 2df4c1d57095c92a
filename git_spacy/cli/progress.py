"""How a fetch shows on a terminal and elsewhere: a bar for each asset, or a line.

All of it goes to stderr, like a run's: the result is the files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from git_spacy.assets.events import (
    Event,
    Failed,
    Finished,
    Kept,
    Noted,
    Progress,
    Reporter,
    Retried,
    Started,
)
from git_spacy.cli import output
from git_spacy.errors import masked, printable


@contextmanager
def reporter() -> Iterator[Reporter]:
    """What to report a fetch to, until the block ends."""

    if output.is_terminal(sys.stderr):
        with _bars() as report:
            yield report
    else:
        yield line


def line(event: Event) -> None:
    """One line for an event that is worth one."""

    if isinstance(event, Finished):
        output.note(f"fetched  {event.dest} ({output.size(event.size)}, {event.how})")
    elif isinstance(event, Kept):
        output.note(f"kept     {event.dest} ({event.reason})")
    elif isinstance(event, Failed):
        missing = event.error.exit_code == 1
        verb = "missing" if missing else "failed "
        output.note(f"{verb}  {event.dest} ({event.error.problems[0].what})")
    elif isinstance(event, Retried):
        wait = output.duration(event.wait)
        output.note(f"{event.dest}: {event.why}; trying again in {wait}")
    elif isinstance(event, Noted):
        output.note(f"note: {event.dest}: {event.text}")


@contextmanager
def _bars() -> Iterator[Reporter]:
    """Bars on stderr below the lines, gone at the end."""

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

        def report(event: Event) -> None:
            if isinstance(event, Started):
                name = printable(masked(event.dest))
                tasks[event.dest] = bars.add_task(name, total=None)
            elif isinstance(event, Progress):
                bars.update(tasks[event.dest], completed=event.done, total=event.total)
            else:
                if isinstance(event, (Finished, Kept, Failed)) and event.dest in tasks:
                    bars.remove_task(tasks.pop(event.dest))
                line(event)

        yield report
