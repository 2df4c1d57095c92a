"""`git spacy push`: send outputs to a remote."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy push", "Send up-to-date outputs to the default remote."),
    ("git spacy push s3://bucket/models", "Send outputs to an address."),
)
SETTINGS = ("spacy.remote.*.url", "spacy.allowOutside")


@click.command(cls=OverridingCommand)
@click.argument("names", nargs=-1, metavar="[REMOTE] [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Send outputs even if REMOTE has them.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N",
    help="Send up to N outputs at a time.",
)  # fmt: skip
@click.pass_obj
def push(context: CommandContext, names: tuple[str, ...], force: bool, jobs: int) -> None:
    """Send outputs to REMOTE: those of all commands that are up to date. Outputs that it already
    has are skipped.

    REMOTE is a name, a path or a URL such as s3://bucket/folder. Names are defined under 'remotes'
    in project.yml, or with 'git config spacy.remote.NAME.url'. The default is the remote
    named 'default'.
    """

    from git_spacy.cli.progress import transfer_reporter
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage import remote
    from git_spacy.storage.push import push as send

    context, name = context.one_argument(names, "remote")
    root, project = context.root, context.project_with_variants()
    address = remote.resolve_address(project, context.settings, name)
    with context.lock(), transfer_reporter("pushed") as report:
        outcome = send(
            project, root, remote.open_remote(root, address), stats=StatCache.open(root),
            environ=os.environ, report=report, force=force, jobs=jobs,
        )  # fmt: skip
    failed = f", failed {len(outcome.failed)}" if outcome.failed else ""
    output.message(f"pushed {len(outcome.done)}, skipped {len(outcome.skipped)}{failed}")
    if error := outcome.error():
        raise error
