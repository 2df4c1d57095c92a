"""Show the progress of a run: which commands start and end, and what they print.

A command that runs alone prints to the terminal itself. With several at a time, each line of output
is prefixed with the command's name or held until the command has ended; on a terminal, a line at
the bottom shows how many are done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle

from git_spacy.cli import output
from git_spacy.cli.states import show_skipped
from git_spacy.errors import Diagnostic
from git_spacy.light_typing import TYPE_CHECKING, Literal
from git_spacy.patterns import compile_late
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandPruned,
    CommandRepeated,
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
_VARIABLE = compile_late(r" --(?:vars|variables)\.([^ =]+)[ =]")
_SEPARATOR = "\n"
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
        self._prefixes: dict[str, str] = {}  # by command
        self._trial_names: dict[str, str] = {}  # of the commands of trials
        self._total = self._ended = 0  # of the commands of a matrix, which are counted
        self._colours = cycle(_COLOURS)
        self._colour_by_command: dict[str, str] = {}
        self._held: dict[str, list[Callable[[], None]]] = {}

    def show(self, event: RunEvent) -> None:
        """Print an event, or hold it until its command has ended."""

        if isinstance(event, RunPlanned):
            self._total = len(event.names)
            self._add_prefixes(event.names)
        elif isinstance(event, CommandSkipped):
            self._ended += 1
            show_skipped(event.command, self._count())
        elif isinstance(event, CommandRestored):
            text = f"restored from {event.source} ({event.reasons[0]})"
            self._ending(event.command, text, "green")
        elif isinstance(event, CommandStarted):
            self._started(event)
        elif isinstance(event, CommandRepeated):
            self._flush(event.command)
            output.diagnostic(event.error.problems[0]._replace(severity="warning", hint=""))
            text = f"attempt {event.attempt} of {event.attempts}"
            output.heading(f"==> {event.command}:", text, "cyan")
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
        elif isinstance(event, (TrialStarted, TrialEnded)):
            self._trial(event)
        elif isinstance(event, Diagnostic):
            output.diagnostic(event)

    def _trial(self, event: TrialStarted | TrialEnded) -> None:
        """Print the values or the outcome of a trial."""

        colour = "cyan"
        if isinstance(event, TrialStarted):
            text = ", ".join(f"{name} {value}" for name, value in event.values.items())
            for name, base in event.commands.items():
                self._trial_names.setdefault(name, f"{base} {event.number}")
        else:
            text, colour = event.outcome, "green" if event.is_good else "yellow"
        output.heading(f"==> trial {event.number} of {event.total}:", text, colour)

    def _ending(self, command: str, text: str, colour: str) -> None:
        """Print how a command ended; of a matrix, also how many of its commands have ended."""

        self._ended += 1
        output.heading(f"==> {command}:", text + self._count(), colour)

    def _count(self) -> str:
        return f" [{self._ended}/{self._total}]" if self._total else ""

    def _started(self, event: CommandStarted) -> None:
        if not (self._shown_python or event.dry):
            output.message(f"Python: {self._python.path} ({self._python.chosen_by})")
            if self._python.note:
                output.message(f"  {self._python.note}; {CHANGE_IT}")
            self._shown_python = True
        word = "would run" if event.dry else "running"
        first, *others = event.reasons
        self._add_prefixes([event.command])
        if self._has_started and self._style == "alone":
            output.success("")  # an empty line after the output of the last command
        self._has_started = True
        is_counted = self._total and self._style == "alone"  # otherwise several run at a time
        count = f" [{self._ended + 1}/{self._total}]" if is_counted else ""
        output.heading(f"==> {event.command}:", f"{word} ({first}){count}", "cyan")
        for reason in others:
            output.message(output.fill(f"    and {reason}", sys.stderr, " " * 8))

    def _add_prefixes(self, commands: Collection[str]) -> None:
        if self._style == "prefix" and not set(commands) <= self._prefixes.keys():
            names = short_names([*self._prefixes, *commands])
            names |= {name: self._trial_names[name] for name in names if name in self._trial_names}
            self._prefixes = aligned(names)

    def _line(self, command: str, text: str, is_error: bool) -> None:
        if self._style == "alone":
            output.message(text)
        elif self._style == "prefix":
            colour = self._colour_by_command.setdefault(command, next(self._colours))
            output.script_line(self._prefixes[command], text, colour, is_error=is_error)
        else:
            self._held.setdefault(command, []).append(
                lambda: output.script_line("", text, "", is_error=is_error)
            )

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
            elif isinstance(event, (CommandStarted, CommandRepeated)):
                queued[event.command] = None
                running.pop(event.command, None)
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


def short_names(commands: Collection[str]) -> dict[str, str]:
    """Return a name of at most a quarter of a line for each command, no two alike.

    `train seed=0` for a variant. Of names that would be alike if shortened, only the variables with
    which they differ are shown, and if that is still too long, they are numbered.
    """

    from git_spacy.generate.drawing.label import shorten  # not needed by a run without scripts

    width = max(output.terminal_width() // 4, _LEAST_NAME)
    split = {
        command: _VARIABLE.sub(_SEPARATOR + r"\1=", command).split(_SEPARATOR)
        for command in commands
    }
    names = {command: shorten(" ".join(words), width) for command, words in split.items()}
    for group in _alike(names):
        common = set.intersection(*(set(split[command][1:]) for command in group))
        for command in group:
            first, *variables = split[command]
            names[command] = shorten(
                " ".join([first, *(v for v in variables if v not in common)]), width
            )
    for group in _alike(names):
        for number, command in enumerate(group, 1):
            suffix = f" #{number}"
            names[command] = shorten(names[command], width - len(suffix)) + suffix
    return names


def _alike(names: Mapping[str, str]) -> list[list[str]]:
    """Return the groups of commands that have the same name."""

    groups: dict[str, list[str]] = {}
    for command, name in names.items():
        groups.setdefault(name, []).append(command)
    return [group for group in groups.values() if len(group) > 1]


def aligned(names: Mapping[str, str]) -> dict[str, str]:
    """Return `names` padded to the same length."""

    from git_spacy.generate.drawing.label import display_width

    width = max(map(display_width, names.values()), default=0)
    return {command: name + " " * (width - display_width(name)) for command, name in names.items()}


def progress_line(ended: int, running: list[str], queued: int, total: int) -> str:
    """Return e.g. `3 of 9 done, running train, test and 2 more, 2 waiting`.

    `queued` are the commands that a cluster has, but does not run yet.
    """

    more = f" and {len(running) - 2} more" if len(running) > 2 else ""
    now = f", running {', '.join(running[:2])}{more}" if running else ""
    counts = {"queued": queued, "waiting": total - ended - len(running) - queued}
    later = "".join(f", {number} {word}" for word, number in counts.items() if number)
    return f"{ended} of {total} done{now}{later}"
