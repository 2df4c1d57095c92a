"""Does what was decided, and remembers each thing as it is done."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from git_spacy.errors import Busy
from git_spacy.files import replace
from git_spacy.git import configuration
from git_spacy.setup import memory
from git_spacy.setup.change import Change, Edit, Move, Setting, Text, Unset
from git_spacy.setup.decision import Place, read
from git_spacy.setup.memory import Done


def apply(here: Place, changes: Iterable[Change]) -> None:
    """Make these changes. What was made is remembered even where a later one fails.

    Raises Busy where a file is another by now, Unavailable, OSError.
    """

    done = list(memory.read(here.repository))
    for change in changes:
        one = _begun(here, change)
        memory.write(here.repository, [*done, one])  # first: a crash must leave nothing unknown
        one = one._replace(edit=_make(here, change) or one.edit)
        done.append(one)
        memory.write(here.repository, done)


def undo(
    here: Place, changes: Iterable[Change], folders: Iterable[Path], kept: Iterable[Done]
) -> None:
    """Make the changes that take back what was done, remove the `folders` that are empty then, and
    remember only what is `kept`. Raises as `apply`."""

    for change in changes:
        _make(here, change)
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        with suppress(OSError):  # somebody else has put something there
            folder.rmdir()
    memory.write(here.repository, kept)


def _begun(here: Place, change: Change) -> Done:
    """What is to be remembered of a change that is about to be made."""

    assert not isinstance(change, Unset)
    if isinstance(change, Setting):
        return Done("setting", change.part, change.name, change.name, True, change.value,
                    own=() if change.added else change.own)  # fmt: skip
    base = here.repository.common_dir.resolve()
    path = change.path.parent.resolve() / change.path.name
    shared = base in path.parents
    where = path.relative_to(base if shared else here.top).as_posix()
    if isinstance(change, Move):
        return Done("move", change.part, change.name, where, shared, change.target)
    edit = Edit.of(change.before or b"", change.after or b"")
    top = base if shared else here.top
    missing = (folder for folder in path.parents if not folder.exists())
    made = tuple(folder.relative_to(top).as_posix() for folder in missing)
    return Done("text", change.part, change.name, where, shared,
                edit=edit, new=change.before is None, made=made)  # fmt: skip


def _make(here: Place, change: Change) -> Edit | None:
    """Make one change; what it made of Git's configuration, if that was it."""

    if isinstance(change, Setting):
        file = configuration.own_file(here.repository)
        before = file.read_bytes()
        configuration.put(here.repository, change.name, change.value, added=change.added)
        return Edit.of(before, file.read_bytes())
    if isinstance(change, Unset):
        _unset(here, change)
    elif isinstance(change, Move):
        os.rename(change.path, change.path.with_name(change.target))
    else:
        _write(change)
    return None


def _unset(here: Place, change: Unset) -> None:
    """Byte for byte if nobody else has written the file since; else as git does it."""

    edit = change.edit
    if edit and configuration.rewrite(here.repository, edit.exactly_undone):
        return
    configuration.take_out(here.repository, change.name, change.value)
    for value in change.own:
        configuration.put(here.repository, change.name, value, added=True)


def _write(change: Text) -> None:
    if read(change.path) != change.before:
        raise Busy(f"somebody has changed '{change.name}' meanwhile", mend="run this again")
    if change.after is None:
        change.path.unlink()
        return
    change.path.parent.mkdir(parents=True, exist_ok=True)
    replace(change.path, change.after)
    if change.program:
        _make_executable(change.path)


def _make_executable(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | (mode & 0o444) >> 2)  # for whoever may read it
