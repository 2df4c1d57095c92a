"""`git spacy log`: show recorded runs by commit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from git_spacy.cli import output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.declared import command, parameter
from git_spacy.errors import InvalidInput
from git_spacy.git.notes import AnnotatedCommit
from git_spacy.history.commit_runs import CommitRuns, RecordedRun
from git_spacy.history.run_record import RunRecord

EXAMPLES = (
    ("git spacy log --command train", "Show every run of 'train'."),
    ("git spacy log main..HEAD", "Show the runs on this branch."),
    ("git spacy log --table --sort ents_f", "Show which variables gave the highest score."),
    ("git spacy log --plot ents_f", "Draw how a score changed, in one line."),
    ("git spacy log --table --format md", "Write the table for a comment on a pull request."),
)
SEE_ALSO = ("git-log(1)", "git-notes(1)")

_COLOURS = {"failed": "red"}


@command(
    parameter("revisions", nargs=-1, light=True, metavar="[REV]..."),
    parameter("--all", "experiments", is_flag=True, help="Include runs that no commit holds."),
    parameter(
        "--command", "name", light=True, metavar="NAME", help="Show only runs of this command."
    ),
    parameter(
        "-n", "--max-count", "limit", minimum=1, light=True, metavar="N",
        help="Show at most N commits.",
    ),
    parameter("--table", is_flag=True, help="Compare metrics: one row per set of variables."),
    parameter(
        "--metric", "metrics", multiple=True, metavar="NAME",
        help="Table: show only this metric, or a pattern ('ents_*').",
    ),
    parameter("--all-metrics", is_flag=True, help="Show all metrics, not only the main ones."),
    parameter(
        "--sort", metavar="METRIC",
        help="Table: sort by METRIC, or by -METRIC in ascending order.",
    ),
    parameter(
        "--mean", "over", multiple=True, metavar="VARIABLE",
        help="Table: average over VARIABLE; add the standard deviation.",
    ),
    parameter(
        "--format", "style", choices=("text", "md"), default="text", show_default=True,
        help="Table: print text or Markdown.",
    ),
    parameter(
        "--plot", "plots", multiple=True, metavar="METRIC",
        help="Draw METRIC, or a pattern, over the runs; the newest at the right.",
    ),
    parameter("--json", "as_json", is_flag=True, help="Print JSON, with the full run records."),
)  # fmt: skip
def log(
    context: CommandContext, revisions: tuple[str, ...], experiments: bool, name: str | None,
    limit: int | None, table: bool, metrics: tuple[str, ...], all_metrics: bool,
    sort: str | None, over: tuple[str, ...], style: str, plots: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Show recorded runs by the commit that brought their results, newest first: when each started,
    how long it took, its metrics, and what had changed since the previous run.

    REV is a commit or a range, as for 'git log'. With --all, show runs whose results are in no
    commit, too, under the commit that they began on. Outside a project, show the runs of all
    projects in the repository. With --table, compare the last successful run of each set of
    variables, committed or not: in the variables and metrics that differ. With --plot, draw one
    line per metric.
    """

    from git_spacy.history import commit_runs

    repository, root, folder = context.open_history()
    is_table = bool(table or metrics or sort or over or style == "md")
    if plots and (is_table or as_json):
        import click

        raise click.UsageError("--plot cannot be combined with a table or --json")
    history = commit_runs.read_history(
        repository, folder, revisions, output.diagnostic, experiments=experiments or is_table
    )
    if plots:
        from git_spacy.cli import metric_plot

        metric_plot.show(metric_plot.series(_newest(history, name, limit), name, plots))
        return
    if is_table:
        from git_spacy.cli import metrics_table

        options = metrics_table.TableOptions(metrics, sort or "", over, all_metrics)
        commits = list(_newest(history, name, limit))
        comparison = metrics_table.compare_runs(repository, root, folder, commits, name, options)
        if as_json:
            output.emit_json(metrics_table.to_json(comparison))
        else:
            metrics_table.show(
                comparison, context.cwd, options, style, above_projects=folder is None
            )
        return
    hidden = _Hidden()
    with_updates = not as_json and name is None
    selected = _only_with_runs(hidden.count(history), name, folder, with_updates=with_updates)
    commits_with_runs = islice(with_previous(selected), limit)
    if as_json:
        output.emit_json([to_json(commit, previous) for commit, previous in commits_with_runs])
        return
    count = None  # unless the user leaves the pager early
    with output.paged(context.cwd):
        count = _show_commits(commits_with_runs, folder, None if all_metrics else 4)
    hidden.report(context, name, is_empty=count == 0)


def _check_name(context: CommandContext, name: str) -> None:
    """Report a name without any run that is not that of a command either. Raises InvalidInput."""

    from git_spacy.project.diagnostics import did_you_mean

    try:
        names = [command.name for command in context.project.commands]
    except InvalidInput:
        return
    if names and name not in names:
        hint = did_you_mean(name, names) or f"available: {', '.join(names)}"
        raise InvalidInput(f"unknown command '{name}', and no run of it is recorded", hint=hint)


