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

    def summary(self, *, dry: bool = False) -> str:
        """Return one line that says how many commands ran, were skipped, failed, …"""

        restored = f", restored {len(self.restored)}" if self.restored else ""
        word = "would run" if dry else "ran"
        parts = [f"{word} {len(self.ran)}, skipped {len(self.skipped)}{restored}"]
        if self.failed and not dry:
            parts.append("failed: " + ", ".join(name for name, _ in self.failed))
        if self.not_started:
            parts.append("not started: " + ", ".join(self.not_started))
        return "; ".join(parts)
