"""project.lock put right: rebuilt from records, or made one of two sides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import CheckFailed, InvalidInput
from git_spacy.files import file_lock, write_beneath
from git_spacy.git import process, unmerged
from git_spacy.git.repository import Repository
from git_spacy.project import loader, yaml
from git_spacy.project.matrix import with_variants
from git_spacy.project.model import Command
from git_spacy.state import lock, lock_merge
from git_spacy.state.lock import LOCK_FILE, LockEntry
from git_spacy.state.lock_history import LockHistory, ResolvedEntry, lock_history
from git_spacy.state.lock_merge import Merged
from git_spacy.state.lock_selection import pick_entries
from git_spacy.state.project_view import WorkTree, prefix
from git_spacy.state.stat_cache import state_dir


class RebuiltLock(NamedTuple):
    """The commit (its id), what was known of each command that the lock has now, and the commands
    that nothing is known of."""

    commit: str
    known: Mapping[str, ResolvedEntry]
    unknown: tuple[str, ...]


def rebuild(root: Path, repository: Repository, revision: str | None) -> RebuiltLock:
    """Make project.lock what it was, or should have been, at `revision` (None: HEAD, and what is
    in the lock as it lies there counts, too).

    Raises Malformed, CheckFailed where nothing is known, with the old file in place; OSError.
    """

    with file_lock(state_dir(root) / "project.lock.lock"):
        here = _readable(root)
        also = () if revision is not None else tuple(here.values())
        found = lock_history(root, repository, revision or "HEAD", also)
        commands = found.project.commands
        if not found.known:
            raise CheckFailed(
                f"no run of this project is noted for {revision or 'HEAD'}",
                hint="git spacy notes pull brings the records of others",
            )
        model = found.committed or here
        names = [name for name in dict.fromkeys((*model, *_in_order(found))) if name in found.known]
        entries = {name: _in_dialect(found.known[name], model) for name in names}
        lock.write(root, entries)
    known = {name: found.known[name] for name in names}
    unknown = tuple(one.name for one in commands if not (one.variant_of or one.name in known))
    return RebuiltLock(found.commit, known, unknown)


def _in_order(found: LockHistory) -> list[str]:
    """The project's own commands, then the variants as they were run."""

    names = [one.name for one in found.project.commands if not one.variant_of]
    times = {
        one.name: known.record.time if known.record else ""
        for one in found.project.commands
        if one.variant_of and (known := found.known.get(one.name))
    }
    return [*names, *sorted(times, key=lambda name: times[name])]


def _readable(root: Path) -> dict[str, LockEntry]:
    try:
        return lock.read(root)
    except InvalidInput:  # that is why it is to be restored
        return {}


def _in_dialect(known: ResolvedEntry, model: Mapping[str, LockEntry]) -> LockEntry:
    if known.entry.cmd or known.record is None:
        return known.entry
    return lock.match_format(known.entry, model, known.record.versions.get("spacy"))


class MergeResolution(NamedTuple):
    """For each command on which the sides differed, the one that was taken (`ours`, `theirs`), and
    those of them that are stale whichever is taken."""

    taken: Mapping[str, str]
    stale: tuple[Command, ...]


def resolve(root: Path, repository: Repository | None) -> MergeResolution | None:
    """Settle a conflict in project.lock by entry, the fresher side of each as the project lies in
    the work tree, and tell Git. None: there is no conflict.

    Raises Malformed, with the file as it was.
    """

    with file_lock(state_dir(root) / "project.lock.lock"):
        name = prefix(root, repository.cwd()) + LOCK_FILE if repository else LOCK_FILE
        stages = unmerged.read_stages(repository, name, yaml.MAX_BYTES) if repository else {}
        merged = _of_stages(stages) if stages else _of_markers(root)
        if merged is None:
            return None
        project = with_variants(loader.load(root), loader.content(root), merged.order)
        sides = {
            command: [
                (word, side) for word, side in zip(("ours", "theirs"), both, strict=True) if side
            ]
            for command, both in merged.conflicts.items()
        }
        choices = {command: [entry] for command, entry in merged.entries.items()}
        choices |= {command: [side for _, side in some] for command, some in sides.items()}
        chosen = pick_entries(project, choices, WorkTree(root))
        kept = {**merged.entries, **{command: one.entry for command, one in chosen.items()}}
        lock.write(root, {name: kept[name] for name in merged.order if name in kept})
        if stages and repository:
            unmerged.mark_resolved(repository, name)
    taken = {
        command: some[chosen[command].number][0] if command in chosen else "neither"
        for command, some in sides.items()
    }
    stale = {name for name in taken if name in chosen and not chosen[name].matches_commit}
    return MergeResolution(taken, tuple(one for one in project.commands if one.name in stale))


def _of_stages(stages: Mapping[int, bytes]) -> Merged:
    ours, theirs = stages.get(2), stages.get(3)
    base = stages.get(1, b"")
    # a side that removed the file has no opinion on what is in it
    return _merged(base, base if ours is None else ours, base if theirs is None else theirs)


def _of_markers(root: Path) -> Merged | None:
    """For a file that somebody has added as the merge had left it."""

    data = lock.content(root)
    if data is None:
        return None
    ours, theirs = lock_merge.sides(data)
    return _merged(b"", ours, theirs) if ours != theirs else None


def _merged(base: bytes, ours: bytes, theirs: bytes) -> Merged:
    return lock_merge.merge(*map(entries_of, (base, ours, theirs)))


def entries_of(data: bytes) -> dict[str, LockEntry]:
    """The entries of one side; an empty file has none. Raises Malformed."""

    return lock.parse(data) if data.strip() else {}


def merge_driver(base: Path, ours: Path, theirs: Path) -> bool:
    """Merge three files by entry into `ours`, as Git's merge drivers do (gitattributes(5)); what
    is no lock, by line. False: it has conflicts, marked as Git marks them."""

    try:
        merged = _merged(*(path.read_bytes() for path in (base, ours, theirs)))
    except InvalidInput:
        names = ("-L", "ours", "-L", "base", "-L", "theirs")
        arguments = ("merge-file", *names, "--", *map(str, (ours, base, theirs)))
        return not process.run_git(arguments, cwd=Path.cwd(), check=False).returncode
    write_beneath(ours.parent, ours.name, lock_merge.text(merged))
    return not merged.conflicts
