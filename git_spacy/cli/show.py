"""`git spacy show`: one commit's runs in full."""

from __future__ import annotations

import click

from git_spacy.cli import output


@click.command()
@click.argument("revision", default="HEAD", metavar="[REV]")
@click.option("--json", "as_json", is_flag=True, help="In JSON.")
@click.pass_context
def show(ctx: click.Context, revision: str, as_json: bool) -> int:
    """Show the runs noted on one commit (HEAD by default) in full: script, inputs, outputs,
    variables, versions, metrics."""

    from git_spacy.cli import history_format as words
    from git_spacy.git import notes
    from git_spacy.state import run_history

    repository, _, folder = words.opened(ctx.obj)
    commit_id = notes.resolve_commit(repository, revision)
    history = run_history.read_history(repository, folder, [commit_id], output.warning)
    commit = next(history)
    if as_json:
        output.emit_json([words.plain(run) for run in commit.runs])
        return 0
    if not commit.runs:
        later = next((one.annotated for one in history if one.runs), None)
        output.note(words.nothing(commit.annotated, [later] if later else []))
        return 0
    with output.paged(ctx.obj):
        output.result_painted(output.paint(f"commit {commit.annotated.commit}", "yellow"))
        output.result(f"    {commit.annotated.subject}")
        for run in commit.runs:
            output.result_painted("\n" + words.full(run))
    return 0
