"""Collect what a job has delivered to the remote: outputs, entries of project.lock, run records.

The job says what it did with the files that it was submitted with, so this is what gets recorded,
whatever has changed here since. Only outputs that project.yml declares are written, each is
verified, and none that was modified here is replaced unless that is forced.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Diagnostic, Warn, warning
from git_spacy.git.repository import Repository
from git_spacy.history import run_history
from git_spacy.history.run_record import RunRecord, to_line
from git_spacy.jobs import order as orders
from git_spacy.jobs.order import JobDelivery
from git_spacy.jobs.submitted_jobs import SubmittedJob
from git_spacy.lock.lock_format import LockEntry, match_format
from git_spacy.project.model import Command, Project
from git_spacy.run.run_context import RunContext
from git_spacy.state.results import refresh_entry
from git_spacy.state.stat_cache import Observed
from git_spacy.storage.cache_store import CacheStore
from git_spacy.storage.events import TransferReporter
from git_spacy.storage.pull_recorded import RecordedOutput, fetch_recorded
from git_spacy.storage.remote import Remote
from git_spacy.storage.transfer_pool import TransferOutcome


class Collected(NamedTuple):
    """What was collected: how outputs were transferred, and the commands that were recorded."""

    transfers: TransferOutcome
    recorded: tuple[str, ...]


def read_delivery(remote: Remote, job: SubmittedJob) -> JobDelivery | None:
    """Return what a job has delivered so far, None if it has not begun. Raises ExternalError."""

    name = orders.delivery_name(job.id)
    if not remote.exists(name):
        return None
    with remote.read(name) as stream:
        data = b""
        while len(data) <= orders.MAX_RESULT_BYTES and (chunk := stream.read(1 << 20)):
            data += chunk
    return orders.parse_delivery(data, job.id, job.key)


def record_runs(root: Path, job: SubmittedJob, delivery: JobDelivery) -> int:
    """Record the runs of a job on the commit that it was submitted on, but those that are recorded
    already; return their number. Raises GitSpacyError, OSError."""

    repository = Repository.discover(root)
    folder = run_history.project_folder(root, repository) if repository else ""
    known = {to_line(past) for past in run_history.all_records(root)} if repository else set()
    count = 0
    for record in delivery.records:
        variants = f"{record.command} --"
        if not any(name == record.command or name.startswith(variants) for name in job.commands):
            continue
        own = record._replace(project=folder, tree=job.base.tree, dirty=job.base.dirty)
        if to_line(own) not in known:
            run_history.queue_record(root, job.base.commit, own)
            count += 1
    run_history.flush_pending(root)
    return count


def collect_outputs(
    project: Project, context: RunContext, remote: Remote, store: CacheStore,
    delivery: JobDelivery, report: TransferReporter, warn: Warn, *, limit: int, force: bool,
) -> Collected:  # fmt: skip
    """Fetch the outputs of a job, and record each command whose outputs are all present then.

    Raises Refused for a path outside the project, OSError, and InvalidInput or ExternalError for a
    remote that does not exist.
    """

    wanted: list[RecordedOutput] = []
    commands: list[tuple[Command, LockEntry]] = []
    for name, entry in delivery.entries.items():
        command = project.command(name)
        problem = _undeclared(command, entry)
        if command is None or problem:
            warn(problem or _no_command(name))
            continue
        commands.append((command, entry))
        wanted += _outputs(command, entry, delivery.records)
    transfers = fetch_recorded(
        project, context.root, remote, wanted, stats=context.stats, store=store, report=report,
        limit=limit, force=force,
    )  # fmt: skip
    present = {*transfers.done, *(skipped.path for skipped in transfers.of_kind("present"))}
    recorded = []
    for command, entry in commands:
        if all(out.path in present for out in entry.outs):
            _record(command, entry, context)
            recorded.append(command.name)
    context.stats.save()
    return Collected(transfers, tuple(recorded))


def _no_command(name: str) -> Diagnostic:
    return warning(f"project.yml has no command '{name}' any more; its outputs are not collected")


def _undeclared(command: Command | None, entry: LockEntry) -> Diagnostic | None:
    """Return a warning if the job has produced other outputs than project.yml declares now."""

    if command is None:
        return None
    declared = {path.text for path in command.produced}
    others = [out.path for out in entry.outs if out.path not in declared]
    if not others and len(entry.outs) == len(declared):
        return None
    path = others[0] if others else min(declared - {out.path for out in entry.outs})
    verb = "has produced" if others else "has not produced"
    return warning(
        f"project.yml has changed: the job {verb} the output '{path}' of '{command.name}';"
        " its outputs are not collected",
        "to collect them, check out the commit that the job was submitted on",
    )


def _outputs(
    command: Command, entry: LockEntry, records: Iterable[RunRecord]
) -> Iterable[RecordedOutput]:
    paths = {path.text: path for path in command.produced}
    name = command.variant_of or command.name
    for out in entry.outs:
        if out.md5:
            names = {
                file.names
                for record in records
                if record.command == name
                for file in record.outs
                if (file.path, file.md5) == (out.path, out.md5)
            }
            yield RecordedOutput(command, paths[out.path], out.md5, frozenset(names))


def _record(command: Command, entry: LockEntry, context: RunContext) -> None:
    """Write the entry of the job. The stat cache only learns of files that still are as the entry
    says."""

    from git_spacy.run.interpreter import installed_version

    version = partial(installed_version, context.python, "spacy")
    entry = match_format(entry, context.lock.entries, version)
    observed = context.stats.fingerprints(command.deps + command.produced)
    listed = {item.path: item.md5 for item in (*entry.deps, *entry.outs)}
    same: Observed = {
        path.normal: now if (now := observed[path.normal]) and now.digest == listed.get(path.text)
        else None
        for path in command.deps + command.produced
    }  # fmt: skip
    if entry.script == command.script and all(same[path.normal] for path in command.deps):
        refresh_entry(command, entry, same, context.lock, context.stats)
    else:
        context.lock.put(entry)
