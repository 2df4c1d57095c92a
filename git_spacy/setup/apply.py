"""Apply planned changes, and record each one in the journal."""

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


def apply(context: RepoContext, changes: Iterable[Change]) -> None:
    """Apply `changes`, and record each one, even if a later one fails.

    Raises Busy if a file has changed since the plan was made, Refused if a symlink has;
    ExternalError, OSError.
    """

    done = list(journal.read(context.repository))
    for change in changes:
        entry = _new_entry(context, change)
        # recorded before it is made, so that a crash leaves no unrecorded change
        journal.write(context.repository, [*done, entry])
        entry = entry._replace(edit=_make(context, change) or entry.edit)
        done.append(entry)
        journal.write(context.repository, done)


def undo(
    context: RepoContext,
    changes: Iterable[Change],
    folders: Iterable[Path],
    remaining: Iterable[JournalEntry],
) -> None:
    """Apply `changes`, which undo earlier ones, and remove those of `folders` that are then empty.

    Only the `remaining` entries stay in the journal. Raises as `apply` does.
    """

    for change in changes:
        _make(context, change)
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError, Refused):  # it is not empty
            location = context.locate(folder, follow=False)
            with parent_descriptor(location.root, location.relative, create=False) as (above, name):
                os.rmdir(name, dir_fd=above)
    journal.write(context.repository, remaining)


def _new_entry(context: RepoContext, change: Change) -> JournalEntry:
    """Return the journal entry of a change that is about to be made."""

    assert not isinstance(change, UnsetConfig)
    if isinstance(change, SetConfig):
        return JournalEntry("setting", change.step, change.name, change.name, True, change.value,
                    own=() if change.append else change.own_values)  # fmt: skip
    location = context.locate(change.path, follow=not isinstance(change, FileMove))
    where, shared = location.relative, location.is_shared
    if isinstance(change, FileMove):
        return JournalEntry("move", change.step, change.name, where, shared, change.target)
    edit = Edit.between(change.before or b"", change.after or b"")
    missing = (folder for folder in location.path.parents if not folder.exists())
    created = tuple(folder.relative_to(location.root).as_posix() for folder in missing)
    return JournalEntry("text", change.step, change.name, where, shared,
                edit=edit, new=change.before is None, made=created)  # fmt: skip


def _make(context: RepoContext, change: Change) -> Edit | None:
    """Make one change; return the edit of the configuration file, if it was that."""

    if isinstance(change, SetConfig):
        file = gitconfig.repository_config(context.repository)
        before = file.read_bytes()
        gitconfig.set_value(context.repository, change.name, change.value, append=change.append)
        return Edit.between(before, file.read_bytes())
    if isinstance(change, UnsetConfig):
        _unset(context, change)
    elif isinstance(change, FileMove):
        _rename(context, change)
    else:
        _write(context, change)
    return None


def _unset(context: RepoContext, change: UnsetConfig) -> None:
    """Restore the configuration file exactly if it was not written since; else unset the value."""

    edit = change.edit
    if edit and gitconfig.rewrite_config(context.repository, edit.undo_exactly):
        return
    gitconfig.unset_value(context.repository, change.name, change.value)
    for value in change.own_values:
        gitconfig.set_value(context.repository, change.name, value, append=True)


def _rename(context: RepoContext, change: FileMove) -> None:
    root, relative, _ = context.locate(change.path, follow=False)
    with parent_descriptor(root, relative, create=False) as (folder, name):
        os.rename(name, change.target, src_dir_fd=folder, dst_dir_fd=folder)


def _write(context: RepoContext, change: FileChange) -> None:
    location = context.locate(change.path)
    if read_content(location) != change.before:
        raise Busy(f"another process has just changed '{change.name}'")
    root, relative, _ = location
    if change.after is None:
        with parent_descriptor(root, relative, create=False) as (folder, name):
            os.unlink(name, dir_fd=folder)
    else:
        write_beneath(root, relative, change.after, executable=change.executable, parents=True)
