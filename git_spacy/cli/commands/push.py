"""`git spacy push`: send outputs to a remote."""

from __future__ import annotations

import os

import click

from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext
from git_spacy.cli.remote_settings import REMOTE_SETTINGS

EXAMPLES = (
    ("git spacy push", "Send up-to-date outputs to the default remote."),
    ("git spacy push s3://bucket/models", "Send outputs to an address."),
    ("git spacy push backup train", "Send the outputs of one command to a remote."),
    ("git spacy push --dry-run", "Show what is not pushed yet."),
)
SETTINGS = (*REMOTE_SETTINGS, "spacy.allowOutside")


@click.command(cls=OverridingCommand)
@click.argument("names", nargs=-1, metavar="[REMOTE] [NAME]... [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Send outputs even if REMOTE has them.")
@click.option("--dry", "--dry-run", is_flag=True, help="Only show what would be sent.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N",
    help="Send up to N outputs at a time.",
)  # fmt: skip
@click.pass_obj
def push(
    context: CommandContext, names: tuple[str, ...], force: bool, dry: bool, jobs: int
) -> None:
    """Send outputs to REMOTE: those of all commands that are up to date. Outputs that it already
    has are skipped.

    REMOTE is a name, a path or a URL such as s3://bucket/folder. Names are defined under 'remotes'
    in project.yml, or with 'git config spacy.remote.NAME.url'. The default is the remote
    named 'default'.

    Each NAME selects outputs: those of a workflow or a command, or the outputs at or below a path
    ('./NAME' is always a path). The default is all outputs. Exits with 1 if a named output is stale
    or missing, or if all outputs are.
    """

    from git_spacy.cli.progress import transfer_reporter
    from git_spacy.cli.transfers import parse_arguments, report_outcome
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage.push import push as send

    transfer = parse_arguments(context, names)
    root = transfer.context.root
    with transfer.lock(write=False, dry=dry), transfer_reporter("pushed") as report:
        outcome = send(
            transfer.project, root, transfer.remote, stats=StatCache.open(root),
            environ=os.environ, report=report, selection=transfer.selection, force=force,
            jobs=jobs, dry=dry,
        )  # fmt: skip
    report_outcome(transfer, outcome, "pushed", dry=dry)
