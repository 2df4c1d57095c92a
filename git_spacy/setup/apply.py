"""Does what was decided, and remembers each thing as it is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from git_spacy.errors import Busy, Refused
from git_spacy.files import parent_descriptor, write_beneath
from git_spacy.git import gitconfig
from git_spacy.setup import journal
from git_spacy.setup.changes import Change, Edit, FileChange, FileMove, SetConfig, UnsetConfig
from git_spacy.setup.journal import JournalEntry
from git_spacy.setup.plan import RepoContext
from git_spacy.setup.write_location import read_content


def apply(here: RepoContext, changes: Iterable[Change]) -> None:
    """Make these changes. What was made is remembered even where a later one fails.

    Raises Busy where a file is another by now, Unsafe where a link leads elsewhere by now,
    Unavailable, OSError.
    """

    done = list(journal.read(here.repository))
    for change in changes:
        one = _begun(here, change)
        journal.write(here.repository, [*done, one])  # first: a crash must leave nothing unknown
        one = one._replace(edit=_make(here, change) or one.edit)
        done.append(one)
        journal.write(here.repository, done)


def undo(
    here: RepoContext,
    changes: Iterable[Change],
    folders: Iterable[Path],
    kept: Iterable[JournalEntry],
) -> None:
    """Make the changes that take back what was done, remove the `folders` that are empty then, and
    remember only what is `kept`. Raises as `apply`."""

    for change in changes:
        _make(here, change)
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        with suppress(OSError, Refused):  # somebody else has put something there
            location = here.locate(folder, follow=False)
            with parent_descriptor(location.root, location.relative, create=False) as (above, name):
                os.rmdir(name, dir_fd=above)
    journal.write(here.repository, kept)


def _begun(here: RepoContext, change: Change) -> JournalEntry:
    """What is to be remembered of a change that is about to be made."""

    assert not isinstance(change, UnsetConfig)
    if isinstance(change, SetConfig):
        return JournalEntry("setting", change.step, change.name, change.name, True, change.value,
                    own=() if change.append else change.own_values)  # fmt: skip
    location = here.locate(change.path, follow=not isinstance(change, FileMove))
    where, shared = location.relative, location.is_shared
    if isinstance(change, FileMove):
        return JournalEntry("move", change.step, change.name, where, shared, change.target)
    edit = Edit.between(change.before or b"", change.after or b"")
    missing = (folder for folder in location.path.parents if not folder.exists())
    made = tuple(folder.relative_to(location.root).as_posix() for folder in missing)
    return JournalEntry("text", change.step, change.name, where, shared,
                edit=edit, new=change.before is None, made=made)  # fmt: skip


def _make(here: RepoContext, change: Change) -> Edit | None:
    """Make one change; what it made of Git's configuration, if that was it."""

    if isinstance(change, SetConfig):
        file = gitconfig.repository_config(here.repository)
        before = file.read_bytes()
        gitconfig.set_value(here.repository, change.name, change.value, append=change.append)
        return Edit.between(before, file.read_bytes())
    if isinstance(change, UnsetConfig):
        _unset(here, change)
    elif isinstance(change, FileMove):
        _rename(here, change)
    else:
        _write(here, change)
    return None


def _unset(here: RepoContext, change: UnsetConfig) -> None:
    """Byte for byte if nobody else has written the file since; else as git does it."""

    edit = change.edit
    if edit and gitconfig.rewrite_config(here.repository, edit.undo_exactly):
        return
    gitconfig.unset_value(here.repository, change.name, change.value)
    for value in change.own_values:
        gitconfig.set_value(here.repository, change.name, value, append=True)


def _rename(here: RepoContext, change: FileMove) -> None:
    root, relative, _ = here.locate(change.path, follow=False)
    with parent_descriptor(root, relative, create=False) as (folder, name):
        os.rename(name, change.target, src_dir_fd=folder, dst_dir_fd=folder)


def _write(here: RepoContext, change: FileChange) -> None:
    location = here.locate(change.path)
    if read_content(location) != change.before:
        raise Busy(f"somebody has changed '{change.name}' meanwhile", hint="run this again")
    root, relative, _ = location
    if change.after is None:
        with parent_descriptor(root, relative, create=False) as (folder, name):
            os.unlink(name, dir_fd=folder)
    else:
        write_beneath(root, relative, change.after, executable=change.executable, parents=True)
