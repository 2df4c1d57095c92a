"""`git spacy show`: show the runs recorded on one commit in full."""

from __future__ import annotations

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (("git spacy show HEAD~1", "Show all that is recorded for the parent of HEAD."),)


@click.command(cls=SpacyCommand)
@click.argument("revision", default="HEAD", metavar="[REV]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(context: CommandContext, revision: str, as_json: bool) -> int:
    """Show the runs recorded on the commit REV (default: HEAD) in full: script, dependencies,
    outputs, variables, versions and metrics."""

    from git_spacy.cli import history_format
    from git_spacy.git import notes
    from git_spacy.history import run_history

    repository, _, folder = context.open_history()
    commit_id = notes.resolve_commit(repository, revision)
    history = run_history.read_history(repository, folder, [commit_id], output.diagnostic)
    commit = next(history)
    if as_json:
        output.emit_json([history_format.run_to_json(run) for run in commit.runs])
        return 0
    if not commit.runs:
        nearest = next((other.annotated for other in history if other.runs), None)
        output.message(history_format.no_runs_message(commit.annotated, nearest))
        return 0
    with output.paged(context.cwd):
        output.result_painted(output.paint(f"commit {commit.annotated.commit}", "yellow"))
        output.result(f"    {commit.annotated.subject}")
        for run in commit.runs:
            output.result_painted("\n" + history_format.format_run(run))
    return 0
