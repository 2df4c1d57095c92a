"""How a run shows: lines for what begins and ends, and the output of several commands told apart.

Where one command runs at a time its output is its own business. Where several do, each line has the
command's name before it, or comes when the command has ended; a terminal has a line below that
says how far all of it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Literal

from git_spacy.cli import output
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandRestored,
    CommandSkipped,
    CommandStarted,
    LinePrinted,
    RunEvent,
    RunPlanned,
    RunReporter,
    RunWarning,
    StepStarted,
)

if TYPE_CHECKING:
    from git_spacy.run.script import Interpreter

OutputFormat = Literal["alone", "prefix", "grouped"]
_COLOURS = ("cyan", "yellow", "green", "blue", "magenta")


@contextmanager
def reporter(python: Interpreter, form: OutputFormat = "alone") -> Iterator[RunReporter]:
    """What to report a run to, until the block ends. `form` is how output is told apart."""

    shown = _RunDisplay(python, form)
    if form != "alone" and output.is_terminal(sys.stderr):
        with _progress(shown) as report:
            yield report
    else:
        yield shown.show


class _RunDisplay:
    """What was shown already, and what is kept back until its command has ended."""

    def __init__(self, python: Interpreter, form: OutputFormat) -> None:
        self._python = python
        self._form = form
        self._said = False
        self._colours = cycle(_COLOURS)
        self._of: dict[str, str] = {}
        self._kept: dict[str, list[Callable[[], None]]] = {}

    def show(self, event: RunEvent) -> None:
        """Show an event, now or later."""

        if isinstance(event, CommandSkipped):
            output.note(f"==> {event.command}: up to date")
        elif isinstance(event, CommandRestored):
            output.note(f"==> {event.command}: restored from {event.source} ({event.reasons[0]})")
        elif isinstance(event, CommandStarted):
            self._started(event)
        elif isinstance(event, StepStarted):
            self._line(event.command, f"$ {event.line}", True)
        elif isinstance(event, LinePrinted):
            self._line(event.command, event.text, event.is_error)
        elif isinstance(event, CommandFinished):
            self._flush(event.command)
            output.note(f"==> {event.command}: done in {output.duration(event.seconds)}")
        elif isinstance(event, CommandFailed):
            self._flush(event.command)
            if self._form != "alone":
                output.note(f"==> {event.command}: failed ({event.error.problems[0].message})")
        elif isinstance(event, RunWarning):
            output.warning(event.text)

    def _started(self, event: CommandStarted) -> None:
        if not (self._said or event.dry):
            output.note(f"Python: {self._python.path} ({self._python.chosen_by})")
            self._said = True
        verb = "would run" if event.dry else "running"
        first, *others = event.reasons
        output.note(f"==> {event.command}: {verb} ({first})")
        for reason in others:
            output.note(f"    and {reason}")

    def _line(self, command: str, text: str, is_error: bool) -> None:
        if self._form == "alone":
            output.note(text)
        elif self._form == "prefix":
            colour = self._of.setdefault(command, next(self._colours))
            output.script_line(command, text, colour, is_error=is_error)
        else:
            self._kept.setdefault(command, []).append(
                lambda: output.script_line("", text, "", is_error=is_error)
            )

    def _flush(self, command: str) -> None:
        for write in self._kept.pop(command, ()):
            write()


@contextmanager
def _progress(shown: _RunDisplay) -> Iterator[RunReporter]:
    """A line at the end of stderr that says how far all is, gone at the end."""

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    total = 0
    ended = 0
    running: dict[str, None] = {}
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=output.is_terminal(),
    ) as line:
        task = line.add_task("", total=None)

        def report(event: RunEvent) -> None:
            nonlocal total, ended
            if isinstance(event, RunPlanned):
                total = event.commands
            elif isinstance(event, CommandStarted):
                running[event.command] = None
            elif isinstance(
                event, (CommandSkipped, CommandRestored, CommandFinished, CommandFailed)
            ):
                running.pop(event.command, None)
                ended += 1
            shown.show(event)
            line.update(task, description=progress_line(ended, list(running), total))

        yield report


def progress_line(ended: int, running: list[str], total: int) -> str:
    """`3 of 9 done, running train and 2 more, 3 waiting`."""

    more = f" and {len(running) - 2} more" if len(running) > 2 else ""
    now = f", running {', '.join(running[:2])}{more}" if running else ""
    waiting = total - ended - len(running)
    return f"{ended} of {total} done{now}" + (f", {waiting} waiting" if waiting else "")
