"""`git spacy jobs`: runs that were submitted to a cluster with `git spacy run --detach`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyGroup
from git_spacy.cli.context import CommandContext
from git_spacy.cli.remote_settings import REMOTE_SETTINGS
from git_spacy.errors import CheckFailed, ExternalError, Interrupted

if TYPE_CHECKING:
    from git_spacy.jobs.collect import Collected
    from git_spacy.jobs.order import JobDelivery
    from git_spacy.jobs.submitted_jobs import SubmittedJob
    from git_spacy.project.model import Project
    from git_spacy.storage.remote import Remote

EXAMPLES = (
    ("git spacy jobs list", "List the jobs that were submitted from this worktree."),
    ("git spacy jobs follow", "Print what the only job prints, until it ends."),
    ("git spacy jobs collect 3f", "Fetch the results of the job whose id starts with 3f."),
)
SETTINGS = (*REMOTE_SETTINGS, "spacy.maxOutputSize", "spacy.allowOutside")

_COLOURS = {
    "succeeded": "green", "collected": "green", "failed": "red", "stopped": "yellow",
    "forgotten": "red", "unreachable": "yellow",
}  # fmt: skip


@click.group(cls=SpacyGroup, invoke_without_command=True)
@click.pass_context
def jobs(ctx: click.Context) -> None:
    """List, follow, collect and stop the jobs that 'git spacy run --detach' submitted to a Ray
    cluster from this worktree.

    ID is the start of a job's id. It may be left out if there is only one job, or if all others
    have been collected. Without a subcommand, list the jobs.
    """

    if ctx.invoked_subcommand is None:
        ctx.invoke(list_jobs)


@jobs.command("list", short_help="List the submitted jobs and their states.")
@click.pass_obj
def list_jobs(context: CommandContext) -> None:
    """List the submitted jobs: id, state, command, commit, time and address."""

    from git_spacy.jobs.submitted_jobs import submitted_jobs

    found = submitted_jobs(context.root, output.diagnostic)
    if not found:
        output.message("no jobs; to submit one: git spacy run NAME --detach")
        return
    states = _states(found)
    rows = [(job.id, states[job.id], [_description(job)]) for job in found]
    output.result_painted(output.table(rows, _COLOURS))


@jobs.command(short_help="Print what a job prints, until it ends.")
@click.argument("id", required=False)
@click.pass_obj
def follow(context: CommandContext, id: str | None) -> int:
    """Print what a job has printed, and what it prints, until it ends. Ctrl-C ends only this
    command. Exits with 1 if the job has failed."""

    from git_spacy.jobs.jobs_api import JobsClient

    job = _find(context, id)
    client = JobsClient(job.address)
    try:
        for text in client.follow(job.id, time.sleep):
            sys.stdout.flush()
            output.script_output(text.encode("utf-8", "replace"))
        state = client.job(job.id)
    except Interrupted:
        output.message(f"Job {job.id} goes on. To stop it: git spacy jobs stop {job.id}")
        raise
    output.message(f"Job {job.id}: {state.status.lower()}")
    output.message(output.as_typed_here(f"hint: git spacy jobs collect {job.id}"))
    return 0 if state.status == "SUCCEEDED" else 1


@jobs.command(short_help="Fetch the results of a job.")
@click.argument("id", required=False)
@click.option("-F", "--force", is_flag=True, help="Replace outputs that were modified here.")
@click.pass_obj
def collect(context: CommandContext, id: str | None, force: bool) -> None:
    """Fetch the outputs of a job from the remote, verify them, and add its results to project.lock
    and its runs to the run history. A job that still runs has delivered what is complete.

    The results are recorded as the job has made them: if dependencies have changed here since it
    was submitted, its commands are stale. An output that was modified here is kept; then, and if
    the job has failed, the exit code is 1.
    """

    from git_spacy.jobs import collect as collecting
    from git_spacy.jobs.submitted_jobs import save_job
    from git_spacy.storage import remote as remotes

    job = _find(context, id)
    address = remotes.resolve_address(context.project, context.settings, job.remote)
    remote = remotes.open_remote(context.root, address)
    delivery = collecting.read_delivery(remote, job)
    if delivery is None:
        raise CheckFailed(
            f"job {job.id} has not delivered anything to '{remote.shown}' yet",
            hint=f"git spacy jobs follow {job.id}",
        )
    collected = _fetch(context, job, delivery, remote, force=force)
    runs = collecting.record_runs(context.root, job, delivery)
    left = collected.transfers.of_kind("kept", "missing")
    output.message(
        f"collected {len(collected.transfers.done)} outputs"
        f" of {len(collected.recorded)} commands; {runs} runs recorded"
    )
    if error := collected.transfers.error():
        raise error
    if left:
        names = ", ".join(f"'{skipped.path}'" for skipped in left)
        is_kept = any(skipped.kind == "kept" for skipped in left)
        hint = f"git spacy jobs collect {job.id} --force" if is_kept else ""
        raise CheckFailed(f"not collected: {names}", hint=hint)
    if delivery.exit is None:
        output.message(
            f"Job {job.id} had not finished when it delivered this; to see: git spacy jobs follow"
            f" {job.id}"
        )
        return
    save_job(context.root, job._replace(exit=delivery.exit))
    if delivery.exit:
        raise CheckFailed(
            f"job {job.id} failed with exit code {delivery.exit}",
            hint=f"git spacy jobs follow {job.id}",
        )


@jobs.command(short_help="Stop a job.")
@click.argument("id", required=False)
@click.pass_obj
def stop(context: CommandContext, id: str | None) -> None:
    """Stop a job. It ends its scripts and delivers what is complete, for which it has a minute."""

    from git_spacy.jobs.jobs_api import JobsClient

    job = _find(context, id)
    client = JobsClient(job.address)
    state = client.job(job.id)
    if state.has_ended:
        output.message(f"job {job.id} has already ended: {state.status.lower()}")
        return
    client.stop(job.id)
    output.message(f"asked the cluster to stop job {job.id}")
    output.message(output.as_typed_here(f"hint: git spacy jobs collect {job.id}"))


def _find(context: CommandContext, id: str | None) -> SubmittedJob:
    from git_spacy.jobs.submitted_jobs import find_job

    return find_job(context.root, id, output.diagnostic)


def _states(found: list[SubmittedJob]) -> dict[str, str]:
    """Return the state of each job by its id; ask each cluster that is not reached only once."""

    from git_spacy.jobs.jobs_api import JobsClient, UnknownJob

    states = {}
    unreachable: set[str] = set()
    for job in found:
        if job.exit is not None:
            states[job.id] = "collected"
        elif job.address in unreachable:
            states[job.id] = "unreachable"
        else:
            try:
                states[job.id] = JobsClient(job.address).job(job.id).status.lower()
            except UnknownJob:
                states[job.id] = "forgotten"
            except ExternalError as error:
                unreachable.add(job.address)
                states[job.id] = "unreachable"
                output.diagnostic(error.problems[0]._replace(severity="warning"))
    return states


def _description(job: SubmittedJob) -> str:
    """Return e.g. `run all on 3f2a9c0 with changes, since 2026-11-27 19:12, http://…`."""

    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.submitted))
    commit = f" on {job.base.commit[:7]}" if job.base.commit else ""
    changes = " with changes" if job.base.dirty else ""
    return f"{job.typed}{commit}{changes}, since {since}, {job.address}"


def _fetch(
    context: CommandContext, job: SubmittedJob, delivery: JobDelivery, remote: Remote, *,
    force: bool,
) -> Collected:  # fmt: skip
    """Fetch the outputs that a job has delivered, while no other process uses them."""

    from git_spacy.cli.progress import transfer_reporter
    from git_spacy.git.settings import number
    from git_spacy.jobs.collect import collect_outputs
    from git_spacy.state.run_lock import claim_files

    project = _project_of(context.with_variables(job.variables), delivery)
    commands = [command for command in project.commands if command.name in delivery.entries]
    claims = claim_files(context.root, commands, write=True)
    with context.lock(claims), transfer_reporter("collected") as report:
        return collect_outputs(
            project, context.run_context(project), remote, context.cache(), delivery, report,
            output.diagnostic, limit=number(context.settings, "spacy.maxOutputSize"), force=force,
        )  # fmt: skip


def _project_of(context: CommandContext, delivery: JobDelivery) -> Project:
    """Return the project as the job had it, with the variants that it has delivered."""

    from git_spacy.project.matrix import with_variants

    return with_variants(context.project, context.data, delivery.entries)
