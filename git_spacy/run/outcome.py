"""What became of the commands of a run."""

from __future__ import annotations

from git_spacy.errors import GitSpacyError
from git_spacy.light_typing import NamedTuple


class RunOutcome(NamedTuple):
    """The names of the commands that ran (or would run, in a dry run), were skipped, were restored,
    failed (with their errors), were not started because of a failure, and were pruned."""

    ran: tuple[str, ...]
    skipped: tuple[str, ...]
    restored: tuple[str, ...] = ()
    failed: tuple[tuple[str, GitSpacyError], ...] = ()
    not_started: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()

    def error(self) -> GitSpacyError | None:
        """Combine all failures into one error with the exit code of the first; None if there are no
        failures."""

        if not self.failed:
            return None
        first = self.failed[0][1]
        first.problems = tuple(problem for _, error in self.failed for problem in error.problems)
        return first
