"""Fetch outputs from a remote: of each command whose dependencies are here, the newest that fit.

What is fetched may be what another command needs, so it goes in rounds, until there is nothing more
to fetch. Everything is verified before it takes its place.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_spacy.files import recover, staging
from git_spacy.project.graph import PathIndex
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state import lock, worktree_status
from git_spacy.state.hashing import fingerprint
from git_spacy.state.lock import LockEntry
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

_SPARE = 64 << 20  # bytes of a disk that are left alone

RecordResult = Callable[[Command, Observed], None]


class PullChoice(NamedTuple):
    """An object to fetch for an output, and the digests of file names that are recorded for it."""

    path: ProjectPath
    key: RemoteKey
    names: frozenset[str] = frozenset()


def pull(
    project: Project, root: Path, remote: Remote, *, stats: StatCache,
    environ: Mapping[str, str], report: TransferReporter, record_result: RecordResult,
    limit: int = 0, force: bool = False, jobs: int = JOBS,
) -> TransferOutcome:  # fmt: skip
    """Fetch what is not here; with `force` also what is here but stale. `enter` is called with each
    command all of whose outputs are here then, and what was seen. At most `limit` bytes of an
    output (0: as many as the disk has room for).

    Raises Malformed for project.lock, Unsafe for a path that leads out of the project, OSError.
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
    """One pull: what is known and done so far."""

    def __init__(
        self, project: Project, root: Path, remote: Remote, stats: StatCache,
        environ: Mapping[str, str], transfers: TransferPool, enter: RecordResult, limit: int,
        force: bool,
    ) -> None:  # fmt: skip
        self.project, self.root, self.remote, self.stats = project, root, remote, stats
        self.environ, self.transfers, self.enter = environ, transfers, enter
        self.limit, self.force = limit, force
        self.entries = lock.read(root)
        self.recorded = RecordedNames(root, stats)
        self.fetched: list[PullChoice] = []
        self.skipped: list[tuple[str, str]] = []

    def pull_all(self) -> None:
        """Go in rounds, each with the commands whose dependencies are here and will stay so."""

        for command in self.project.commands:
            for path in command.outputs:
                recover(self.root, path.normal)  # a killed pull may have been about to
        makers = _makers(self.project)
        waiting = list(self.project.commands)
        while waiting:
            seen = self.stats.fingerprints(p for one in waiting for p in (*one.deps, *one.produced))
            ready = [one for one in waiting if all(seen[dep.normal] for dep in one.deps)]
            # (others may lie within a folder whose maker lacks something for good)
            names = {one.name for one in waiting}
            ready = [one for one in ready if not makers[one.name] & names] or ready
            if not ready:
                break
            names -= {one.name for one in ready}
            waiting = [one for one in waiting if one.name in names]
            self._round(ready, seen)
        for command in waiting:
            for path in command.outputs:
                self._skip(path, f"dependencies of '{command.name}' are missing")

    def _round(self, ready: list[Command], seen: Observed) -> None:
        choices: list[PullChoice] = []
        judged = []
        for command in ready:
            is_fresh = _is_fresh(self.project, command, self.entries, self.stats, self.environ)
            if is_fresh:
                for path in command.outputs:
                    self._skip(path, "already present")
                continue
            hashed = command_hash(self.project, command, seen, self.environ)
            lacking = [path for path in command.outputs if not self._is_right(path, hashed, seen)]
            chosen = [self._choice(command, path, hashed) for path in lacking]
            found = [choice for choice in chosen if choice]
            choices += found
            if len(found) == len(lacking) and self._may_enter(command, seen):
                judged.append((command, found))
        self._fetch(choices)
        for command, found in judged:
            if set(found) <= set(self.fetched):
                self.enter(command, self.stats.fingerprints(command.deps + command.produced))

    def _is_right(self, path: ProjectPath, hashed: str, seen: Observed) -> bool:
        """Whether what is here is what the remote has of it: a pull may have been killed."""

        now = seen[path.normal]
        if now is None or not self.remote.exists(str(remote_keys.key(path, hashed, now.digest))):
            return False
        self._skip(path, "already present")
        return True

    def _choice(self, command: Command, path: ProjectPath, hashed: str) -> PullChoice | None:
        if os.path.lexists(os.path.join(self.root, path.normal)) and not self.force:
            self._skip(path, "a different version is present; --force replaces it")
            return None
        key = chosen(self.remote, path, hashed, self.entries.get(command.name))
        if key is None:
            self._skip(
                path,
                "the remote has no version that matches the current dependencies of"
                f" '{command.name}'",
            )
            return None
        return PullChoice(path, key, self.recorded.digests(command.name, path, key.content))

    def _may_enter(self, command: Command, seen: Observed) -> bool:
        """Whether what the remote does not keep is here, too, and as it was recorded if it was."""

        entry = self.entries.get(command.name)
        recorded = {out.path: out.md5 for out in entry.outs} if entry else {}
        for path in command.outputs_no_cache:
            now = seen[path.normal]
            if now is None or recorded.get(path.text, now.digest) != now.digest:
                return False
        return True

    def _fetch(self, choices: list[PullChoice]) -> None:
        for batch in _apart(choices):
            self.transfers.run_all((one.path.text, partial(self._bring, one)) for one in batch)

    def _bring(self, choice: PullChoice) -> None:
        fetch(self.remote, self.root, choice, self.transfers, self.limit)
        self.fetched.append(choice)

    def _skip(self, path: ProjectPath, why: str) -> None:
        self.skipped.append((path.text, why))
        self.transfers.report(TransferSkipped(path.text, why))


