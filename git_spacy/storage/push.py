"""Send outputs to a remote: those that are what the lock says, and only what is not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_spacy import sharing
from git_spacy.files import is_alive
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.variables import fill_environment
from git_spacy.state import lock, worktree_status
from git_spacy.state.stat_cache import Observed, StatCache, state_dir
from git_spacy.storage import archive, remote_keys
from git_spacy.storage.events import (
    TransferFinished,
    TransferProgress,
    TransferReporter,
    TransferSkipped,
    TransferStarted,
)
from git_spacy.storage.remote import Remote
from git_spacy.storage.remote_keys import RemoteKey
from git_spacy.storage.transfer_pool import JOBS, TransferOutcome, TransferPool


class _PushOutput(NamedTuple):
    """One that may be sent."""

    path: ProjectPath
    key: RemoteKey
    size: int


def push(
    project: Project, root: Path, remote: Remote, *, stats: StatCache,
    environ: Mapping[str, str], report: TransferReporter, force: bool = False, jobs: int = JOBS,
) -> TransferOutcome:  # fmt: skip
    """Send the outputs of all commands that are up to date. With `force` what is there is sent
    again.

    Everything is looked at before anything is sent: raises Unsafe for a path that leads out of the
    project, Malformed for project.lock, OSError.
    """

    skipped: list[tuple[str, str]] = []
    wanted: dict[RemoteKey, _PushOutput] = {}
    entries = lock.read(root)
    for command in project.commands:
        # (what always runs has results all the same)
        plain = command._replace(no_skip=False)
        judged, seen = worktree_status.judge(
            project, plain, entries.get(command.name), stats, environ
        )
        for path in command.outputs:
            now = seen[path.normal]
            if judged.state != "up_to_date" or now is None:
                why = str(judged.reasons[0]) if judged.reasons else "output is missing"
                skipped.append((path.text, f"'{command.name}' is not up to date: {why}"))
            elif now.is_empty:
                skipped.append((path.text, "contains no files"))
            else:
                hashed = command_hash(project, command, seen, environ)
                key = remote_keys.key(path, hashed, now.digest)
                wanted[key] = _PushOutput(path, key, now.size)
    stats.save()
    transfers = TransferPool(report, jobs)
    for text, why in skipped:
        transfers.report(TransferSkipped(text, why))
    done: list[str] = []

    def send(one: _PushOutput) -> None:
        if not force and remote.exists(str(one.key)):
            skipped.append((one.path.text, "already present"))
            transfers.report(TransferSkipped(one.path.text, "already present"))
            return
        transfers.report(TransferStarted(one.path.text, one.size))
        with _packed(root, one, folder, transfers) as file:
            remote.write(str(one.key), file)
        done.append(one.path.text)
        transfers.report(TransferFinished(one.path.text, one.size, ""))

    with _workplace(root) as folder:
        transfers.run_all((one.path.text, partial(send, one)) for one in wanted.values())
    return TransferOutcome(tuple(done), tuple(skipped), tuple(transfers.failed))


def command_hash(
    project: Project, command: Command, seen: Observed, environ: Mapping[str, str]
) -> str:
    """The hash that a remote knows `command` by, all of whose dependencies are there."""

    deps = [(path, now.digest) for path in command.deps if (now := seen[path.normal]) is not None]
    script = (fill_environment(line, project.environment, environ) for line in command.script)
    return remote_keys.command_hash(deps, script)


@contextmanager
def _workplace(root: Path) -> Iterator[Path]:
    """A folder for archives, gone after the block: also where a transfer still hangs in it."""

    folder = state_dir(root) / "push"
    sharing.make_folders(folder)
    for left in folder.iterdir():  # by pushes that were killed
        owner = left.name.partition("-")[0]
        if not (owner.isdigit() and is_alive(int(owner))):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp("", f"{os.getpid()}-", folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _packed(
    root: Path, output: _PushOutput, folder: Path, transfers: TransferPool
) -> Iterator[Path]:
    """The archive of an output in a temporary file: what is sent must have a length."""

    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        transfers.report(TransferProgress(output.path.text, done))

    with tempfile.NamedTemporaryFile(dir=folder) as stream:
        to = cast(BinaryIO, stream)
        archive.pack(root, output.path, output.key.content, to, progress)
        stream.flush()
        yield Path(stream.name)
