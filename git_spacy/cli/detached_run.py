"""`git spacy run --detach`: submit a run as a job of a cluster."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput
from git_spacy.project.model import Command

_FLAGS = ("force", "upstream", "keep_going")


def run_arguments(options: Mapping[str, Any]) -> list[str]:
    """Return the arguments of `git spacy run` on the cluster, from the options of the one here.

    Raises UsageError for options that a job does not support.
    """

    if options["executor"] == "local":
        raise click.UsageError("--detach needs a cluster: --executor ray, or no --executor")
    for name, option in (("axes", "--matrix"), ("search", "--search")):
        if options[name]:
            raise click.UsageError(
                f"--detach does not support {option}; submit one job per variant"
            )
    arguments = [*options["names"]]
    arguments += [f"--{name.replace('_', '-')}" for name in _FLAGS if options[name]]
    if options["jobs"]:
        arguments += ["--jobs", str(options["jobs"])]
    if options["output_format"] != "prefix":
        arguments += ["--output", options["output_format"]]
    return arguments


def submit_run(
    context: CommandContext,
    commands: Sequence[Command],
    stale: Collection[str],
    arguments: Sequence[str],
    url: str,
) -> None:
    """Submit the commands as a job to the Jobs API at `url`; print its id and what to do next."""

    from git_spacy.jobs.jobs_api import JobsClient
    from git_spacy.jobs.submit import JobRequest, submit
    from git_spacy.project.matrix import with_commands

    if not stale:
        output.message("nothing to submit: all commands are up to date")
        return
    remote = _remote(context)
    options = overrides.as_options(context.variables)
    words = ("run", *arguments, *options)
    request = JobRequest(
        commands, stale, (*arguments, *options), context.variables, shlex.join(words)
    )
    project = with_commands(context.project, commands)
    job = submit(project, context.root, request, JobsClient(url), url, remote, os.environ)
    output.result(job.id)
    output.message(
        f"Submitted job {job.id} to {url}; this machine is not needed until it is collected.\n"
        + output.as_typed_here(
            f"hint: git spacy jobs follow {job.id}\nhint: git spacy jobs collect {job.id}"
        )
    )


def _remote(context: CommandContext) -> Any:
    """Return the address of the default remote, which carries the project there and the results
    back. Raises InvalidInput without one."""

    from git_spacy.storage.remote import resolve_address

    try:
        return resolve_address(context.project, context.settings, None)
    except InvalidInput:
        raise InvalidInput(
            "a job needs a remote, where it leaves its results: a bucket, or a folder that this "
            "machine and the cluster share",
            file="project.yml",
            hint="git config spacy.remote.default.url s3://BUCKET/FOLDER",
        ) from None
