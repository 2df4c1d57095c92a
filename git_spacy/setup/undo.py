"""Plan the changes that undo what `init` did, without changing anything.

A file that was not edited since is restored byte for byte. From an edited file, our part is removed
if it is still as it was written; otherwise the file is left alone and reported.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NamedTuple

from git_spacy import formats
from git_spacy.errors import Diagnostic
from git_spacy.files import resolve_beneath
from git_spacy.generate.ignore import remove_block
from git_spacy.setup import journal
from git_spacy.setup.changes import STEPS, Change, FileChange, FileMove, UnsetConfig, left_unchanged
from git_spacy.setup.journal import JournalEntry
from git_spacy.setup.plan import RepoContext
from git_spacy.setup.write_location import read_content


class UndoPlan(NamedTuple):
    """The changes, in order; the changes that are skipped; the folders to remove if they are empty
    afterwards; the journal entries that remain."""

    changes: tuple[Change, ...]
    skipped: tuple[Diagnostic, ...]
    folders: tuple[Path, ...]
    remaining: tuple[JournalEntry, ...]


def plan_undo(context: RepoContext) -> UndoPlan:
    """Plan how to undo everything in the journal. Raises InvalidInput, Refused, OSError."""

    changes: list[Change] = []
    skipped: list[tuple[Diagnostic, JournalEntry]] = []
    entries = journal.read(context.repository)
    # the contents of files and the values of settings after `changes`
    contents: dict[Path, bytes | None] = {}
    renamed: dict[Path, Path] = {}  # our hooks that another hook manager has renamed
    values: dict[str, tuple[str, ...]] = {}
    for entry in reversed(entries):
        if entry.kind == "setting":
            change = _undo_setting(context, entry, values)
        elif entry.kind == "move":
            path = _path(context, entry, entry.where)
            change = _undo_move(renamed.get(path, path), entry, contents)
        else:
            change = _undo_edit(context, entry, contents, renamed)
        if isinstance(change, Diagnostic):
            skipped.append((change, entry))
        elif change:
            changes.append(change)
    steps = list(STEPS)
    changes.sort(key=lambda change: -steps.index(change.step))  # in reverse order
    remaining = [entry for _, entry in skipped]
    folders = {_path(context, entry, folder) for entry in entries for folder in entry.made}
    return UndoPlan(
        tuple(changes),
        tuple(change for change, _ in skipped),
        tuple(folders),
        tuple(reversed(remaining)),
    )


def _path(context: RepoContext, entry: JournalEntry, name: str) -> Path:
    """Return the path of `name` below the folder that the entry is about.

    Raises InvalidInput; Refused if a symlink on the way leads out of that folder.
    """

    folder, _, last = formats.name(name).rpartition("/")
    return resolve_beneath(_base(context, entry), folder) / last


def _base(context: RepoContext, entry: JournalEntry) -> Path:
    return context.repository.common_dir if entry.shared else context.top


def _undo_setting(
    context: RepoContext, entry: JournalEntry, values: dict[str, tuple[str, ...]]
) -> Change | Diagnostic | None:
    section, _, key = entry.where.rpartition(".")
    config_values = context.config.get(f"{section}.{key.lower()}", ())
    current = tuple(value.text for value in config_values if value.scope == "local")
    own = values.get(entry.where, current)
    if entry.value in own:
        others = tuple(value for value in own if value != entry.value)
        values[entry.where] = (*others, *entry.own)
        return UnsetConfig(entry.part, entry.where, entry.value, entry.own, entry.edit)
    if entry.where == "core.hooksPath":  # another tool's folder, which must stay in use
        return None
    if own and not _is_list(entry):
        hint = f"git config --unset {entry.name}"
        return left_unchanged(entry.name, f"it has been set to '{own[-1]}' since", hint)
    return None


def _is_list(entry: JournalEntry) -> bool:
    return entry.where in ("notes.rewriteRef", "notes.displayRef")


def _undo_move(
    path: Path, entry: JournalEntry, contents: dict[Path, bytes | None]
) -> Change | Diagnostic | None:
    moved = path.with_name(entry.value)
    if not os.path.lexists(moved):
        return None
    folder = entry.name.rpartition("/")[0]
    if os.path.lexists(path) and contents.get(path, b"") is not None:
        reason = f"'{path.name}' exists and is not ours"
        hint = f"mv -i {shlex.quote(str(moved))} {shlex.quote(str(path))}"
        return left_unchanged(f"{folder}/{entry.value}", reason, hint)
    return FileMove(entry.part, moved, f"{folder}/{entry.value}", path.name)


def _undo_edit(
    context: RepoContext,
    entry: JournalEntry,
    contents: dict[Path, bytes | None],
    renamed: dict[Path, Path],
) -> Change | Diagnostic | None:
    path = _path(context, entry, entry.where)
    if entry.part == "hooks" and entry.new and path not in contents:
        renamed[path] = _find_renamed(context, path, entry)
        path = renamed[path]
    current = contents[path] if path in contents else read_content(context.locate(path))
    if current is None or entry.edit is None:
        return None
    before = entry.edit.undo(current)
    if before is None and entry.part == "ignore":
        before = remove_block(current)
    if before is None:
        hint = "remove git-spacy's part of it yourself"
        return left_unchanged(entry.name, "it has been edited since", hint)
    after = None if entry.new and not before.strip() else before
    contents[path] = after
    name = (
        entry.name.rpartition("/")[0] + f"/{path.name}" if path in renamed.values() else entry.name
    )
    return FileChange(entry.part, path, name, current, after) if after != current else None


def _find_renamed(context: RepoContext, path: Path, entry: JournalEntry) -> Path:
    """Return where the hook `path` that we wrote is now: hook managers rename it in its folder."""

    beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
    names = (name for name in beside if name.startswith(f"{path.name}."))
    for candidate in (path, *(path.with_name(name) for name in names)):
        if candidate.is_file() and not candidate.is_symlink():
            content = read_content(context.locate(candidate))
            if content is not None and entry.edit and entry.edit.undo_exactly(content) is not None:
                return candidate
    return path
