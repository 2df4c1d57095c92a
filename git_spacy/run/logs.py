"""Write what the commands of a run print into logs.

A log that cannot be written does not fail the run: it is reported once, as a warning.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path

from git_spacy.errors import GitSpacyError, as_warning, sanitize
from git_spacy.history import run_logs
from git_spacy.history.run_logs import LogWriter
from git_spacy.light_typing import TYPE_CHECKING
from git_spacy.project.model import Command
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandPruned,
    CommandRepeated,
    CommandStarted,
    LinePrinted,
    OutputRelayed,
    RunEvent,
    RunReporter,
    StepStarted,
)

if TYPE_CHECKING:
    from git_spacy.history.run_record import RunRecord

# Logs between two removals of the oldest ones, which look at all. Each has at most 1 MiB.
_REMOVAL_INTERVAL = 16


class RunLogs:
    """The logs of one run: a function that writes each event into the log of its command, and
    passes it on to `report`."""

    def __init__(self, root: Path, commands: Iterable[Command], report: RunReporter) -> None:
        self._root = root
        self._names = {command.name: command.variant_of or command.name for command in commands}
        self._report = report
        self._writers: dict[str, LogWriter] = {}
        self._ids: dict[str, str] = {}
        self._with_output: set[str] = set()
        self._has_failed = False
        self._finished = 0

    def __call__(self, event: RunEvent) -> None:
        if not self._has_failed:
            try:
                self._log(event)
            except OSError as error:
                self._give_up(error)
        if not isinstance(event, OutputRelayed):
            self._report(event)

    def _log(self, event: RunEvent) -> None:
        if isinstance(event, CommandStarted):
            writer = LogWriter(self._root, event.command, self._names[event.command])
            self._writers[event.command] = writer
            now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            self._write_state(event.command, f"running since {now} ({event.reasons[0]})")
        elif isinstance(event, CommandRepeated):
            text = f"failed ({event.error.problems[0].message})"
            self._write_state(event.command, text)
            text = f"attempt {event.attempt} of {event.attempts}"
            self._write_state(event.command, text)
        elif isinstance(event, StepStarted):
            self._writers[event.command].write_line(f"$ {event.line}")
        elif isinstance(event, LinePrinted):
            self._with_output.add(event.command)
            self._writers[event.command].write_line(event.text)
        elif isinstance(event, OutputRelayed):
            self._with_output.add(event.command)
            self._writers[event.command].write(event.data)
        elif isinstance(event, CommandFinished):
            self._end(event.command, f"done in {event.seconds:.1f} s")
        elif isinstance(event, CommandPruned):
            self._end(event.command, f"pruned ({event.reason})")
        elif isinstance(event, CommandFailed) and event.command in self._writers:
            self._end(event.command, f"failed ({event.error.problems[0].message})")

    def _write_state(self, command: str, text: str) -> None:
        self._writers[command].write_line(sanitize(f"==> {command}: {text}"))

    def _end(self, command: str, text: str) -> None:
        self._write_state(command, text)
        self._writers.pop(command).finish(self._ids.get(command, ""))
        if self._finished % _REMOVAL_INTERVAL == 0:
            run_logs.remove_oldest(self._root)
        self._finished += 1

    def add_commands(self, commands: Iterable[Command]) -> None:
        """Take part in the run of further commands."""

        self._names |= {command.name: command.variant_of or command.name for command in commands}

    def recorded(self, command: Command, record: RunRecord) -> None:
        """Remember the run record of a command, which names its log."""

        from git_spacy.history.run_ids import run_id

        self._ids[command.name] = run_id(record)

    def add_hint(self, command: Command, error: GitSpacyError) -> None:
        """Let the failure of a command point to its log, if it has printed something."""

        if command.name not in self._with_output or self._has_failed:
            return
        *others, last = error.problems
        hint = f"git spacy show --log {shlex.quote(command.name)}"
        last = last._replace(hint="\n".join(filter(None, (last.hint, hint))))
        error.problems = (*others, last)

    def close(self) -> None:
        """End the logs of the commands that were running when the run was interrupted."""

        try:
            for command in tuple(self._writers):
                self._end(command, "interrupted")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write no more logs, and say why."""

        self._has_failed = True
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._report(as_warning(error, "output not logged"))