class _Hidden:
    """Counts the experiments on the newest commit, which the log leaves out."""

    def __init__(self) -> None:
        self.number = 0

    def count(self, history: Iterable[CommitRuns]) -> Iterator[CommitRuns]:
        for commit in history:
            self.number += commit.experiments
            yield commit

    def report(self, context: CommandContext, name: str | None, *, is_empty: bool) -> None:
        from git_spacy.cli import history_format

        if self.number:
            runs = "1 run is" if self.number == 1 else f"{self.number} runs are"
            text = f"{runs} not in a commit; to see them: git spacy log --all"
            output.message(output.as_typed_here(text))
        elif is_empty:
            if name is not None:
                _check_name(context, name)
            output.message(history_format.no_runs_message())


def _show_commits(
    commits: Iterable[tuple[CommitRuns, list[RunRecord | None]]], folder: str | None,
    limit: int | None,
) -> int:  # fmt: skip
    """Print a table of runs for each commit, as soon as it is read; return how many had any.

    Each has at most `limit` metrics.
    """

    from git_spacy.cli import history_format

    count = 0
    widths = (0, 0)
    for commit, previous in commits:
        rows = [
            (
                _label(run, folder),
                history_format.outcome(run.record),
                history_format.details(run, earlier, limit),
            )
            for run, earlier in reversed(list(zip(commit.runs, previous, strict=True)))
        ]
        if not rows:
            rows.append(history_format.template_row(commit.annotated))
        widths = (
            max(widths[0], *(len(label) for label, _, _ in rows)),
            max(widths[1], *(len(word) for _, word, _ in rows)),
        )
        count += bool(commit.runs)
        output.result_painted(history_format.heading(commit.annotated))
        output.result_painted(output.table(rows, _COLOURS, widths))
    return count


def _label(run: RecordedRun, folder: str | None) -> str:
    from git_spacy.cli import history_format

    record = run.record
    project = f"{record.project}: " if folder is None and record.project else ""
    return f"{history_format.start_time(record)}  {project}{record.command}"


def _only_with_runs(
    history: Iterable[CommitRuns], name: str | None, folder: str | None, *, with_updates: bool
) -> Iterator[CommitRuns]:
    """Yield the commits that have runs (of the command `name`), with only those runs.

    `with_updates` also yields those that update the template of the project in `folder`.
    """

    for commit in history:
        runs = tuple(run for run in commit.runs if name in (None, run.record.command))
        if runs or (with_updates and _is_update(commit.annotated, folder)):
            yield commit._replace(runs=runs)


def _is_update(commit: AnnotatedCommit, folder: str | None) -> bool:
    """Return whether a commit updates the template of the project in `folder` (None: of any)."""

    if not commit.template or folder not in (None, commit.template[-1]):
        return False
    from git_spacy.setup.origin import FIRST_SUBJECT

    return not commit.subject.startswith(FIRST_SUBJECT)


def _newest(
    history: Iterable[CommitRuns], name: str | None, limit: int | None
) -> Iterator[CommitRuns]:
    """Yield commits until `limit` of them had runs (of the command `name`)."""

    remaining = limit
    for commit in history:
        yield commit
        if remaining and any(name in (None, run.record.command) for run in commit.runs):
            remaining -= 1
            if not remaining:
                return


def with_previous(
    history: Iterable[CommitRuns],
) -> Iterator[tuple[CommitRuns, list[RunRecord | None]]]:
    """Yield each commit and, for each of its runs, the previous run of the same command with the
    same variables, or None.

    `history` goes from new to old, so a previous run comes later in it. A commit is yielded as
    soon as the previous runs of all its runs are found, so no more of `history` is read.
    """

    waiting: dict[tuple[str, str, str], tuple[list[RunRecord | None], int]] = {}
    held: list[tuple[CommitRuns, list[RunRecord | None], set[int]]] = []
    for commit in history:
        slots: list[RunRecord | None] = [None] * len(commit.runs)
        held.append((commit, slots, set(range(len(slots)))))
        for number in reversed(range(len(commit.runs))):
            record = commit.runs[number].record
            key = record.project, record.command, json.dumps(record.vars, sort_keys=True)
            if key in waiting:
                others, index = waiting[key]
                others[index] = record
                next(open_ for _, known, open_ in held if known is others).discard(index)
            waiting[key] = slots, number
        while held and not held[0][2]:
            done = held.pop(0)
            yield done[0], done[1]
    yield from ((commit, slots) for commit, slots, _ in held)


def to_json(commit: CommitRuns, previous: list[RunRecord | None]) -> dict[str, object]:
    """Return a commit and its runs as `log --json` prints them (docs/reference/json.md)."""

    from git_spacy.cli import history_format

    annotated = commit.annotated
    runs = [
        {
            **history_format.run_to_json(run),
            "changed": history_format.changed_inputs(earlier, run.record) if earlier else [],
        }
        for run, earlier in zip(commit.runs, previous, strict=True)
    ]
    return {
        "commit": annotated.commit,
        "time": annotated.time,
        "subject": annotated.subject,
        "runs": runs[::-1],
    }
