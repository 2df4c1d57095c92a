"""Run transfers in parallel and report them one at a time; a failure does not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from git_spacy import threads
from git_spacy.errors import Diagnostic, GitSpacyError, LocalFailure, Refused, local_failure
from git_spacy.project.diagnostics import group_problems
from git_spacy.storage.events import (
    SkipKind,
    TransferEvent,
    TransferFailed,
    TransferReporter,
    TransferSkipped,
)

JOBS = 4

_Work = tuple[str, Callable[[], None]]


class TransfersStopped(Exception):
    """All transfers were interrupted."""


class TransferOutcome(NamedTuple):
    """The outputs that were transferred (their paths), skipped and failed. A dry run counts what
    it would transfer as transferred."""

    done: tuple[str, ...]
    skipped: tuple[TransferSkipped, ...]
    failed: tuple[tuple[str, GitSpacyError], ...]

    def of_kind(self, *kinds: SkipKind) -> list[TransferSkipped]:
        """Return the outputs that were skipped for one of these reasons."""

        return [skipped for skipped in self.skipped if skipped.kind in kinds]

    def error(self) -> GitSpacyError | None:
        """Return all failures as one error, of class Refused if one of them is."""

        if not self.failed:
            return None
        errors = [error for _, error in self.failed]
        worst = next((error for error in errors if isinstance(error, Refused)), errors[0])
        worst.problems = tuple(self._grouped_problems())
        return worst

    def _grouped_problems(self) -> Iterator[Diagnostic]:
        """Yield one problem for each cause, such as a remote that cannot be reached."""

        failed = [(path, problem) for path, error in self.failed for problem in error.problems]
        groups = group_problems(
            (path, problem.message.removeprefix(f"'{path}': "), problem.hint)
            for path, problem in failed
        )
        for group in groups:
            problem = failed[group.first][1]
            if len(group.names) > 1:
                problem = problem._replace(message=f"{group.quoted_names}: {group.cause}")
            yield problem


class TransferPool:
    """Runs transfers in threads.

    `report` is called from one thread at a time. After an interruption it raises TransfersStopped
    in every thread.
    """

    def __init__(self, report: TransferReporter, jobs: int = JOBS) -> None:
        self._report = report
        self._jobs = jobs
        self._lock = threading.Lock()
        self._stopped = False
        self.failed: list[tuple[str, GitSpacyError]] = []

    def report(self, event: TransferEvent) -> None:
        """Report an event. Raises TransfersStopped after an interruption."""

        with self._lock:
            if self._stopped:
                raise TransfersStopped
            self._report(event)

    def run_all(self, work: Iterable[_Work]) -> None:
        """Run all transfers, given as (path, function). Raises interrupts and internal errors."""

        tasks = list(work)

        def handle_result(number: int, error: BaseException | None) -> None:
            self._handle_result(tasks[number][0], error)

        functions = [function for _, function in tasks]
        threads.run_all(functions, self._jobs, handle_result, self._stopping)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        self._stopped = True
        yield

    def _handle_result(self, path: str, error: BaseException | None) -> None:
        if error is None or isinstance(error, TransfersStopped):
            return
        if isinstance(error, OSError):
            error = local_failure(error, f"'{path}'")
        if not isinstance(error, GitSpacyError):
            raise error
        self.fail(path, error)

    def fail(self, path: str, error: GitSpacyError) -> None:
        """Record and report a failed transfer."""

        if isinstance(error, LocalFailure) and not error.problems[0].hint:
            hint = "check the free disk space and the permissions"
            error = LocalFailure(error.problems[0].message, hint=hint)
        self.failed.append((path, error))
        self.report(TransferFailed(path, error))
