"""What takes back what `init` did, as changes again: reads, decides, and writes nothing.

A file that nobody edited since becomes what it was, byte for byte. From one that somebody did, ours
is taken out where it still stands as it was written; else it is left alone, and told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from git_spacy import formats
from git_spacy.files import resolved_inside
from git_spacy.generate.ignore import without_ours
from git_spacy.setup import memory
from git_spacy.setup.change import PARTS, Change, Left, Move, Text, Unset
from git_spacy.setup.decision import Place, read
from git_spacy.setup.memory import Done


class Undoing(NamedTuple):
    """The changes in their order; what is left alone; the folders to remove if they are empty
    then; what stays remembered."""

    changes: tuple[Change, ...]
    left: tuple[Left, ...]
    folders: tuple[Path, ...]
    kept: tuple[Done, ...]


def decide(here: Place) -> Undoing:
    """What takes back all that was done here. Raises Malformed, Unsafe, OSError."""

    changes: list[Change] = []
    left: list[tuple[Left, Done]] = []
    done = memory.read(here.repository)
    # what the files and the settings are once `changes` are made
    will_be: dict[Path, bytes | None] = {}
    will_hold: dict[str, tuple[str, ...]] = {}
    for one in reversed(done):
        if one.kind == "setting":
            found = _setting(here, one, will_hold)
        elif one.kind == "move":
            found = _move(_path(here, one, one.where), one, will_be)
        else:
            resolved_inside(_base(here, one), one.where)
            found = _text(_path(here, one, one.where), one, will_be)
        if isinstance(found, Left):
            left.append((found, one))
        elif found:
            changes.append(found)
    parts = list(PARTS)
    changes.sort(key=lambda one: -parts.index(one.part))  # back to front, as they were made
    kept = [one for _, one in left]
    folders = {_path(here, one, folder) for one in done for folder in one.made}
    return Undoing(
        tuple(changes), tuple(told for told, _ in left), tuple(folders), tuple(reversed(kept))
    )


def _path(here: Place, done: Done, name: str) -> Path:
    """What `name` is below the folder that was changed. Raises Malformed, and Unsafe where a link
    on the way leads out of it."""

    above, _, last = formats.name(name).rpartition("/")
    return resolved_inside(_base(here, done), above) / last


def _base(here: Place, done: Done) -> Path:
    return here.repository.common_dir if done.shared else here.top


def _setting(
    here: Place, done: Done, will_hold: dict[str, tuple[str, ...]]
) -> Change | Left | None:
    section, _, key = done.where.rpartition(".")
    there = here.values.get(f"{section}.{key.lower()}", ())
    now = tuple(value.text for value in there if value.scope == "local")
    own = will_hold.get(done.where, now)
    if done.value in own:
        others = tuple(value for value in own if value != done.value)
        will_hold[done.where] = (*others, *done.own)
        return Unset(done.part, done.where, done.value, done.own, done.edit)
    if own and not _is_list(done):
        return Left(done.part, done.name, f"somebody has set it to '{own[-1]}' since",
                    f"git config --unset {done.name}")  # fmt: skip
    return None


def _is_list(done: Done) -> bool:
    return done.where in ("notes.rewriteRef", "notes.displayRef")


def _move(path: Path, done: Done, will_be: dict[Path, bytes | None]) -> Change | Left | None:
    moved = path.with_name(done.value)
    if not os.path.lexists(moved):
        return None
    folder = done.name.rpartition("/")[0]
    if os.path.lexists(path) and will_be.get(path, b"") is not None:
        return Left(done.part, f"{folder}/{done.value}", f"'{path.name}' is there, and not ours",
                    f"mv {done.value} {path.name}")  # fmt: skip
    return Move(done.part, moved, f"{folder}/{done.value}", path.name)


def _text(path: Path, done: Done, will_be: dict[Path, bytes | None]) -> Change | Left | None:
    now = will_be[path] if path in will_be else read(path)
    if now is None or done.edit is None:
        return None
    before = done.edit.undone(now)
    if before is None and done.part == "ignore":
        before = without_ours(now)
    if before is None:
        return Left(done.part, done.name, "somebody has edited it since",
                    "take out what you do not want, and remove git-spacy's part")  # fmt: skip
    after = None if done.new and not before.strip() else before
    will_be[path] = after
    return Text(done.part, path, done.name, now, after) if after != now else None
