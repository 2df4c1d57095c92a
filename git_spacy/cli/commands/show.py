"""`git spacy show`: show the runs of one commit in full."""

from __future__ import annotations

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy show HEAD~1", "Show the runs whose results the parent of HEAD has."),
    ("git spacy show run-1a2b3c4", "Show one run, named as in 'git spacy log --all'."),
)


@click.command(cls=SpacyCommand)
@click.argument("revision", default="HEAD", metavar="[REV]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(context: CommandContext, revision: str, as_json: bool) -> int:
    """Show the runs whose results the commit REV (default: HEAD) has in project.lock, wherever they
    were recorded, in full: script, dependencies, outputs, variables, versions and metrics. REV can
    be a single run, too, by its id in 'git spacy log --all'."""

    from git_spacy.cli import history_format
    from git_spacy.git import notes
    from git_spacy.history import commit_runs, run_ids

    repository, _, folder = context.open_history()
    if single := run_ids.find_run(repository, revision, output.diagnostic):
        annotated = notes.AnnotatedCommit("", "", 0, "", (), "")
        if single.commit:
            annotated = next(notes.list_commits(repository, [single.commit], 1))
        commit = commit_runs.CommitRuns(annotated, (commit_runs.RecordedRun(single.record),))
    else:
        commit_id = notes.resolve_commit(repository, revision)
        commit = commit_runs.runs_of_commit(repository, folder, commit_id, output.diagnostic)
    if as_json:
        output.emit_json([history_format.run_to_json(run) for run in commit.runs])
        return 0
    if not commit.runs:
        history = commit_runs.read_history(repository, folder, [commit.annotated.commit])
        nearest = next((other.annotated for other in history if other.runs), None)
        output.message(history_format.no_runs_message(commit.annotated, nearest))
        return 0
    with output.paged(context.cwd):
        id = commit.annotated.commit or "(missing)"
        output.result_painted(output.paint(f"commit {id}", "yellow"))
        output.result(f"    {commit.annotated.subject}")
        for run in commit.runs:
            output.result_painted("\n" + history_format.format_run(run))
    if commit.unrecorded:
        output.message(history_format.unrecorded_message(commit.unrecorded))
    return 0
