"""Fetch outputs from a remote: for each command, those that match its present dependencies.

A fetched output may be a dependency of another command, so commands are pulled in rounds until
nothing more can be fetched. Every output is verified before it replaces anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_spacy.errors import GitSpacyError
from git_spacy.files import recover, staging
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state import worktree_status
from git_spacy.state.hashing import Fingerprint, files_below
from git_spacy.state.sparse import complete
from git_spacy.state.stat_cache import FINE_TICK, Observed, StatCache
from git_spacy.state.tracked_paths import TrackedPaths, only_committed
from git_spacy.storage import archive, remote_keys
from git_spacy.storage.cache_store import CacheStore
from git_spacy.storage.events import (
    SkipKind,
    TransferFinished,
    TransferPlanned,
    TransferProgress,
    TransferReporter,
    TransferSkipped,
    TransferStarted,
)
from git_spacy.storage.push import hash_with_digests
from git_spacy.storage.recorded_names import RecordedNames
from git_spacy.storage.remote import Remote
from git_spacy.storage.remote_keys import RemoteKey
from git_spacy.storage.selection import OutputSelection, all_outputs
from git_spacy.storage.transfer_pool import JOBS, TransferOutcome, TransferPool

_SLOW_TO_HASH = 64 << 20  # bytes: hashing them takes longer than a few clock ticks

RecordResult = Callable[[Command, Observed], None]
Digests = Mapping[str, str]
"""The md5 of each path (`ProjectPath.normal`) that is known."""


class PlacedOutput(NamedTuple):
    """An output that was moved into place: its fingerprint, and the `FileIdentity` of its files (""
    if it is unknown)."""

    path: str
    fingerprint: Fingerprint
    identity: str


class PullChoice(NamedTuple):
    """The object to fetch for an output, and the recorded digests of its file names."""

    path: ProjectPath
    key: RemoteKey
    names: frozenset[str] = frozenset()


def pull(
    project: Project, root: Path, remote: Remote, *, stats: StatCache, store: CacheStore,
    environ: Mapping[str, str], report: TransferReporter, record_result: RecordResult,
    selection: OutputSelection | None = None, limit: int = 0, force: bool = False, jobs: int = JOBS,
    dry: bool = False,
) -> TransferOutcome:  # fmt: skip
    """Fetch the selected outputs (by default, all) that are missing or recorded as an earlier
    version; with `force`, also replace other ones. If `dry`, only report what would be fetched.

    `record_result` is called with each command whose outputs are complete after that, and with the
    fingerprints of its dependencies and outputs. An output may have at most `limit` bytes (0: as
    many as fit on the disk). What is replaced and has no other copy is saved in `store`.

    Raises InvalidInput for project.lock, Refused for a path outside the project, OSError, and
    InvalidInput or ExternalError for a remote that does not exist.
    """

    work = _Pull(
        project,
        root,
        remote,
        stats,
        store,
        environ,
        TransferPool(report, jobs),
        record_result,
        selection or all_outputs(project),
        limit,
        force,
        dry,
    )
    work.pull_all()
    stats.save()
    done = tuple(choice.path.text for choice in work.fetched)
    return TransferOutcome(done, tuple(work.skipped), tuple(work.transfers.failed))


class _Pull:
    """The state of one pull."""

    def __init__(
        self, project: Project, root: Path, remote: Remote, stats: StatCache, store: CacheStore,
        environ: Mapping[str, str], transfers: TransferPool, record_result: RecordResult,
        selection: OutputSelection, limit: int, force: bool, dry: bool,
    ) -> None:  # fmt: skip
        self.project, self.root, self.remote, self.stats = project, root, remote, stats
        self.environ, self.transfers, self.record_result = environ, transfers, record_result
        self.selection, self.limit, self.force, self.dry = selection, limit, force, dry
        self.entries = lock_format.read(root)
        self.recorded = RecordedNames(root, stats)
        self.protection = OutputProtection(project, root, remote, store, self.recorded, dry=dry)
        self.fetched: list[PullChoice] = []
        self.placed: list[PlacedOutput] = []
        self.skipped: list[TransferSkipped] = []

    def pull_all(self) -> None:
        """Pull in rounds, each with the commands whose dependencies are present and final.

        A command whose dependencies cannot be had is pulled last, by the md5s that the lock has
        for them.
        """

        waiting = [
            command for command in self.project.commands if self.selection.outputs_of(command)
        ]
        if not self.dry:
            for command in waiting:
                for path in command.outputs:
                    # a pull may have been killed while it replaced the output
                    recover(self.root, path.normal)
        upstream = DependencyGraph(self.project.commands).upstream_names()
        while waiting:
            paths = (path for command in waiting for path in (*command.deps, *command.produced))
            seen = complete(self.stats, self.stats.fingerprints(paths))
            digests = self._present_digests(seen)
            present = [command for command in waiting if _has_all(command, digests)]
            by_lock = [] if present else [c for c in waiting if self._digests_by_lock(c, digests)]
            # Prefer commands without waiting upstream commands. If there are none, take all whose
            # dependencies are present: an upstream command may never become ready.
            names = {command.name for command in waiting}
            candidates = present or by_lock
            ready = [command for command in candidates if names.isdisjoint(upstream[command.name])]
            ready = ready or candidates
            if not ready:
                break
            names -= {command.name for command in ready}
            waiting = [command for command in waiting if command.name in names]
            self._pull_round(ready, seen, digests)
        for command in waiting:
            for path in self.selection.outputs_of(command):
                self._skip(
                    path, command, "missing", f"dependencies of '{command.name}' are missing"
                )

    def _present_digests(self, seen: Observed) -> dict[str, str]:
        """Return the md5s of the present paths; in a dry run, also of what would be fetched."""

        digests = {path: now.digest for path, now in seen.items() if now is not None}
        if self.dry:
            digests |= {choice.path.normal: choice.key.content for choice in self.fetched}
        return digests

    def _digests_by_lock(self, command: Command, digests: Digests) -> Digests | None:
        """Return `digests` with those of missing dependencies from the lock, None if it has not
        all of them."""

        entry = self.entries.get(command.name)
        recorded = {item.path: item.md5 for item in entry.deps} if entry else {}
        listed = {path.normal: md5 for path in command.deps if (md5 := recorded.get(path.text))}
        known = {**listed, **digests}
        return known if _has_all(command, known) else None

    def _pull_round(self, ready: list[Command], seen: Observed, digests: Digests) -> None:
        choices: list[PullChoice] = []
        to_record = []
        for command in ready:
            paths = self.selection.outputs_of(command)
            known = self._digests_by_lock(command, digests) or digests
            hashed = hash_with_digests(self.root, self.project, command, known, self.environ)
            if self._is_up_to_date(command, hashed, seen, digests):
                for path in paths:
                    self._skip(path, command, "present", "already present")
                continue
            needed = [
                path for path in paths if not self._matches_remote(command, path, hashed, seen)
            ]
            available = [
                choice for path in needed if (choice := self._choose(command, path, hashed, seen))
            ]
            choices += available
            if len(available) == len(needed) and self._may_record(command, seen):
                to_record.append((command, available))
        self._fetch_all(choices)
        for command, available in to_record:
            if set(available) <= set(self.fetched):
                observed = self.stats.fingerprints(command.deps + command.produced)
                self.record_result(command, complete(self.stats, observed))

    def _is_up_to_date(
        self, command: Command, hashed: str, seen: Observed, digests: Digests
    ) -> bool:
        """Return whether all outputs are present, and not the result of another run than that in
        the lock, which the remote has."""

        if any(
            (now := seen[path.normal]) and now.digest != digests[path.normal]
            for path in command.deps
        ):
            return False  # a dry run would replace a dependency
        plain = command._replace(no_skip=False)
        entry = self.entries.get(command.name)
        verdict, _ = worktree_status.judge(
            self.project, plain, self.entries, self.stats, self.environ
        )
        return verdict.state == "up_to_date" and not any(
            (listed := _listed(entry, path))
            and (now := seen[path.normal])
            and now.digest != listed
            and self._has_version(path, hashed, listed)
            for path in self.selection.outputs_of(command)
        )

    def _matches_remote(
        self, command: Command, path: ProjectPath, hashed: str, seen: Observed
    ) -> bool:
        """Return whether the remote has the present output, e.g. because a pull was killed.

        If it also has the version that the lock lists, only that one counts.
        """

        current = seen[path.normal]
        if current is None:
            return False
        listed = _listed(self.entries.get(command.name), path)
        versions = filter(None, dict.fromkeys((listed, current.digest)))
        found = next((v for v in versions if self._has_version(path, hashed, v)), None)
        if found != current.digest:
            return False
        self._skip(path, command, "present", "already present")
        return True

    def _has_version(self, path: ProjectPath, hashed: str, digest: str) -> bool:
        return self.remote.exists(str(remote_keys.make_key(path, hashed, digest)))

    def _choose(
        self, command: Command, path: ProjectPath, hashed: str, seen: Observed
    ) -> PullChoice | None:
        key = choose_object(self.remote, path, hashed, self.entries.get(command.name))
        if key is None:
            reason = (
                "the remote has no version that matches the current dependencies of"
                f" '{command.name}'"
            )
            self._skip(path, command, "missing", reason)
            return None
        exists = os.path.lexists(os.path.join(self.root, path.normal))
        protected = exists and not self.force
        if protected and (reason := self.protection.reason(command, path, seen[path.normal])):
            self._skip(path, command, "kept", f"{reason}; --force replaces it")
            return None
        return PullChoice(path, key, self.recorded.digests(command.name, path, key.content))

    def _may_record(self, command: Command, seen: Observed) -> bool:
        """Return whether the dependencies and the outputs that are not pulled are present, and the
        latter as recorded."""

        if self.dry or any(seen[path.normal] is None for path in command.deps):
            return False
        entry = self.entries.get(command.name)
        selected = self.selection.outputs_of(command)
        for path in command.produced:
            if path in selected:
                continue
            current, listed = seen[path.normal], _listed(entry, path)
            if current is None or current.digest != (listed or current.digest):
                return False
            if listed is None and path in command.outputs:
                return False
        return True

    def _fetch_all(self, choices: list[PullChoice]) -> None:
        for batch in nesting_batches(choices):
            self.transfers.run_all(
                (choice.path.text, partial(self._fetch_one, choice)) for choice in batch
            )
            while self.placed:
                self.stats.remember_moved(*self.placed.pop())

    def _fetch_one(self, choice: PullChoice) -> None:
        if self.dry:
            self.transfers.report(TransferPlanned(choice.path.text, None))
        else:
            placed = fetch_output(self.remote, self.root, choice, self.transfers, self.limit)
            self.placed.append(placed)
        self.fetched.append(choice)

    def _skip(self, path: ProjectPath, command: Command, kind: SkipKind, why: str) -> None:
        event = TransferSkipped(path.text, why, kind, command.name)
        self.skipped.append(event)
        self.transfers.report(event)


class OutputProtection:
    """Decides which present outputs a pull may replace without being forced to.

    Nothing may be lost: what is replaced was recorded by a run or a pull and has not been modified
    since, or the remote or the local cache has a copy of it. The only copy is first saved there.
    """

    def __init__(
        self, project: Project, root: Path, remote: Remote, store: CacheStore,
        recorded: RecordedNames, *, dry: bool,
    ) -> None:  # fmt: skip
        self._project, self._root, self._remote, self._store = project, root, remote, store
        self._recorded, self._dry = recorded, dry

    def reason(self, command: Command, path: ProjectPath, now: Fingerprint | None) -> str:
        """Return why the present output must not be replaced, "" if it may be."""

        if now is None:
            return "a broken link is present"
        if now.is_empty:
            return ""
        in_git = TrackedPaths.open(self._root)
        if in_git and in_git.tracked([path], placeholders=False):
            committed = only_committed(self._project, self._root, path)
            if committed and in_git.has_unmodified(committed):
                return ""
            return "it is tracked by Git"
        names = self._recorded.digests(command.name, path, now.digest)
        is_modified = bool(names) and now.names not in names
        if self._store.has_intact(now) or (not is_modified and self._is_in_remote(path, now)):
            return ""
        if is_modified or not names or not self._save(path, now):
            return "a version that is not recorded is present"
        return ""

    def _is_in_remote(self, path: ProjectPath, now: Fingerprint) -> bool:
        objects = self._remote.list_objects(remote_keys.encode_path(path))
        keys = (remote_keys.parse_key(item.name, path) for item in objects)
        return any(key is not None and key.content == now.digest for key in keys)

    def _save(self, path: ProjectPath, now: Fingerprint) -> bool:
        try:
            if not self._dry:
                self._store.save(files_below(self._root, path.normal) or [], now)
        except (GitSpacyError, OSError):
            return False
        return True


def _has_all(command: Command, digests: Digests) -> bool:
    return all(path.normal in digests for path in command.deps)


def _listed(entry: LockEntry | None, path: ProjectPath) -> str | None:
    """Return the md5 that the lock lists for an output."""

    return {out.path: out.md5 for out in entry.outs}.get(path.text) if entry else None


def nesting_batches(choices: list[PullChoice]) -> list[list[PullChoice]]:
    """Return lists of choices that can be fetched in parallel, outer paths before inner ones.

    Of two choices for the same path only the first is taken, since one would overwrite the other.
    """

    chosen = {choice.path.normal: choice for choice in reversed(choices)}
    batches: dict[int, list[PullChoice]] = {}
    for path, choice in sorted(chosen.items()):
        parts = path.split("/")
        depth = sum("/".join(parts[:length]) in chosen for length in range(1, len(parts)))
        batches.setdefault(depth, []).append(choice)
    return [batches[depth] for depth in sorted(batches)]


def choose_object(
    remote: Remote, path: ProjectPath, hashed: str, entry: LockEntry | None
) -> RemoteKey | None:
    """Return the object to fetch for an output of the command with this hash.

    That is the object recorded in the lock, or else the newest one; None if the remote has none.
    Raises ExternalError, OSError.
    """

    name = f"{remote_keys.encode_path(path)}/{hashed}"
    recorded = _listed(entry, path)
    candidates = [
        (key, item.modified)
        for item in remote.list_objects(name)
        if (key := remote_keys.parse_key(item.name, path)) and key.command == hashed
    ]
    if not candidates:
        return None
    best, _ = max(candidates, key=lambda pair: (pair[0].content == recorded, pair[1]))
    return best


def fetch_output(
    remote: Remote, root: Path, choice: PullChoice, transfers: TransferPool, limit: int
) -> PlacedOutput:
    """Fetch one object into a staging folder, verify it and move it into place.

    An md5 does not cover file names: without recorded names, only the content is verified. Raises
    ExternalError, Refused, OSError.
    """

    path, key, names = choice
    transfers.report(TransferStarted(path.text, None))
    with staging(root, path.normal) as staged:
        with remote.read(str(key)) as stream:
            reader = ProgressReader(
                stream, lambda count: transfers.report(TransferProgress(path.text, count))
            )
            now, identity = archive.unpack_verified(
                cast(BinaryIO, reader), root, path, staged, key.content, names=names, limit=limit
            )
        if now.size >= _SLOW_TO_HASH:
            time.sleep(2 * FINE_TICK / 1e9)  # then `remember_moved` has no doubt
        staged.commit()
    transfers.report(TransferFinished(path.text, now.size, "verified" if names else "md5 verified"))
    return PlacedOutput(path.normal, now, identity)


class ProgressReader:
    """A stream that reports how many bytes were read from it."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None]) -> None:
        self._stream = stream
        self._progress = progress
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        self._progress(self._done)
        return data
