"""Fetch outputs from a remote: for each command, those that match its present dependencies.

A fetched output may be a dependency of another command, so commands are pulled in rounds until
nothing more can be fetched. Every output is verified before it replaces anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_spacy.files import recover, staging
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state import worktree_status
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.storage import archive, remote_keys
from git_spacy.storage.events import (
    TransferFinished,
    TransferProgress,
    TransferReporter,
    TransferSkipped,
    TransferStarted,
)
from git_spacy.storage.push import command_hash
from git_spacy.storage.recorded_names import RecordedNames
from git_spacy.storage.remote import Remote
from git_spacy.storage.remote_keys import RemoteKey
from git_spacy.storage.transfer_pool import JOBS, TransferOutcome, TransferPool

RecordResult = Callable[[Command, Observed], None]


class PullChoice(NamedTuple):
    """The object to fetch for an output, and the recorded digests of its file names."""

    path: ProjectPath
    key: RemoteKey
    names: frozenset[str] = frozenset()


def pull(
    project: Project, root: Path, remote: Remote, *, stats: StatCache,
    environ: Mapping[str, str], report: TransferReporter, record_result: RecordResult,
    limit: int = 0, force: bool = False, jobs: int = JOBS,
) -> TransferOutcome:  # fmt: skip
    """Fetch missing outputs; with `force` also replace stale ones.

    `record_result` is called with each command whose outputs are complete after that, and with the
    fingerprints of its dependencies and outputs. An output may have at most `limit` bytes (0: as
    many as fit on the disk).

    Raises InvalidInput for project.lock, Refused for a path outside the project, OSError.
    """

    work = _Pull(
        project,
        root,
        remote,
        stats,
        environ,
        TransferPool(report, jobs),
        record_result,
        limit,
        force,
    )
    work.pull_all()
    stats.save()
    done = tuple(choice.path.text for choice in work.fetched)
    return TransferOutcome(done, tuple(work.skipped), tuple(work.transfers.failed))


class _Pull:
    """The state of one pull."""

    def __init__(
        self, project: Project, root: Path, remote: Remote, stats: StatCache,
        environ: Mapping[str, str], transfers: TransferPool,
        record_result: RecordResult, limit: int, force: bool,
    ) -> None:  # fmt: skip
        self.project, self.root, self.remote, self.stats = project, root, remote, stats
        self.environ, self.transfers, self.record_result = environ, transfers, record_result
        self.limit, self.force = limit, force
        self.entries = lock_format.read(root)
        self.recorded = RecordedNames(root, stats)
        self.fetched: list[PullChoice] = []
        self.skipped: list[tuple[str, str]] = []

    def pull_all(self) -> None:
        """Pull in rounds, each with the commands whose dependencies are present and final."""

        for command in self.project.commands:
            for path in command.outputs:
                recover(
                    self.root, path.normal
                )  # a pull may have been killed while it replaced the output
        upstream = DependencyGraph(self.project.commands).upstream_names()
        waiting = list(self.project.commands)
        while waiting:
            seen = self.stats.fingerprints(
                path for command in waiting for path in (*command.deps, *command.produced)
            )
            present = [
                command for command in waiting if all(seen[dep.normal] for dep in command.deps)
            ]
            # Prefer commands without waiting upstream commands. If there are none, take all whose
            # dependencies are present: an upstream command may never become ready.
            names = {command.name for command in waiting}
            ready = [command for command in present if names.isdisjoint(upstream[command.name])]
            ready = ready or present
            if not ready:
                break
            names -= {command.name for command in ready}
            waiting = [command for command in waiting if command.name in names]
            self._pull_round(ready, seen)
        for command in waiting:
            for path in command.outputs:
                self._skip(path, f"dependencies of '{command.name}' are missing")

    def _pull_round(self, ready: list[Command], seen: Observed) -> None:
        choices: list[PullChoice] = []
        to_record = []
        for command in ready:
            if _is_up_to_date(self.project, command, self.entries, self.stats, self.environ):
                for path in command.outputs:
                    self._skip(path, "already present")
                continue
            hashed = command_hash(self.project, command, seen, self.environ)
            needed = [
                path for path in command.outputs if not self._matches_remote(path, hashed, seen)
            ]
            available = [
                choice for path in needed if (choice := self._choose(command, path, hashed))
            ]
            choices += available
            if len(available) == len(needed) and self._may_record(command, seen):
                to_record.append((command, available))
        self._fetch_all(choices)
        for command, available in to_record:
            if set(available) <= set(self.fetched):
                self.record_result(
                    command, self.stats.fingerprints(command.deps + command.produced)
                )

    def _matches_remote(self, path: ProjectPath, hashed: str, seen: Observed) -> bool:
        """Return whether the remote has the present output, e.g. because a pull was killed."""

        current = seen[path.normal]
        if current is None or not self.remote.exists(
            str(remote_keys.make_key(path, hashed, current.digest))
        ):
            return False
        self._skip(path, "already present")
        return True

    def _choose(self, command: Command, path: ProjectPath, hashed: str) -> PullChoice | None:
        if os.path.lexists(os.path.join(self.root, path.normal)) and not self.force:
            self._skip(path, "a different version is present; --force replaces it")
            return None
        key = choose_object(self.remote, path, hashed, self.entries.get(command.name))
        if key is None:
            self._skip(
                path,
                "the remote has no version that matches the current dependencies of"
                f" '{command.name}'",
            )
            return None
        return PullChoice(path, key, self.recorded.digests(command.name, path, key.content))

    def _may_record(self, command: Command, seen: Observed) -> bool:
        """Return whether the outputs that are not in the remote are present and as recorded."""

        entry = self.entries.get(command.name)
        recorded = {out.path: out.md5 for out in entry.outs} if entry else {}
        for path in command.outputs_no_cache:
            current = seen[path.normal]
            if current is None or recorded.get(path.text, current.digest) != current.digest:
                return False
        return True

    def _fetch_all(self, choices: list[PullChoice]) -> None:
        for batch in _nesting_batches(choices):
            self.transfers.run_all(
                (choice.path.text, partial(self._fetch_one, choice)) for choice in batch
            )

    def _fetch_one(self, choice: PullChoice) -> None:
        fetch_output(self.remote, self.root, choice, self.transfers, self.limit)
        self.fetched.append(choice)

    def _skip(self, path: ProjectPath, why: str) -> None:
        self.skipped.append((path.text, why))
        self.transfers.report(TransferSkipped(path.text, why))


def _nesting_batches(choices: list[PullChoice]) -> list[list[PullChoice]]:
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


def _is_up_to_date(
    project: Project, command: Command, entries: Mapping[str, LockEntry], stats: StatCache,
    environ: Mapping[str, str],
) -> bool:  # fmt: skip
    plain = command._replace(no_skip=False)
    judged, _ = worktree_status.judge(project, plain, entries, stats, environ)
    return judged.state == "up_to_date"


def choose_object(
    remote: Remote, path: ProjectPath, hashed: str, entry: LockEntry | None
) -> RemoteKey | None:
    """Return the object to fetch for an output of the command with this hash.

    That is the object recorded in the lock, or else the newest one; None if the remote has none.
    Raises ExternalError, OSError.
    """

    name = f"{remote_keys.encode_path(path)}/{hashed}"
    recorded = {out.path: out.md5 for out in entry.outs}.get(path.text) if entry else None
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
) -> None:
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
            now = archive.unpack_verified(
                cast(BinaryIO, reader), root, path, staged, key.content, names=names, limit=limit
            )
        staged.commit()
    transfers.report(TransferFinished(path.text, now.size, "verified" if names else "md5 verified"))


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
