"""`git spacy pull`: fetch outputs from a remote."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (("git spacy pull", "Fetch outputs that others made from the same inputs."),)
SETTINGS = ("spacy.remote.*.url", "spacy.maxOutputSize", "spacy.allowOutside")


@click.command(cls=OverridingCommand)
@click.argument("names", nargs=-1, metavar="[REMOTE] [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Replace stale outputs.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N",
    help="Fetch up to N outputs at a time.",
)  # fmt: skip
@click.pass_obj
def pull(context: CommandContext, names: tuple[str, ...], force: bool, jobs: int) -> None:
    """Fetch outputs from REMOTE instead of running commands.

    For each command whose dependencies are present, fetch the outputs that others produced from
    the same dependencies with the same script, verify them and add them to project.lock. REMOTE is
    chosen as for 'git spacy push'.
    """

    from git_spacy.cli.progress import transfer_reporter
    from git_spacy.git.settings import number
    from git_spacy.storage import remote
    from git_spacy.storage.pull import pull as fetch

    context, name = context.one_argument(names, "remote")
    root, project = context.root, context.project_with_variants()
    address = remote.resolve_address(project, context.settings, name)
    with context.lock(), transfer_reporter("pulled") as report:
        shared = context.run_context(project)
        outcome = fetch(
            project, root, remote.open_remote(root, address), stats=shared.stats,
            environ=os.environ, report=report,
            record_result=shared.record_result,
            force=force, jobs=jobs, limit=number(context.settings, "spacy.maxOutputSize"),
        )  # fmt: skip
    failed = f", failed {len(outcome.failed)}" if outcome.failed else ""
    output.message(f"pulled {len(outcome.done)}, skipped {len(outcome.skipped)}{failed}")
    if error := outcome.error():
        raise error
