"""Describe the changes that `init` makes, and print them as git commands or diffs.

Each change belongs to one of STEPS, from which the user can choose.
"""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Diagnostic

STEPS = {
    "notes": "run records follow their commits through amend and rebase",
    "display": "'git log' also shows the run records, one long line for each",
    "merge": "project.lock is merged entry by entry instead of line by line",
    "ignore": ".gitignore lists assets and outputs",
    "hooks": "commits with a stale project.lock or with outputs are refused",
}
SETTINGS = (
    "notes.rewriteRef", "notes.rewriteMode", "notes.displayRef", "merge.spacy-lock.name",
    "merge.spacy-lock.driver", "core.hooksPath", "alias.spacy-hook",
)  # fmt: skip
"""All Git settings that `init` may change."""
DEFAULT = ("notes", "merge", "ignore", "hooks")
_MAX_LINES = 12  # of a diff are printed


class Edit(NamedTuple):
    """A change of a file's content: at byte offset `at`, `removed` was replaced with `added`.

    `digest` is the digest of the whole file after the change.
    """

    at: int
    removed: bytes
    added: bytes
    digest: str

    @classmethod
    def between(cls, before: bytes, after: bytes) -> Edit:
        """Return the smallest edit that turns `before` into `after`."""

        shorter = min(len(before), len(after))
        start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
        end = 0
        while end < shorter - start and before[-1 - end] == after[-1 - end]:
            end += 1
        return cls(
            start, before[start : len(before) - end], after[start : len(after) - end], digest(after)
        )

    def undo_exactly(self, content: bytes) -> bytes | None:
        """Return the content before the edit; None if `content` is not exactly that after it."""

        if digest(content) != self.digest:
            return None
        return content[: self.at] + self.removed + content[self.at + len(self.added) :]

    def undo(self, content: bytes) -> bytes | None:
        """Return `content` without the edit.

        If `content` has changed since the edit, `added` is replaced with `removed`, provided that
        it occurs exactly once; otherwise return None.
        """

        exact = self.undo_exactly(content)
        if exact is None and self.added.strip() and content.count(self.added) == 1:
            return content.replace(self.added, self.removed)
        return exact


class SetConfig(NamedTuple):
    """Set `name` to `value` in the repository's own configuration.

    With `append`, the value is added to the existing ones; else it replaces them. `own_values` are
    the values that the repository itself had before; `current` describes the value in effect, for
    users.
    """

    step: str
    name: str
    value: str
    append: bool = False
    own_values: tuple[str, ...] = ()
    current: str = ""


class FileChange(NamedTuple):
    """Change the content of the file `path` from `before` to `after`.

    If `before` is None, the file is created; if `after` is None, it is removed. `name` is the path
    to show.
    """

    step: str
    path: Path
    name: str
    before: bytes | None
    after: bytes | None
    executable: bool = False


class FileMove(NamedTuple):
    """Rename the file `path` to `target`, in the same folder. `name` is the path to show."""

    step: str
    path: Path
    name: str
    target: str


class UnsetConfig(NamedTuple):
    """Remove `value` from the setting `name`, and restore its former values, `own_values`.

    If the configuration file has not changed since `init` made `edit`, that edit is reverted
    exactly.
    """

    step: str
    name: str
    value: str
    own_values: tuple[str, ...]
    edit: Edit | None


Change = SetConfig | UnsetConfig | FileChange | FileMove


def left_unchanged(name: str, reason: str, hint: str) -> Diagnostic:
    """Return the warning about a file or setting that `init` cannot change."""

    return Diagnostic(f"left unchanged: {reason}", hint, name, severity="warning")


def digest(data: bytes) -> str:
    """Return the SHA-256 digest of `data`."""

    return hashlib.sha256(data).hexdigest()


def format_change(change: Change) -> Iterator[str]:
    """Yield the lines to print for a change: a git command, or a diff of a file."""

    if isinstance(change, SetConfig):
        add = "--add " if change.append else ""
        yield f"git config {add}{change.name} {shlex.quote(change.value)}"
        if change.current:
            yield f"    (now: {change.current})"
    elif isinstance(change, UnsetConfig):
        yield f"git config --unset {change.name} {shlex.quote(change.value)}"
        yield from (f"git config {change.name} {shlex.quote(value)}" for value in change.own_values)
    elif isinstance(change, FileMove):
        yield f"{change.name} is renamed to {change.target}"
    elif change.after is None:
        yield f"{change.name} (removed)"
    elif change.step == "hooks" and change.before is None:
        length = change.after.count(b"\n")
        yield f"{change.name} (new, {length} lines)"
    else:
        yield change.name + (" (new)" if change.before is None else "")
        lines = list(_changed_lines(change.before or b"", change.after))
        yield from lines[:_MAX_LINES]
        if len(lines) > _MAX_LINES:
            yield f"    … and {len(lines) - _MAX_LINES} more lines"


def _changed_lines(before: bytes, after: bytes) -> Iterator[str]:
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    for line in difflib.ndiff(old, new):
        if line[0] in "+-" and line[2:].strip():
            yield f"    {line}"
