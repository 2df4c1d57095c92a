"""Several transfers at a time, told of one by one; one that fails stops none of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from git_spacy import threads
from git_spacy.errors import GitSpacyError, LocalFailure, Refused, local_failure
from git_spacy.storage.events import TransferEvent, TransferFailed, TransferReporter

JOBS = 4

_Work = tuple[str, Callable[[], None]]


class TransfersStopped(Exception):
    """Somebody interrupted all of it."""


class TransferOutcome(NamedTuple):
    """The paths of what was sent or fetched, and of what was not, with why; and what failed."""

    done: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, GitSpacyError], ...]

    def error(self) -> GitSpacyError | None:
        """What failed as one error, of the worst family."""

        if not self.failed:
            return None
        errors = [error for _, error in self.failed]
        worst = next((one for one in errors if isinstance(one, Refused)), errors[0])
        worst.problems = tuple(problem for one in errors for problem in one.problems)
        return worst


class TransferPool:
    """Runs transfers in threads. `report` is called by one at a time; after `stop`, it raises
    Stopped in all of them."""

    def __init__(self, report: TransferReporter, jobs: int = JOBS) -> None:
        self._report = report
        self._jobs = jobs
        self._lock = threading.Lock()
        self._stopped = False
        self.failed: list[tuple[str, GitSpacyError]] = []

    def report(self, event: TransferEvent) -> None:
        """Tell of it. Raises Stopped."""

        with self._lock:
            if self._stopped:
                raise TransfersStopped
            self._report(event)

    def run_all(self, work: Iterable[_Work]) -> None:
        """Do all of it: (path, what to do). Raises what interrupts, and defects."""

        tasks = list(work)

        def note(number: int, ended: BaseException | None) -> None:
            self._note(tasks[number][0], ended)

        threads.run_all([do for _, do in tasks], self._jobs, note, self._stopping)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        self._stopped = True
        yield

    def _note(self, path: str, error: BaseException | None) -> None:
        if error is None or isinstance(error, TransfersStopped):
            return
        if isinstance(error, OSError):
            error = local_failure(error, f"'{path}'")
        if not isinstance(error, GitSpacyError):
            raise error
        self.fail(path, error)

    def fail(self, path: str, error: GitSpacyError) -> None:
        """It failed."""

        if isinstance(error, LocalFailure) and not error.problems[0].hint:
            hint = "make room on the disk, or look at the permissions"
            error = LocalFailure(error.problems[0].message, hint=hint)
        self.failed.append((path, error))
        self.report(TransferFailed(path, error))
