"""Show the progress of fetches, push and pull on stderr: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
from git_spacy.storage.events import (
    SkipKind,
    TransferEvent,
    TransferFailed,
    TransferFinished,
    TransferPlanned,
    TransferProgress,
    TransferReporter,
    TransferSkipped,
    TransferStarted,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SKIP_WORDS: dict[SkipKind, str] = {
    "present": "skipped", "empty": "skipped", "kept": "kept", "stale": "stale",
    "missing": "missing",
}  # fmt: skip
_LONG_WAIT = 5.0  # seconds: a user wonders what the program is waiting for


@contextmanager
def fetch_reporter() -> Iterator[FetchReporter]:
    """Yield the function that takes the events of a fetch."""

    lines = _FetchLines()
    with _progress_bars() as bars:

        def report(event: FetchEvent) -> None:
            if isinstance(event, FetchStarted):
                bars.start(event.dest)
            elif isinstance(event, FetchProgress):
                bars.update(event.dest, event.done, event.total)
            else:
                if not isinstance(event, (FetchRetried, FetchNotice)):
                    bars.end(event.dest)
                lines.report(event)

        yield report


@contextmanager
def transfer_reporter(done: str) -> Iterator[TransferReporter]:
    """Yield the function that takes the events of transfers.

    `done` is the word for a finished transfer: "pushed" or "pulled".
    """

    with _progress_bars() as bars:

        def report(event: TransferEvent) -> None:
            if isinstance(event, TransferStarted):
                bars.start(event.path, event.total)
            elif isinstance(event, TransferProgress):
                bars.update(event.path, event.done)
            else:
                bars.end(event.path)
                _print_transfer(event, done)

        yield report


class _FetchLines:
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
        _print_fetch(event)


def _print_fetch(event: FetchEvent) -> None:
    if isinstance(event, FetchFinished):
        facts = ", ".join(filter(None, (output.size(event.size), event.detail)))
        output.message(f"fetched  {event.dest} ({facts})")
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


def _print_transfer(event: TransferEvent, done: str) -> None:
    if isinstance(event, TransferFinished):
        facts = ", ".join(filter(None, (output.size(event.size), event.detail)))
        output.message(f"{done:<7} {event.path} ({facts})")
    elif isinstance(event, TransferPlanned):
        facts = f" ({output.size(event.size)})" if event.size is not None else ""
        output.message(f"would be {done} {event.path}{facts}")
    elif isinstance(event, TransferSkipped):
        output.message(f"{SKIP_WORDS[event.kind]:<7} {event.path} ({event.reason})")
    elif isinstance(event, TransferFailed):
        output.message(f"failed  {event.path}")  # the error follows at the end


class _ProgressBars:
    """A bar for each download or upload that is under way; without a terminal, no bars."""

    def __init__(self, display: Progress | None) -> None:
        self._display = display
        self._tasks: dict[str, TaskID] = {}

    def start(self, name: str, total: int | None = None) -> None:
        """Add a bar; `total` is in bytes, None if unknown."""

        if self._display:
            text = escape_controls(redact(name))
            self._tasks[name] = self._display.add_task(text, total=total)

    def update(self, name: str, done: int, total: int | None = None) -> None:
        """Move a bar to `done` bytes."""

        if self._display:
            self._display.update(self._tasks[name], completed=done, total=total)

    def end(self, name: str) -> None:
        """Remove a bar, if there is one of that name."""

        if self._display and name in self._tasks:
            self._display.remove_task(self._tasks.pop(name))


@contextmanager
def _progress_bars() -> Iterator[_ProgressBars]:
    """Show bars below all other lines; remove them at the end."""

    if not output.is_terminal(sys.stderr):
        yield _ProgressBars(None)
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=24),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as display:
        yield _ProgressBars(display)
