"""`git spacy log`: the runs by commit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

import click

from git_spacy.cli import output
from git_spacy.state.run_history import CommitRuns, RecordedRun
from git_spacy.state.run_record import RunRecord

_COLOURS = {"failed": "red"}


@click.command()
@click.argument("revisions", nargs=-1, metavar="[REV]...")
@click.option("--command", "name", metavar="NAME", help="Only the runs of this command.")
@click.option(
    "-n", "--max-count", "most", type=click.IntRange(1), metavar="N", help="Only N commits."
)
@click.option(
    "--table", is_flag=True, help="Compare their metrics: a row for each set of variables."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Of a table: this metric only, or those that a pattern means ('ents_*').",
)
@click.option(
    "--sort",
    metavar="METRIC",
    help="Of a table: by this metric, the highest first; --sort=-METRIC the lowest.",
)
@click.option(
    "--mean",
    "over",
    multiple=True,
    metavar="VARIABLE",
    help="Of a table: the mean over this variable, and the standard deviation.",
)
@click.option("--json", "as_json", is_flag=True, help="In JSON, with all that was recorded.")
@click.pass_context
def log(
    ctx: click.Context, revisions: tuple[str, ...], name: str | None, most: int | None,
    table: bool, metrics: tuple[str, ...], sort: str | None, over: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Say what was run, by commit, newest first: when, how long it took, its metrics, and what had
    changed since the run before. REV as for git log; above several projects, of all of them.

    With --table the last run of each set of variables that succeeded, one beside the other."""

    from git_spacy.cli import history_format as words
    from git_spacy.state import run_history

    repository, root, folder = words.opened(ctx.obj)
    history = run_history.read_history(repository, folder, revisions, output.warning)
    if table or metrics or sort or over:
        from git_spacy.cli import metrics_table

        form = metrics_table.TableOptions(metrics, sort or "", over)
        some = list(_newest(history, name, most))
        tables = metrics_table.compare_runs(repository, root, folder, some, name, form)
        if as_json:
            output.emit_json(metrics_table.document(tables))
        else:
            metrics_table.show(tables, ctx.obj, above_projects=folder is None)
        return
    found = islice(with_before(_with_runs(history, name)), most)
    if as_json:
        output.emit_json([document(commit, before) for commit, before in found])
        return
    said = False
    with output.paged(ctx.obj):
        widths = (0, 0)
        for commit, before in found:
            rows = [
                (_label(run, folder), words.took(run.record), words.remarks(run, earlier))
                for run, earlier in reversed(list(zip(commit.runs, before, strict=True)))
            ]
            widths = (
                max(widths[0], *(len(label) for label, _, _ in rows)),
                max(widths[1], *(len(word) for _, word, _ in rows)),
            )
            said = True
            output.result_painted(words.heading(commit.annotated))
            output.result_painted(output.table(rows, _COLOURS, widths))
    if not said:
        output.note(words.nothing(None))


def _label(run: RecordedRun, folder: str | None) -> str:
    from git_spacy.cli import history_format as words

    record = run.record
    project = f"{record.project}: " if folder is None and record.project else ""
    return f"{words.when(record)}  {project}{record.command}"


def _with_runs(history: Iterable[CommitRuns], name: str | None) -> Iterator[CommitRuns]:
    """The commits that have runs (of the command `name`), and those runs."""

    for commit in history:
        runs = tuple(run for run in commit.runs if name in (None, run.record.command))
        if runs:
            yield commit._replace(runs=runs)


def _newest(
    history: Iterable[CommitRuns], name: str | None, most: int | None
) -> Iterator[CommitRuns]:
    """The commits up to the last one of the `most` newest that have runs (of `name`)."""

    left = most
    for commit in history:
        yield commit
        if left and any(name in (None, run.record.command) for run in commit.runs):
            left -= 1
            if not left:
                return


def with_before(
    history: Iterable[CommitRuns],
) -> Iterator[tuple[CommitRuns, list[RunRecord | None]]]:
    """Each commit, and for each of its runs the one before of the same command with the same
    variables, None if there is none. Reads on only until that is known."""

    waiting: dict[tuple[str, str, str], tuple[list[RunRecord | None], int]] = {}
    held: list[tuple[CommitRuns, list[RunRecord | None], set[int]]] = []
    for commit in history:
        slots: list[RunRecord | None] = [None] * len(commit.runs)
        held.append((commit, slots, set(range(len(slots)))))
        for number in reversed(range(len(commit.runs))):
            record = commit.runs[number].record
            key = record.project, record.command, json.dumps(record.vars, sort_keys=True)
            if key in waiting:
                others, place = waiting[key]
                others[place] = record
                next(open_ for _, known, open_ in held if known is others).discard(place)
            waiting[key] = slots, number
        while held and not held[0][2]:
            done = held.pop(0)
            yield done[0], done[1]
    yield from ((commit, slots) for commit, slots, _ in held)


def document(commit: CommitRuns, before: list[RunRecord | None]) -> dict[str, object]:
    """A commit and its runs for machines, the newest first."""

    from git_spacy.cli import history_format as words

    noted = commit.annotated
    runs = [
        {
            **words.plain(run),
            "changed": words.changed_inputs(earlier, run.record) if earlier else [],
        }
        for run, earlier in zip(commit.runs, before, strict=True)
    ]
    return {
        "commit": noted.commit, "time": noted.time, "subject": noted.subject, "runs": runs[::-1],
    }  # fmt: skip
