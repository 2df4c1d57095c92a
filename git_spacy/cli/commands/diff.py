"""`git spacy diff`: compare the runs of commits and single runs, or of the work tree with HEAD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import sanitize

if TYPE_CHECKING:
    from git_spacy.history.run_sides import ComparedCommand, Run, Side

EXAMPLES = (
    ("git spacy diff", "Show how the results in the work tree differ from those of HEAD."),
    ("git spacy diff main HEAD", "Show how and why results differ from main."),
    ("git spacy diff main v1 v2", "Compare v1 and v2 with main, in a table."),
    ("git spacy diff main HEAD --format md", "Write the comment on a pull request."),
)
_WORK_TREE = "the work tree"


@click.command(cls=SpacyCommand)
@click.argument("revisions", nargs=-1, metavar="[A] [B]...")
@click.option("--all-metrics", is_flag=True, help="Show all metrics, not only the main ones.")
@click.option(
    "--format", "style", type=click.Choice(("text", "md")), default="text", show_default=True,
    help="Print text, or tables in Markdown.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def diff(
    context: CommandContext, revisions: tuple[str, ...], all_metrics: bool, style: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Show how each command's run for commit B (default: HEAD) differs from its run for commit A:
    variables, script, dependencies, outputs and metrics. A..B works, too. Several B are compared
    with A in a table. Each can be a single run, by its id in 'git spacy log --all'. Without a
    commit, compare what project.lock in the work tree has with HEAD."""

    from git_spacy.cli import diff_table, history_format
    from git_spacy.history import run_sides

    repository = context.open_history().repository
    names = _parse_revisions(revisions) if revisions else ["HEAD"]
    sides = [
        run_sides.read_side(context.root, repository, name, output.diagnostic) for name in names
    ]
    if not revisions:
        sides.append(
            run_sides.worktree_side(context.root, repository, _WORK_TREE, output.diagnostic)
        )
    compared = run_sides.compare_sides(sides)
    if as_json:
        output.emit_json({name: _to_json(sides, command) for name, command in compared.items()})
        return
    with output.paged(context.cwd):
        if style == "md":
            diff_table.show_markdown(sides, compared, all_metrics=all_metrics)
        elif len(sides) > 2:
            diff_table.show(sides, compared, all_metrics=all_metrics)
        else:
            _show_pair(sides, compared, all_metrics=all_metrics)
    if not compared:
        output.message(history_format.no_runs_message())


def _parse_revisions(revisions: tuple[str, ...]) -> Sequence[str]:
    if len(revisions) == 1 and ".." in revisions[0]:
        first, _, second = revisions[0].partition("..")
        return first or "HEAD", second.lstrip(".") or "HEAD"
    return revisions if len(revisions) > 1 else (*revisions, "HEAD")


def _show_pair(
    sides: Sequence[Side], compared: Mapping[str, ComparedCommand], *, all_metrics: bool
) -> None:
    for name, command in compared.items():
        title = output.paint(sanitize(name), "bold")
        lines = _format_pair(sides, command, all_metrics=all_metrics)
        output.result_painted("\n".join([title, *(f"  {line}" for line in lines)]))


def _format_pair(
    sides: Sequence[Side], command: ComparedCommand, *, all_metrics: bool
) -> Iterator[str]:
    """Yield the changes between two runs of a command, or why there are none, as lines."""

    from git_spacy.cli import diff_table, history_format

    notes = diff_table.notes(sides, command)
    changes = history_format.format_changes(command.changes(), all_metrics=all_metrics)
    yield from notes.missing[:1]
    if not changes and not notes.missing:
        yield "no differences"
    yield from changes
    yield from (f"({text})" for text in notes.earlier)


def _to_json(sides: Sequence[Side], command: ComparedCommand) -> dict[str, Any]:
    from git_spacy.cli import history_format

    if len(sides) == 2:
        before, after = map(_run_to_json, command.runs)
        changes = [history_format.change_to_json(change) for change in command.changes()]
        return {"before": before, "after": after, "changes": changes}
    return {
        "runs": [
            run and {"revision": side.name, **run}
            for side, run in zip(sides, map(_run_to_json, command.runs), strict=True)
        ],
        "differences": [
            {**difference._asdict(), "kind": history_format.KINDS[difference.kind]}
            for difference in command.differences
        ],
    }


def _run_to_json(run: Run | None) -> dict[str, Any] | None:
    return run and {
        "recorded_on": run.resolved.recorded_on or None,
        "matches_commit": run.resolved.matches_commit,
    }
