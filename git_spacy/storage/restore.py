"""Outputs as they were at a commit, from what is kept and what is noted. Runs nothing.

Only outputs that the project of that commit declares are restored. What Git tracks, and what is
kept nowhere else, is not replaced, unless it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.errors import GitSpacyError, LocalFailure, local_failure
from git_spacy.files import recover, staging
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint, fingerprint
from git_spacy.state.lock_history import LockHistory
from git_spacy.state.tracked_paths import TrackedPaths
from git_spacy.storage.recorded_names import RecordedNames
from git_spacy.storage.run_cache import OutputSource, stage_output


class WantedOutput(NamedTuple):
    """An output of a command as it was: its md5, and the digest of the names in it, if known."""

    command: str
    path: ProjectPath
    digest: str
    names: str | None


class RestoreResult(NamedTuple):
    """What became of one: `skipped` (already present), `restored`, `missing` (no copy was found),
    `refused` (what is there would be lost), `failed`; with why, or where from."""

    wanted: WantedOutput
    state: Literal["skipped", "restored", "missing", "refused", "failed"]
    why: str = ""
    error: GitSpacyError | None = None


def wanted_outputs(recalled: LockHistory, recorded: RecordedNames) -> Iterator[WantedOutput]:
    """The declared outputs that are known of a commit."""

    for name, known in recalled.entries.items():
        of_names = {out.path: out.names for out in known.record.outs} if known.record else {}
        declared = _declared(recalled, name)
        for out in known.entry.outs:
            if out.md5 and out.path in declared:
                path = declared[out.path]
                names = of_names.get(out.path)
                if names is None and len(others := recorded.digests(name, path, out.md5)) == 1:
                    (names,) = others
                yield WantedOutput(name, path, out.md5, names)


def undeclared(recalled: LockHistory) -> Iterator[tuple[str, str]]:
    """(command, path) of what a lock or a record calls an output, and the project does not."""

    for name, known in recalled.entries.items():
        declared = _declared(recalled, name)
        yield from ((name, out.path) for out in known.entry.outs if out.path not in declared)


def _declared(recalled: LockHistory, name: str) -> dict[str, ProjectPath]:
    command = recalled.project.command(name)
    return {path.text: path for path in command.produced} if command else {}


def restore(
    root: Path, source: OutputSource, outputs: Iterable[WantedOutput], *, force: bool = False
) -> Iterator[RestoreResult]:
    """Put each of `outputs` in place; with `force` also over what Git tracks, or would be lost.
    Raises Unavailable where git fails."""

    outputs = tuple(outputs)
    in_git = TrackedPaths.open(root)
    tracked = in_git.tracked(one.path for one in outputs) if in_git else set()
    for one in outputs:
        try:
            yield _restored(root, source, one, tracked, force=force)
        except OSError as error:
            failure = local_failure(error, f"'{one.path}'")
            yield RestoreResult(one, "failed", failure.problems[0].message, failure)
        except GitSpacyError as error:
            yield RestoreResult(one, "failed", error.problems[0].message, error)


def _restored(
    root: Path, source: OutputSource, one: WantedOutput, tracked: Collection[str], *, force: bool
) -> RestoreResult:
    recover(root, one.path.normal)
    now = fingerprint(root, one.path.normal)
    if now and now.digest == one.digest and one.names in (None, now.names):
        return RestoreResult(one, "skipped", "already present")
    with staging(root, one.path.normal) as staged:
        where = stage_output(source, root, one.path, staged, one.digest, one.names, None)
        if where is None:
            return RestoreResult(one, "missing", "neither the local cache nor a remote has it")
        why = "" if force else _protected(root, source, one.path, now, tracked)
        if why:
            return RestoreResult(one, "refused", f"{why}; --force replaces it")
        staged.commit()
    return RestoreResult(one, "restored", where)


def _protected(
    root: Path,
    source: OutputSource,
    path: ProjectPath,
    now: Fingerprint | None,
    tracked: Collection[str],
) -> str:
    """Why what is there may not be replaced; "" if it may."""

    if now is None:
        is_there = os.path.lexists(os.path.join(root, path.normal))
        return "a link is there that leads nowhere" if is_there else ""
    if path.normal in tracked:
        return "Git tracks what is there"
    if now.is_empty or source.store.has_intact(now):
        return ""
    return "the present content has no other copy"


def failure(found: Iterable[RestoreResult]) -> GitSpacyError | None:
    """The first thing that failed, as an error."""

    return next(
        (one.error or LocalFailure(one.why) for one in found if one.state == "failed"), None
    )
