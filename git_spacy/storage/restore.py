"""Restore outputs as they were at a commit, from Git, the cache or a remote, without running
commands.

Only outputs that project.yml of that commit declares are restored. Files that Git tracks and
content without another copy are only replaced with --force.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.errors import GitSpacyError, LocalFailure, local_failure
from git_spacy.files import Staging, recover, staging
from git_spacy.git.repository import Repository
from git_spacy.history.lock_history import LockHistory
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint, fingerprint
from git_spacy.state.tracked_paths import TrackedPaths
from git_spacy.storage.git_copies import GitCopies
from git_spacy.storage.recorded_names import RecordedNames
from git_spacy.storage.run_cache import OutputSource, stage_output


class WantedOutput(NamedTuple):
    """An output to restore: its md5 ("" if only Git has it, and neither lock nor record), and the
    digest of its file names if known."""

    command: str
    path: ProjectPath
    digest: str
    names: str | None


class RestoreResult(NamedTuple):
    """The result for one output: `skipped` (already present), `restored`, `missing` (no copy was
    found), `refused` (present content would be lost) or `failed`, with the reason or the source."""

    wanted: WantedOutput
    state: Literal["skipped", "restored", "missing", "refused", "failed"]
    detail: str = ""
    error: GitSpacyError | None = None


def wanted_outputs(history: LockHistory, recorded: RecordedNames) -> Iterator[WantedOutput]:
    """Yield the outputs of a commit that are declared and whose content is known."""

    for name, known in history.entries.items():
        recorded_names = {out.path: out.names for out in known.record.outs} if known.record else {}
        declared = _declared_outputs(history, name)
        for out in known.entry.outs:
            if out.md5 and out.path in declared:
                path = declared[out.path]
                names = recorded_names.get(out.path)
                if names is None and len(others := recorded.digests(name, path, out.md5)) == 1:
                    (names,) = others
                yield WantedOutput(name, path, out.md5, names)


def copies_in_git(root: Path, repository: Repository, history: LockHistory) -> GitCopies:
    """Return the outputs of a commit's project that Git has in it. Raises ExternalError."""

    paths = dict.fromkeys(path for command in history.project.commands for path in command.produced)
    return GitCopies(root, repository, history.commit, paths)


def only_in_git(
    history: LockHistory, copies: GitCopies, wanted: Iterable[WantedOutput]
) -> Iterator[WantedOutput]:
    """Yield the outputs that Git has, but that are not `wanted`: no lock and no record lists
    them."""

    listed = {output.path.normal for output in wanted}
    for command in history.project.commands:
        for path in command.produced:
            if copies.has(path) and path.normal not in listed:
                listed.add(path.normal)
                yield WantedOutput(command.name, path, "", None)


def undeclared_outputs(history: LockHistory) -> Iterator[tuple[str, str]]:
    """Yield (command, path) of outputs in the lock or a record that are not declared."""

    for name, known in history.entries.items():
        declared = _declared_outputs(history, name)
        yield from ((name, out.path) for out in known.entry.outs if out.path not in declared)


def _declared_outputs(history: LockHistory, name: str) -> dict[str, ProjectPath]:
    command = history.project.command(name)
    return {path.text: path for path in command.produced} if command else {}


def restore(
    root: Path, source: OutputSource, copies: GitCopies, outputs: Iterable[WantedOutput], *,
    force: bool = False,
) -> Iterator[RestoreResult]:  # fmt: skip
    """Restore each of `outputs` and yield its result; with `force` also replace protected content.

    Protected are files that Git tracks and content without another copy. Raises ExternalError if
    git fails.
    """

    outputs = tuple(outputs)
    in_git = TrackedPaths.open(root)
    tracked = in_git.tracked(output.path for output in outputs) if in_git else set()
    for output in outputs:
        try:
            yield _restore_output(root, source, copies, output, tracked, force=force)
        except OSError as error:
            failure = local_failure(error, f"'{output.path}'")
            yield RestoreResult(output, "failed", failure.problems[0].message, failure)
        except GitSpacyError as error:
            yield RestoreResult(output, "failed", error.problems[0].message, error)


def _restore_output(
    root: Path,
    source: OutputSource,
    copies: GitCopies,
    output: WantedOutput,
    tracked: Collection[str],
    *,
    force: bool,
) -> RestoreResult:
    recover(root, output.path.normal)
    now = fingerprint(root, output.path.normal)
    if now and now.digest == output.digest and output.names in (None, now.names):
        return RestoreResult(output, "skipped", "already present")
    with staging(root, output.path.normal) as staged:
        origin, reason = _stage(root, source, copies, output, staged)
        if origin is None:
            return RestoreResult(output, "missing", reason)
        found = fingerprint(root, staged.relative) if not output.digest else None
        if now and found and (now.digest, now.names) == (found.digest, found.names):
            return RestoreResult(output, "skipped", "already present")
        refusal = "" if force else _refusal(root, source, output.path, now, tracked)
        if refusal:
            return RestoreResult(output, "refused", f"{refusal}; --force replaces it")
        staged.commit()
    return RestoreResult(output, "restored", origin)


def _stage(
    root: Path, source: OutputSource, copies: GitCopies, output: WantedOutput, staged: Staging
) -> tuple[str | None, str]:
    """Stage an output and return its source, or None and why it was not found.

    Git comes first, since it is local. What it has in place of the wanted content comes last.
    """

    reason = copies.stage(output.path, staged) if copies.has(output.path) else "not in Git"
    found = fingerprint(root, staged.relative) if not reason else None
    if found and output.digest in ("", found.digest):
        return "Git", ""
    staged.discard()
    if output.digest:
        names = output.names
        origin = stage_output(source, root, output.path, staged, output.digest, names, None)
        if origin is not None:
            return origin, ""
        staged.discard()
    if found and not copies.stage(output.path, staged):
        return "Git, which has another version than project.lock lists", ""
    where = "neither the local cache nor a remote has it"
    return None, where if reason == "not in Git" else f"{where}; {reason}"


def _refusal(
    root: Path,
    source: OutputSource,
    path: ProjectPath,
    now: Fingerprint | None,
    tracked: Collection[str],
) -> str:
    """Return why the present content must not be replaced, "" if it may be."""

    if now is None:
        exists = os.path.lexists(os.path.join(root, path.normal))
        return "the path is a broken link" if exists else ""
    if path.normal in tracked:
        return "the path is tracked by Git"
    if now.is_empty or source.store.has_intact(now):
        return ""
    return "the present content has no other copy"


def first_failure(results: Iterable[RestoreResult]) -> GitSpacyError | None:
    """Return the first failure as an error, None without one."""

    return next(
        (
            result.error or LocalFailure(result.detail)
            for result in results
            if result.state == "failed"
        ),
        None,
    )
