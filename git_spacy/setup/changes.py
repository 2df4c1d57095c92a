"""One change that `init` makes, as a value: what, where, from, to; and how it reads. Pure.

The parts are what a person chooses from; each change belongs to one.
"""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

STEPS = {
    "notes": "records follow their commits through amend and rebase",
    "display": "'git log' shows the records, too: a long line for each",
    "merge": "project.lock is merged by entry, not by line",
    "ignore": ".gitignore has what is fetched and made",
    "hooks": "no commit with a stale lock or an output in it",
}
SETTINGS = (
    "notes.rewriteRef", "notes.rewriteMode", "notes.displayRef", "merge.spacy-lock.name",
    "merge.spacy-lock.driver", "core.hooksPath",
)  # fmt: skip
"""The names of all that a Setting may be about."""
DEFAULT = ("notes", "merge", "ignore", "hooks")
_MOST_LINES = 12  # of a file, in the list


class Edit(NamedTuple):
    """What a change made of a file: from the byte `at` on, `removed` became `added`; `digest` is
    that of the whole file after it."""

    at: int
    removed: bytes
    added: bytes
    digest: str

    @classmethod
    def between(cls, before: bytes, after: bytes) -> Edit:
        """The smallest that makes `after` of `before`."""

        shorter = min(len(before), len(after))
        start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
        end = 0
        while end < shorter - start and before[-1 - end] == after[-1 - end]:
            end += 1
        return cls(
            start, before[start : len(before) - end], after[start : len(after) - end], digest(after)
        )

    def undo_exactly(self, now: bytes) -> bytes | None:
        """What `now` was before; None: somebody edited it since."""

        if digest(now) != self.digest:
            return None
        return now[: self.at] + self.removed + now[self.at + len(self.added) :]

    def undo(self, now: bytes) -> bytes | None:
        """The same; of what was edited, without what was added if that stands there once. None:
        nobody can tell."""

        exact = self.undo_exactly(now)
        if exact is None and self.added.strip() and now.count(self.added) == 1:
            return now.replace(self.added, self.removed)
        return exact


class SetConfig(NamedTuple):
    """`value` for `name` in the repository's own configuration: beside what is there if it is
    `added`, else in its place. `own` is what the repository itself has; `now` what holds, for
    people."""

    step: str
    name: str
    value: str
    append: bool = False
    own_values: tuple[str, ...] = ()
    current: str = ""


class FileChange(NamedTuple):
    """The file at `path` is to be `after` instead of `before` (None: no file). `name` is for
    people; a `program` can be executed."""

    step: str
    path: Path
    name: str
    before: bytes | None
    after: bytes | None
    executable: bool = False


class FileMove(NamedTuple):
    """The file at `path` is to be called `target`, in the same folder; `name` is for people."""

    step: str
    path: Path
    name: str
    target: str


class UnsetConfig(NamedTuple):
    """`value` is to go from `name` in the repository's own configuration, and what was there
    before comes back: `own`, or the whole file as it was if `edit` is the last one of it."""

    step: str
    name: str
    value: str
    own_values: tuple[str, ...]
    edit: Edit | None


class SkippedChange(NamedTuple):
    """What stays as it is, though it is not as it should be: `why`, and how to fix it."""

    step: str
    location: str
    reason: str
    hint: str = ""


Change = SetConfig | UnsetConfig | FileChange | FileMove


def digest(data: bytes) -> str:
    """What tells the content of a file from any other."""

    return hashlib.sha256(data).hexdigest()


def format_change(change: Change) -> Iterator[str]:
    """How a change reads: as one would type it, or as a diff shows it."""

    if isinstance(change, SetConfig):
        add = "--add " if change.append else ""
        yield f"git config {add}{change.name} {shlex.quote(change.value)}"
        if change.current:
            yield f"    (now: {change.current})"
    elif isinstance(change, UnsetConfig):
        yield f"git config --unset {change.name} {shlex.quote(change.value)}"
        yield from (f"git config {change.name} {shlex.quote(value)}" for value in change.own_values)
    elif isinstance(change, FileMove):
        yield f"{change.name} becomes {change.target}"
    elif change.after is None:
        yield f"{change.name} (removed)"
    elif change.step == "hooks" and change.before is None:
        length = change.after.count(b"\n")
        yield f"{change.name} (new, {length} lines)"
    else:
        yield change.name + (" (new)" if change.before is None else "")
        different = list(_different(change.before or b"", change.after))
        yield from different[:_MOST_LINES]
        if len(different) > _MOST_LINES:
            yield f"    … and {len(different) - _MOST_LINES} more lines"


def _different(before: bytes, after: bytes) -> Iterator[str]:
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    for line in difflib.ndiff(old, new):
        if line[0] in "+-" and line[2:].strip():
            yield f"    {line}"
