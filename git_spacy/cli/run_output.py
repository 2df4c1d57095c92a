"""Show the progress of a run: which commands start and end, and what they print.

A command that runs alone prints to the terminal itself. With several at a time, each line of output
is prefixed with the command's name or held until the command has ended; on a terminal, a line at
the bottom shows how many are done.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Literal

from git_spacy.cli import output
from git_spacy.errors import Diagnostic
from git_spacy.generate.drawing.label import shorten
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandPruned,
    CommandRestored,
    CommandSkipped,
    CommandStarted,
    LinePrinted,
    RunEvent,
    RunPlanned,
    RunReporter,
    StepStarted,
    TrialEnded,
    TrialStarted,
)
from git_spacy.run.interpreter import CHANGE_IT

if TYPE_CHECKING:
    from git_spacy.run.interpreter import Interpreter

OutputFormat = Literal["alone", "prefix", "grouped"]
_VARIABLE = re.compile(r" --(?:vars|variables)\.([^ =]+)[ =]")
_LEAST_NAME = 12
_COLOURS = ("cyan", "yellow", "green", "blue", "magenta")


@contextmanager
def reporter(python: Interpreter, style: OutputFormat = "alone") -> Iterator[RunReporter]:
    """Yield the function that takes the events of a run. `style` separates commands' output."""

    display = _RunDisplay(python, style)
    if style != "alone" and output.is_terminal(sys.stderr):
        with _progress(display) as report:
            yield report
    else:
        yield display.show


class _RunDisplay:
    """Print events, and hold back output that is grouped by command."""

    def __init__(self, python: Interpreter, style: OutputFormat) -> None:
        self._python = python
        self._style = style
        self._shown_python = False
        self._has_started = False
        self._names_width = 0
        self._prefixes: dict[str, str] = {}  # of the commands of trials
        self._total = self._ended = 0  # of the commands of a matrix, which are counted
        self._colours = cycle(_COLOURS)
        self._colour_by_command: dict[str, str] = {}
        self._held: dict[str, list[Callable[[], None]]] = {}

    def show(self, event: RunEvent) -> None:
        """Print an event, or hold it until its command has ended."""

        if isinstance(event, RunPlanned):
            self._total = len(event.names)
            lengths = map(len, map(short_name, event.names))
            self._names_width = max((self._names_width, *lengths))
        elif isinstance(event, CommandSkipped):
            self._ending(event.command, "up to date", "green")
        elif isinstance(event, CommandRestored):
            text = f"restored from {event.source} ({event.reasons[0]})"
            self._ending(event.command, text, "green")
        elif isinstance(event, CommandStarted):
            self._started(event)
        elif isinstance(event, StepStarted):
            for text in f"$ {event.line}".splitlines():
                self._line(event.command, text, True)
        elif isinstance(event, LinePrinted):
            self._line(event.command, event.text, event.is_error)
        elif isinstance(event, CommandFinished):
            self._flush(event.command)
            self._ending(event.command, f"done in {output.duration(event.seconds)}", "green")
        elif isinstance(event, CommandFailed):
            self._flush(event.command)
            if self._style != "alone":
                text = f"failed ({event.error.problems[0].message})"
                self._ending(event.command, text, "red")
            else:
                self._ended += 1
        elif isinstance(event, CommandPruned):
            self._flush(event.command)
            self._ending(event.command, f"pruned ({event.reason})", "yellow")
        elif isinstance(event, TrialStarted):
            values = ", ".join(f"{name} {value}" for name, value in event.values.items())
            output.heading(f"==> trial {event.number} of {event.total}:", values, "cyan")
            for name, base in event.commands.items():
                self._prefixes.setdefault(name, f"{base} {event.number}")
        elif isinstance(event, TrialEnded):
            colour = "green" if event.is_good else "yellow"
            output.heading(f"==> trial {event.number} of {event.total}:", event.outcome, colour)
        elif isinstance(event, Diagnostic):
            output.diagnostic(event)

    def _ending(self, command: str, text: str, colour: str) -> None:
        """Print how a command ended; of a matrix, also how many of its commands have ended."""

        self._ended += 1
        count = f" [{self._ended}/{self._total}]" if self._total else ""
        output.heading(f"==> {command}:", text + count, colour)

    def _started(self, event: CommandStarted) -> None:
        if not (self._shown_python or event.dry):
            output.message(f"Python: {self._python.path} ({self._python.chosen_by})")
            if self._python.note:
                output.message(f"  {self._python.note}; {CHANGE_IT}")
            self._shown_python = True
        word = "would run" if event.dry else "running"
        first, *others = event.reasons
        self._names_width = max(self._names_width, len(self._prefix(event.command)))
        if self._has_started and self._style == "alone":
            output.success("")  # an empty line after the output of the last command
        self._has_started = True
        is_counted = self._total and self._style == "alone"  # otherwise several run at a time
        count = f" [{self._ended + 1}/{self._total}]" if is_counted else ""
        output.heading(f"==> {event.command}:", f"{word} ({first}){count}", "cyan")
        for reason in others:
            output.message(output.fill(f"    and {reason}", sys.stderr, " " * 8))

    def _line(self, command: str, text: str, is_error: bool) -> None:
        if self._style == "alone":
            output.message(text)
        elif self._style == "prefix":
            colour = self._colour_by_command.setdefault(command, next(self._colours))
            name = f"{self._prefix(command):<{self._names_width}}"
            output.script_line(name, text, colour, is_error=is_error)
        else:
            self._held.setdefault(command, []).append(
                lambda: output.script_line("", text, "", is_error=is_error)
            )

    def _prefix(self, command: str) -> str:
        return self._prefixes.get(command) or short_name(command)

    def _flush(self, command: str) -> None:
        for write in self._held.pop(command, ()):
            write()


@contextmanager
def _progress(display: _RunDisplay) -> Iterator[RunReporter]:
    """Show a line below all others with the number of finished commands; remove it at the end.

    A command that has started is queued until its first script line starts: on a cluster, later.
    """

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    total = 0
    ended = 0
    queued: dict[str, None] = {}
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
                queued[event.command] = None
            elif isinstance(event, StepStarted):
                queued.pop(event.command, None)
                running[event.command] = None
            elif isinstance(
                event,
                (CommandSkipped, CommandRestored, CommandFinished, CommandFailed, CommandPruned),
            ):
                queued.pop(event.command, None)
                running.pop(event.command, None)
                ended += 1
            display.show(event)
            line.update(task, description=progress_line(ended, list(running), len(queued), total))

        yield report


def short_name(command: str) -> str:
    """Return the name of a command for a prefix: `train seed=0` for a variant, and the start and
    the end of what is longer than a quarter of a line."""

    words = _VARIABLE.sub(r" \1=", command)
    return shorten(words, max(output.terminal_width() // 4, _LEAST_NAME))


def progress_line(ended: int, running: list[str], queued: int, total: int) -> str:
    """Return e.g. `3 of 9 done, running train, test and 2 more, 2 waiting`.

    `queued` are the commands that a cluster has, but does not run yet.
    """

    more = f" and {len(running) - 2} more" if len(running) > 2 else ""
    now = f", running {', '.join(running[:2])}{more}" if running else ""
    counts = {"queued": queued, "waiting": total - ended - len(running) - queued}
    later = "".join(f", {number} {word}" for word, number in counts.items() if number)
    return f"{ended} of {total} done{now}{later}"
