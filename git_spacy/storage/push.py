"""Push outputs that match the lock to a remote, unless they are present there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_spacy import sharing
from git_spacy.files import is_alive
from git_spacy.git.state_dir import state_dir
from git_spacy.lock import lock_format
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.variables import fill_environment
from git_spacy.state import worktree_status
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.state.verdict import Verdict
from git_spacy.storage import archive, remote_keys
from git_spacy.storage.events import (
    SkipKind,
    TransferFinished,
    TransferPlanned,
    TransferProgress,
    TransferReporter,
    TransferSkipped,
    TransferStarted,
)
from git_spacy.storage.remote import Remote
from git_spacy.storage.remote_keys import RemoteKey
from git_spacy.storage.selection import OutputSelection, all_outputs
from git_spacy.storage.transfer_pool import JOBS, TransferOutcome, TransferPool


class _PushOutput(NamedTuple):
    """An output of `command` to push."""

    command: str
    path: ProjectPath
    key: RemoteKey
    size: int


def push(
    project: Project, root: Path, remote: Remote, *, stats: StatCache,
    environ: Mapping[str, str], report: TransferReporter, selection: OutputSelection | None = None,
    force: bool = False, jobs: int = JOBS, dry: bool = False,
) -> TransferOutcome:  # fmt: skip
    """Push the selected outputs of all commands that are up to date (by default, all outputs).

    With `force`, also push those present there. If `dry`, only report what would be pushed. All
    outputs are checked before the first is sent. Raises Refused for a path outside the project that
    the user did not allow, InvalidInput for project.lock and for a remote that cannot be created,
    OSError.
    """

    selection = selection or all_outputs(project)
    skipped: list[TransferSkipped] = []
    wanted: dict[RemoteKey, _PushOutput] = {}
    entries = lock_format.read(root)
    for command in project.commands:
        if not selection.outputs_of(command):
            continue
        # without no_skip, which would make every such command run always
        plain = command._replace(no_skip=False)
        judged, seen = worktree_status.judge(project, plain, entries, stats, environ)
        for path in selection.outputs_of(command):
            now = seen[path.normal]
            absent = stats.not_checked_out(path.normal)
            if now and judged.state == "up_to_date" and not now.is_empty and not absent:
                hashed = command_hash(root, project, command, seen, environ)
                key = remote_keys.make_key(path, hashed, now.digest)
                wanted[key] = _PushOutput(command.name, path, key, now.size)
            else:
                skipped.append(_not_pushed(command, path, None if absent else now, judged))
    stats.save()
    for output in wanted.values():
        archive.check_sendable(root, output.path)
    transfers = TransferPool(report, jobs)
    for event in skipped:
        transfers.report(event)
    done: list[str] = []

    def send(output: _PushOutput) -> None:
        if not force and remote.exists(str(output.key)):
            event = TransferSkipped(output.path.text, "already present", "present", output.command)
            skipped.append(event)
            transfers.report(event)
            return
        if dry:
            done.append(output.path.text)
            transfers.report(TransferPlanned(output.path.text, output.size))
            return
        transfers.report(TransferStarted(output.path.text, output.size))
        with remote.create(str(output.key), scratch) as stream:
            progress = _progress(output, transfers)
            archive.pack(root, output.path, output.key.content, stream, progress)
        done.append(output.path.text)
        transfers.report(TransferFinished(output.path.text, output.size, ""))

    if wanted and not dry:
        remote.check_before_push()
    with nullcontext(root) if dry else _scratch_folder(root) as scratch:
        transfers.run_all((output.path.text, partial(send, output)) for output in wanted.values())
    return TransferOutcome(tuple(done), tuple(skipped), tuple(transfers.failed))


def _not_pushed(
    command: Command, path: ProjectPath, now: Fingerprint | None, verdict: Verdict
) -> TransferSkipped:
    kind: SkipKind
    if now is None:
        kind, reason = "missing", f"not present; '{command.name}' produces it"
    elif verdict.state == "up_to_date":
        kind, reason = "empty", "contains no files"
    else:
        kind, reason = "stale", f"'{command.name}' is not up to date: {verdict.reasons[0]}"
    return TransferSkipped(path.text, reason, kind, command.name)


def command_hash(
    root: Path, project: Project, command: Command, seen: Observed, environ: Mapping[str, str]
) -> str:
    """Return the hash of `command` in a remote. All its dependencies must be present."""

    digests = {path: now.digest for path, now in seen.items() if now is not None}
    return hash_with_digests(root, project, command, digests, environ)


def hash_with_digests(
    root: Path, project: Project, command: Command, digests: Mapping[str, str],
    environ: Mapping[str, str],
) -> str:  # fmt: skip
    """Return the hash of `command` in a remote if its dependencies have these md5s."""

    deps = [(path, digests[path.normal]) for path in command.deps if path.normal in digests]
    script = (fill_environment(line, project.environment, environ) for line in command.script)
    return remote_keys.command_hash(root, deps, script)


@contextmanager
def _scratch_folder(root: Path) -> Iterator[Path]:
    """Yield a folder for archives that a remote takes as a whole, and remove it afterwards, even if
    a transfer still uses it."""

    folder = state_dir(root) / "push"
    sharing.make_folders(folder)
    for abandoned in folder.iterdir():  # by pushes that were killed
        owner = abandoned.name.partition("-")[0]
        if not (owner.isdigit() and is_alive(int(owner))):
            shutil.rmtree(abandoned, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp("", f"{os.getpid()}-", folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _progress(output: _PushOutput, transfers: TransferPool) -> archive.Progress:
    """Return a function that adds up the bytes that were read from an output, and reports them."""

    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        transfers.report(TransferProgress(output.path.text, done))

    return progress
