"""What takes back what `init` did, as changes again: reads, decides, and writes nothing.

A file that nobody edited since becomes what it was, byte for byte. From one that somebody did, ours
is taken out where it still stands as it was written; else it is left alone, and told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from git_spacy import formats
from git_spacy.files import resolve_beneath
from git_spacy.generate.ignore import remove_block
from git_spacy.setup import journal
from git_spacy.setup.changes import STEPS, Change, FileChange, FileMove, SkippedChange, UnsetConfig
from git_spacy.setup.journal import JournalEntry
from git_spacy.setup.plan import RepoContext
from git_spacy.setup.write_location import read_content


class UndoPlan(NamedTuple):
    """The changes in their order; what is left alone; the folders to remove if they are empty
    then; what stays remembered."""

    changes: tuple[Change, ...]
    skipped: tuple[SkippedChange, ...]
    folders: tuple[Path, ...]
    remaining: tuple[JournalEntry, ...]


def plan_undo(here: RepoContext) -> UndoPlan:
    """What takes back all that was done here. Raises Malformed, Unsafe, OSError."""

    changes: list[Change] = []
    left: list[tuple[SkippedChange, JournalEntry]] = []
    done = journal.read(here.repository)
    # what the files and the settings are once `changes` are made
    will_be: dict[Path, bytes | None] = {}
    will_hold: dict[str, tuple[str, ...]] = {}
    for one in reversed(done):
        if one.kind == "setting":
            found = _setting(here, one, will_hold)
        elif one.kind == "move":
            found = _move(_path(here, one, one.where), one, will_be)
        else:
            found = _text(here, one, will_be)
        if isinstance(found, SkippedChange):
            left.append((found, one))
        elif found:
            changes.append(found)
    parts = list(STEPS)
    changes.sort(key=lambda one: -parts.index(one.step))  # back to front, as they were made
    kept = [one for _, one in left]
    folders = {_path(here, one, folder) for one in done for folder in one.made}
    return UndoPlan(
        tuple(changes), tuple(told for told, _ in left), tuple(folders), tuple(reversed(kept))
    )


def _path(here: RepoContext, done: JournalEntry, name: str) -> Path:
    """What `name` is below the folder that was changed. Raises Malformed, and Unsafe where a link
    on the way leads out of it."""

    above, _, last = formats.name(name).rpartition("/")
    return resolve_beneath(_base(here, done), above) / last


def _base(here: RepoContext, done: JournalEntry) -> Path:
    return here.repository.common_dir if done.shared else here.top


def _setting(
    here: RepoContext, done: JournalEntry, will_hold: dict[str, tuple[str, ...]]
) -> Change | SkippedChange | None:
    section, _, key = done.where.rpartition(".")
    there = here.config.get(f"{section}.{key.lower()}", ())
    now = tuple(value.text for value in there if value.scope == "local")
    own = will_hold.get(done.where, now)
    if done.value in own:
        others = tuple(value for value in own if value != done.value)
        will_hold[done.where] = (*others, *done.own)
        return UnsetConfig(done.part, done.where, done.value, done.own, done.edit)
    if own and not _is_list(done):
        return SkippedChange(done.part, done.name, f"somebody has set it to '{own[-1]}' since",
                    f"git config --unset {done.name}")  # fmt: skip
    return None


def _is_list(done: JournalEntry) -> bool:
    return done.where in ("notes.rewriteRef", "notes.displayRef")


def _move(
    path: Path, done: JournalEntry, will_be: dict[Path, bytes | None]
) -> Change | SkippedChange | None:
    moved = path.with_name(done.value)
    if not os.path.lexists(moved):
        return None
    folder = done.name.rpartition("/")[0]
    if os.path.lexists(path) and will_be.get(path, b"") is not None:
        reason = f"'{path.name}' is there, and not ours"
        hint = f"mv {done.value} {path.name}"
        return SkippedChange(done.part, f"{folder}/{done.value}", reason, hint)
    return FileMove(done.part, moved, f"{folder}/{done.value}", path.name)


def _text(
    here: RepoContext, done: JournalEntry, will_be: dict[Path, bytes | None]
) -> Change | SkippedChange | None:
    path = _path(here, done, done.where)
    now = will_be[path] if path in will_be else read_content(here.locate(path))
    if now is None or done.edit is None:
        return None
    before = done.edit.undo(now)
    if before is None and done.part == "ignore":
        before = remove_block(now)
    if before is None:
        return SkippedChange(done.part, done.name, "somebody has edited it since",
                    "take out what you do not want, and remove git-spacy's part")  # fmt: skip
    after = None if done.new and not before.strip() else before
    will_be[path] = after
    return FileChange(done.part, path, done.name, now, after) if after != now else None
