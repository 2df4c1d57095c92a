"""`git spacy pull`: fetch outputs from a remote."""

from __future__ import annotations

import os

import click

from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext
from git_spacy.cli.remote_settings import REMOTE_SETTINGS

EXAMPLES = (
    ("git spacy pull", "Fetch outputs that others made from the same inputs."),
    ("git spacy pull training/model-best", "Fetch one output from the default remote."),
    ("git spacy pull --dry-run", "Show what could be fetched."),
)
SETTINGS = (*REMOTE_SETTINGS, "spacy.maxOutputSize", "spacy.allowOutside")


@click.command(cls=OverridingCommand)
@click.argument("names", nargs=-1, metavar="[REMOTE] [NAME]... [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Replace outputs that are recorded nowhere.")
@click.option("--dry", "--dry-run", is_flag=True, help="Only show what would be fetched.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N",
    help="Fetch up to N outputs at a time.",
)  # fmt: skip
@click.pass_obj
def pull(
    context: CommandContext, names: tuple[str, ...], force: bool, dry: bool, jobs: int
) -> None:
    """Fetch outputs from REMOTE instead of running commands.

    For each command, fetch the outputs that others produced from the same dependencies with the
    same script, verify them and add them to project.lock. For a dependency that is not present, the
    md5 in project.lock counts. REMOTE and NAME are chosen as for 'git spacy push'.

    An output that this clone made or fetched earlier is replaced; one that was edited is not.
    Exits with 1 if REMOTE does not have a named output, or none of the outputs.
    """

    from git_spacy.cli.progress import transfer_reporter
    from git_spacy.cli.transfers import parse_arguments, report_outcome
    from git_spacy.git.settings import number
    from git_spacy.storage.pull import pull as fetch

    transfer = parse_arguments(context, names)
    context, project = transfer.context, transfer.project
    with transfer.lock(write=True, dry=dry), transfer_reporter("pulled") as report:
        shared = context.run_context(project)
        outcome = fetch(
            project, context.root, transfer.remote, stats=shared.stats, store=context.cache(),
            environ=os.environ, report=report, record_result=shared.record_result,
            selection=transfer.selection, limit=number(context.settings, "spacy.maxOutputSize"),
            force=force, jobs=jobs, dry=dry,
        )  # fmt: skip
    report_outcome(transfer, outcome, "pulled", dry=dry)
