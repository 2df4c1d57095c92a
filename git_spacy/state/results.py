"""Record the result of a command in project.lock and in the stat cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

from git_spacy.errors import ExternalError
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LOCK_FILE, LockEntry, TrackedPath, match_format
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.project.variables import could_resolve_to
from git_spacy.state.stat_cache import Observed, PreviousRun, StatCache
from git_spacy.state.verdict import script_reasons


def record_result(
    command: Command, observed: Observed, lock_file: LockFile, stats: StatCache,
    spacy_version: Callable[[], str | None], before: AbstractSet[str] = frozenset(),
) -> None:  # fmt: skip
    """Record the result of `command` in the lock, with its dependencies and outputs as `observed`.

    A new entry is inserted above the entries named in `before`. `spacy_version` is called if the
    entry has the version of spaCy. Raises as `LockFile.update`.
    """

    result = LockEntry(
        name=command.name,
        script=command.script,
        deps=_tracked_paths(command.deps, observed),
        outs=_tracked_paths(command.produced, observed),
    )
    entry = lock_file.update(lambda present: match_format(result, present, spacy_version), before)
    _remember(command, entry, observed, stats)


def is_only_churn(command: Command, root: Path, lock_file: LockFile) -> bool:
    """Return whether the entry of `command`, which has just run, would only dirty the worktree.

    A command without outputs runs each time, whatever its entry says. So a run that changes no
    tracked file does not change project.lock either: `git bisect run` could not go on. weasel
    writes the entry, and so do we with the next change. Only a script that `check` would report
    is always recorded.
    """

    if command.produced:
        return False
    entry = lock_file.entries.get(command.name)
    if entry and script_reasons(command, entry, could_resolve_to):
        return False
    from git_spacy.git import commits, process
    from git_spacy.git.index import Index
    from git_spacy.git.repository import Repository, prefix

    repository = Repository.discover(root)
    index = Index.discover(root)
    if repository is None or index is None or not process.available():
        return False
    folder = prefix(root, index.top)
    try:
        is_tracked = bool(index.entries([folder + LOCK_FILE]))
        return is_tracked and not commits.changed_files(repository, folder)
    except ExternalError:
        return False


def refresh_entry(
    command: Command, entry: LockEntry, observed: Observed, lock_file: LockFile, stats: StatCache
) -> None:
    """Update the lock entry and the stat cache for a command that is up to date with `entry`.

    The entry changes when the variables of an earlier run are used again; the stat cache, when the
    command was run by another user.
    """

    lock_file.put(entry)
    if not stats.has_run(command.name, entry.fingerprint_key):
        _remember(command, entry, observed, stats)


def refresh_enclosing(
    enclosing: Iterable[tuple[Command, ProjectPath]],
    before: Observed, lock_file: LockFile, stats: StatCache,
) -> None:  # fmt: skip
    """Update the entries of commands in whose outputs another command has just written its own.

    `before` has the state before that. An output that differed from its entry already is left out:
    its command is stale for another reason.
    """

    for command, outer in enclosing:
        entry, was = lock_file.entries.get(command.name), before.get(outer.normal)
        recorded = {out.path: out.md5 for out in entry.outs} if entry else {}
        if entry is None or was is None or recorded.get(outer.text) != was.digest:
            continue
        observed = stats.fingerprints(command.deps + command.produced)
        now = observed[outer.normal]
        if now is None or now.digest == was.digest:
            continue
        outs = (
            out._replace(md5=now.digest) if out.path == outer.text else out for out in entry.outs
        )
        refresh_entry(command, entry._replace(outs=tuple(outs)), observed, lock_file, stats)


def _tracked_paths(paths: Iterable[ProjectPath], observed: Observed) -> tuple[TrackedPath, ...]:
    states = ((path, observed[path.normal]) for path in paths)
    return tuple(TrackedPath(path.text, state.digest if state else None) for path, state in states)


def _remember(command: Command, entry: LockEntry, observed: Observed, stats: StatCache) -> None:
    names = {
        path.text: state.names
        for path in command.deps + command.produced
        if (state := observed[path.normal]) is not None
    }
    for path in command.deps:
        if state := observed[path.normal]:
            stats.remember_contents(path.normal, state.digest)
    key = (command.script, entry.deps, entry.outs)
    stats.remember_run(command.name, PreviousRun(key, names))