def _apart(choices: list[PullChoice]) -> list[list[PullChoice]]:
    """Those to fetch at the same time, one list after the other: first what holds others. Of two
    for the same path the first is enough: one would overwrite the other."""

    chosen = {choice.path.normal: choice for choice in reversed(choices)}
    batches: dict[int, list[PullChoice]] = {}
    for path, choice in sorted(chosen.items()):
        parts = path.split("/")
        above = sum("/".join(parts[:depth]) in chosen for depth in range(1, len(parts)))
        batches.setdefault(above, []).append(choice)
    return [batches[above] for above in sorted(batches)]


def _makers(project: Project) -> dict[str, set[str]]:
    """By the name of each command, those that make what it needs."""

    made = PathIndex((path, one.name) for one in project.commands for path in one.outputs)
    return {
        one.name: {name for dep in one.deps for _, name in made.touching(dep)} - {one.name}
        for one in project.commands
    }


def _is_fresh(
    project: Project, command: Command, entries: Mapping[str, LockEntry], stats: StatCache,
    environ: Mapping[str, str],
) -> bool:  # fmt: skip
    plain = command._replace(no_skip=False)
    judged, _ = worktree_status.judge(project, plain, entries.get(command.name), stats, environ)
    return judged.state == "up_to_date"


def chosen(
    remote: Remote, path: ProjectPath, hashed: str, entry: LockEntry | None
) -> RemoteKey | None:
    """The object to have for an output of the command with this hash: the one that the lock has, if
    the remote has it, else the newest. Raises Unavailable, OSError."""

    name = f"{remote_keys.name_of(path)}/{hashed}"
    recorded = {out.path: out.md5 for out in entry.outs}.get(path.text) if entry else None
    found = [
        (key, one) for one in remote.below(name) if (key := remote_keys.parsed(one.name, path))
    ]
    found = [(key, one) for key, one in found if key.command == hashed]
    if not found:
        return None
    best, _ = max(found, key=lambda pair: (pair[0].content == recorded, pair[1].modified))
    return best


def fetch(
    remote: Remote, root: Path, choice: PullChoice, transfers: TransferPool, limit: int
) -> None:
    """Bring one object: beside its place, verified, and then there. An md5 does not tell the names
    of files, so without recorded ones only the content is verified. Raises Unavailable, Unsafe,
    OSError."""

    path, key, names = choice
    transfers.report(TransferStarted(path.text, None))
    with staging(root, path.normal) as staged:
        room = max(shutil.disk_usage(root).free - _SPARE, 0)
        with remote.read(str(key)) as stream:
            heard = ProgressReader(
                stream, lambda count: transfers.report(TransferProgress(path.text, count))
            )
            archive.unpack(cast(BinaryIO, heard), path, staged, limit or sys.maxsize, room)
        now = archive.verified(path, fingerprint(root, staged.relative), key.content, names)
        staged.commit()
    transfers.report(TransferFinished(path.text, now.size, "verified" if names else "md5 verified"))


class ProgressReader:
    """A stream that tells how much of it was read."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None]) -> None:
        self._stream = stream
        self._progress = progress
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        self._progress(self._done)
        return data
