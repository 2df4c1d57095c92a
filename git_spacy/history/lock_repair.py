"""Repair project.lock: rebuild it from run records, or resolve a merge conflict in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import CheckFailed, InvalidInput
from git_spacy.files import write_beneath
from git_spacy.git import process, unmerged
from git_spacy.git.repository import Repository, prefix
from git_spacy.history.lock_history import LockHistory, ResolvedEntry, lock_history
from git_spacy.lock import lock_format, lock_merge
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LOCK_FILE, LockEntry
from git_spacy.lock.lock_merge import Merged
from git_spacy.project import documents, loader
from git_spacy.project.matrix import with_variants
from git_spacy.project.model import Command
from git_spacy.state.lock_selection import pick_entries
from git_spacy.state.project_view import WorkTree


class RebuiltLock(NamedTuple):
    """The id of the commit, the entries now in the lock, and the commands without any record."""

    commit: str
    entries: Mapping[str, ResolvedEntry]
    unknown: tuple[str, ...]


def rebuild(root: Path, repository: Repository, revision: str | None) -> RebuiltLock:
    """Rebuild project.lock as it was, or should have been, at `revision`.

    None means HEAD, and then the entries of the present lock are candidates, too. Raises
    InvalidInput, CheckFailed if no run is recorded, OSError; the old file then stays in place.
    """

    lock_file = LockFile(root)
    with lock_file.exclusive():
        present = _entries_if_valid(lock_file)
        extra = () if revision is not None else tuple(present.values())
        past = lock_history(root, repository, revision or "HEAD", extra, repair=True)
        commands = past.project.commands
        if not past.entries:
            raise CheckFailed(
                f"no run of this project is recorded for {revision or 'HEAD'}",
                hint="git spacy notes pull",
            )
        model = past.committed or present
        order = dict.fromkeys((*model, *_ordered_names(past)))
        names = [name for name in order if name in past.entries]
        lock_file.replace({name: _match_format(past.entries[name], model) for name in names})
    entries = {name: past.entries[name] for name in names}
    unknown = tuple(
        command.name
        for command in commands
        if not command.variant_of and command.name not in entries
    )
    return RebuiltLock(past.commit, entries, unknown)


def _ordered_names(past: LockHistory) -> list[str]:
    """Return the names of the plain commands, then of the variants in the order of their runs."""

    names = [command.name for command in past.project.commands if not command.variant_of]
    times = {
        command.name: resolved.record.time if resolved.record else ""
        for command in past.project.commands
        if command.variant_of and (resolved := past.entries.get(command.name))
    }
    return [*names, *sorted(times, key=lambda name: times[name])]


def _entries_if_valid(lock_file: LockFile) -> Mapping[str, LockEntry]:
    try:
        return lock_file.entries
    except InvalidInput:  # a broken lock is a reason to rebuild it
        return {}


def _match_format(resolved: ResolvedEntry, model: Mapping[str, LockEntry]) -> LockEntry:
    if resolved.entry.cmd or resolved.record is None:
        return resolved.entry
    version = resolved.record.versions.get("spacy")
    return lock_format.match_format(resolved.entry, model, lambda: version)


class MergeResolution(NamedTuple):
    """The side chosen for each conflicting command (`ours`, `theirs` or `neither`).

    `stale` lists the conflicting commands that are stale with the chosen side, too.
    """

    sides: Mapping[str, str]
    stale: tuple[Command, ...]


def resolve_conflict(root: Path, repository: Repository | None) -> MergeResolution | None:
    """Resolve a conflict in project.lock and mark it as resolved in Git; None without a conflict.

    For each entry, the side that is up to date with the worktree is chosen. Raises InvalidInput
    and leaves the file as it was.
    """

    lock_file = LockFile(root)
    with lock_file.exclusive():
        name = prefix(root, repository.cwd()) + LOCK_FILE if repository else LOCK_FILE
        stages = unmerged.read_stages(repository, name, documents.MAX_BYTES) if repository else {}
        merged = _merge_stages(stages) if stages else _merge_marked_file(root)
        if merged is None:
            return None
        project = with_variants(loader.load(root), loader.read_bytes(root), merged.order)
        candidates = {
            command: [
                (side, entry)
                for side, entry in zip(("ours", "theirs"), entries, strict=True)
                if entry
            ]
            for command, entries in merged.conflicts.items()
        }
        choices = {command: [entry] for command, entry in merged.entries.items()}
        for command, sides in candidates.items():
            choices[command] = [entry for _, entry in sides]
        chosen = pick_entries(project, choices, WorkTree(root))
        resolved = {**merged.entries, **{name: pick.entry for name, pick in chosen.items()}}
        lock_file.replace({name: resolved[name] for name in merged.order if name in resolved})
        if stages and repository:
            unmerged.mark_resolved(repository, name)
    chosen_sides = {
        command: sides[chosen[command].position][0] if command in chosen else "neither"
        for command, sides in candidates.items()
    }
    stale = {name for name in chosen_sides if name in chosen and not chosen[name].matches_commit}
    return MergeResolution(
        chosen_sides, tuple(command for command in project.commands if command.name in stale)
    )


def _merge_stages(stages: Mapping[int, bytes]) -> Merged:
    ours, theirs = stages.get(2), stages.get(3)
    base = stages.get(1, b"")
    # a side that removed the file changed none of its entries
    return _merge_texts(base, base if ours is None else ours, base if theirs is None else theirs)


def _merge_marked_file(root: Path) -> Merged | None:
    """Merge a file that was added with its conflict markers, so that Git has no stages of it."""

    data = lock_format.content(root)
    if data is None:
        return None
    ours, theirs = lock_merge.split_sides(data)
    return _merge_texts(b"", ours, theirs) if ours != theirs else None


def _merge_texts(base: bytes, ours: bytes, theirs: bytes) -> Merged:
    return lock_merge.merge(*map(parse_side, (base, ours, theirs)))


def parse_side(data: bytes) -> dict[str, LockEntry]:
    """Return the entries of one side; an empty file has none. Raises InvalidInput."""

    return lock_format.parse(data) if data.strip() else {}


def merge_driver(base: Path, ours: Path, theirs: Path) -> bool:
    """Merge three files entry by entry into `ours`, as a Git merge driver (gitattributes(5)).

    A file that is not a valid lock is merged line by line. Returns whether there are no conflicts;
    they are marked as Git marks them.
    """

    try:
        merged = _merge_texts(*(path.read_bytes() for path in (base, ours, theirs)))
    except InvalidInput:
        names = ("-L", "ours", "-L", "base", "-L", "theirs")
        arguments = ("merge-file", *names, "--", *map(str, (ours, base, theirs)))
        return not process.run_git(arguments, cwd=Path.cwd(), check=False).returncode
    write_beneath(ours.parent, ours.name, lock_merge.text(merged))
    return not merged.conflicts
