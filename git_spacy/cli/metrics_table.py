"""`git spacy log --table`: compare the metrics of runs, as tables and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy.cli import history_format, output
from git_spacy.cli.columns import Column, Fitted, fitted, lines
from git_spacy.errors import InvalidInput, sanitize
from git_spacy.generate.drawing.label import single_line
from git_spacy.git.repository import Repository
from git_spacy.history import run_diff
from git_spacy.history.commit_runs import CommitRuns
from git_spacy.history.metrics import HANDFUL, is_lower_better
from git_spacy.history.run_diff import Comparison, MetricsRow, MetricsTable, VariantRun
from git_spacy.history.run_ids import short_run_id
from git_spacy.history.run_params import CommitParams
from git_spacy.history.run_record import format_number
from git_spacy.project import loader
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.matrix import to_cli

_EMPTY_CELL = "–"
_MAX_NAMES = 3
_NO_METRICS = (
    "none of these runs has metrics, i.e. numbers in an output that is a .json file of at most"
    " 64 KiB; to record them, list such a file under 'outputs_no_cache' in project.yml"
)


class TableOptions(NamedTuple):
    """What to show: metrics (names or patterns; the most important if empty), the metric to sort by
    (lowest first if it starts with `-`), the variables to average over, and whether to show all
    metrics."""

    metrics: tuple[str, ...] = ()
    sort: str = ""
    over: tuple[str, ...] = ()
    all_metrics: bool = False


def compare_runs(
    repository: Repository, root: Path | None, project: str | None, history: Sequence[CommitRuns],
    name: str | None, options: TableOptions,
) -> Comparison:  # fmt: skip
    """Compare the runs (of the command `name`) in a history that starts with the newest commit.

    Raises InvalidInput for a metric or variable that none of the runs has.
    """

    current = {project or "": loader.read_bytes(root)} if root else {}
    past = CommitParams(repository, history, current)
    runs = (
        VariantRun(run, commit.annotated, past.params(number, run.record))
        for number, commit in enumerate(history)
        for run in reversed(commit.runs)
        if name in (None, run.record.command)
    )
    comparison = run_diff.compare(runs)
    if not comparison.tables:
        return comparison
    return comparison._replace(tables=_apply_options(comparison.tables, options))


def _apply_options(
    tables: Sequence[MetricsTable], options: TableOptions
) -> tuple[MetricsTable, ...]:
    metrics = dict.fromkeys(name for table in tables for name in table.metrics)
    sort = options.sort.removeprefix("-")
    if sort and sort not in metrics:
        raise unknown_name("metric", sort, metrics)
    variables = dict.fromkeys(name for table in tables for name in table.variables)
    over = [name.removeprefix("vars.").removeprefix("variables.") for name in options.over]
    for name in over:
        if name not in variables:
            raise unknown_name("variable with different values", name, variables)
    for pattern in options.metrics:
        if not any(run_diff.select_metrics(table, [pattern]).metrics for table in tables):
            raise unknown_name("metric", pattern, metrics)
    tables = [run_diff.select_metrics(table, options.metrics) for table in tables]
    tables = [table for table in tables if table.metrics]
    if over:
        tables = [run_diff.average_over(table, over) for table in tables]
    if sort:
        ascending = options.sort.startswith("-")
        tables = [run_diff.sort_by_metric(table, sort, ascending=ascending) for table in tables]
    return tuple(tables)


def unknown_name(kind: str, name: str, names: Iterable[str]) -> InvalidInput:
    """Return the error for a name that none of the runs has, with a suggestion."""

    known = ", ".join(list(names)[:8])
    hint = did_you_mean(name, names) or (f"known names: {known}" if known else "")
    return InvalidInput(f"these runs have no {kind} '{name}'", hint=hint)


def show(
    comparison: Comparison, start: Path, options: TableOptions, style: str, *, above_projects: bool
) -> None:
    """Print the tables, and on stderr what they leave out. On a terminal, fit them to its width.

    `style` is "text" or "md".
    """

    width = output.terminal_width() if output.is_terminal() and style == "text" else None
    with output.paged(start):
        for number, table in enumerate(comparison.tables):
            name = f"{table.project}: " if above_projects and table.project else ""
            selected, hints = _selection(table, options)
            if number:
                output.result("")
            if style == "md":
                _show_markdown(name + table.command, selected, hints)
            else:
                _show(name + table.command, selected, hints, width)
    if not comparison.tables:
        output.message(
            _NO_METRICS if comparison.without_metrics else history_format.no_runs_message()
        )
    elif comparison.without_metrics:
        output.message(
            f"without metrics: {', '.join(map(single_line, comparison.without_metrics))}"
        )
    if comparison.failed:
        output.message(_failures(comparison.failed))


def _selection(table: MetricsTable, options: TableOptions) -> tuple[MetricsTable, list[str]]:
    """Return the table with the metrics to show, and what is said about the others.

    Unless the user chose metrics, these are the most important ones that differ between the rows.
    """

    if options.all_metrics or options.metrics:
        return table, []
    wanted = {*run_diff.differing_metrics(table), options.sort.removeprefix("-")}
    chosen = tuple(name for name in table.metrics if name in wanted) or table.metrics
    hints = []
    if equal := len(table.metrics) - len(chosen):
        metrics = "1 metric is" if equal == 1 else f"{equal} metrics are"
        hints.append(f"{metrics} the same in all rows: --all-metrics")
    if more := len(chosen[HANDFUL:]):
        hints.append(f"{more} more metrics: --all-metrics, or choose with --metric NAME")
    return table._replace(metrics=chosen[:HANDFUL]), hints


def _show(title: str, table: MetricsTable, hints: Sequence[str], width: int | None) -> None:
    output.result_painted(output.paint(single_line(title), "bold"))
    layout = fitted(columns(table), width)
    for styled in lines(layout.columns):
        painted = (output.paint(text, "bold") if bold else text for text, bold in styled.pieces)
        output.result_painted("".join(painted).rstrip())
    for text in (*_legend(table, layout), *hints):
        wrapped = textwrap.wrap(text, max(width - 2, 1)) if width else [text]
        output.result("\n".join(f"  {part}" for part in wrapped))


def _show_markdown(title: str, table: MetricsTable, hints: Sequence[str]) -> None:
    from git_spacy.cli import markdown

    output.result(f"### {markdown.cell(title)}\n")
    output.result(to_markdown(table, hints))


def to_markdown(table: MetricsTable, hints: Sequence[str] = ()) -> str:
    """Return the table as Markdown, with the meaning of its signs and the hints below it."""

    from git_spacy.cli import markdown

    layout = fitted(columns(table), None)
    cells = [
        [
            f"**{text.replace('*', '', 1).strip()}**"
            if number in column.bold
            else markdown.cell(text.strip())
            for number, text in enumerate(column.cells)
        ]
        for column in layout.columns
    ]
    titles = [markdown.cell(column.title) for column in layout.columns]
    is_text = [column.is_text for column in layout.columns]
    text = markdown.table(titles, list(zip(*cells, strict=True)), is_text)
    legend = [*_legend(table, layout, "bold:", markdown.cell), *hints]
    return f"{text}\n\n({'; '.join(legend)})" if legend else text


def columns(table: MetricsTable) -> tuple[Column, ...]:
    """Return the columns: variables, metrics, time, and commit, date and the ids of experiments, or
    the number of runs."""

    rows = table.rows
    is_mean = any(len(row.runs) > 1 for row in rows)
    result = [_variable_column(name, rows) for name in table.variables]
    result += [
        _metric_column(name, rows, rank=3 if number else 1)
        for number, name in enumerate(table.metrics)
    ]
    times = (output.duration(row.seconds) if row.seconds is not None else "" for row in rows)
    result.append(Column("time", tuple(times), rank=4))
    if is_mean:
        return (*result, Column("runs", tuple(str(len(row.runs)) for row in rows), rank=2))
    result.append(Column("commit", tuple(_commit(row.runs[0]) for row in rows), 2, is_text=True))
    dates = tuple(history_format.start_time(row.runs[0].record)[:10] for row in rows)
    result.append(Column("date", dates, rank=5, is_text=True))
    if any(row.runs[0].run.is_experiment for row in rows):  # no commit holds them
        ids = tuple(_experiment_id(row.runs[0]) for row in rows)
        result.append(Column("run", ids, rank=6, is_text=True))
    return tuple(result)


def _experiment_id(run: VariantRun) -> str:
    return short_run_id(run.record) if run.run.is_experiment else ""


def _variable_column(name: str, rows: Sequence[MetricsRow]) -> Column:
    cells = [
        _format_variable(row.variables[name]) if name in row.variables else _EMPTY_CELL
        for row in rows
    ]
    values = [row.variables[name] for row in rows if name in row.variables]
    is_number = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    return Column(single_line(name), tuple(cells), is_text=not is_number)


def _format_variable(value: Any) -> str:
    text = to_cli(value)
    # Quote values that would be misread, such as the sign for an empty cell.
    is_plain = text == " ".join(text.split()) and text not in ("", _EMPTY_CELL)
    return sanitize(text if is_plain else json.dumps(text, ensure_ascii=False))


def _commit(run: VariantRun) -> str:
    is_dirty = run.record.dirty and run.run.matched_by != "lock"
    return run.commit.short + ("+" if is_dirty else "")


def _metric_column(name: str, rows: Sequence[MetricsRow], rank: int) -> Column:
    metrics = [row.metrics.get(name) for row in rows]
    values = _aligned([metric.value if metric else None for metric in metrics])
    deviations = _aligned([metric.deviation if metric else None for metric in metrics])
    widest_deviation = max(map(len, deviations), default=0)
    best = run_diff.best_rows(rows, name)
    cells = []
    for number, (metric, value, deviation) in enumerate(
        zip(metrics, values, deviations, strict=True)
    ):
        mark = "*" if number in best else " " if best else ""
        spread = f" ± {deviation}" if deviation else ""
        padding = " " * (widest_deviation + 3 - len(spread)) if widest_deviation else ""
        cells.append(f"{value if metric else _EMPTY_CELL}{mark}{spread}{padding}")
    return Column(single_line(name), tuple(cells), rank=rank, bold=best)


def _aligned(values: Sequence[float | None]) -> list[str]:
    """Format numbers with as many decimals as the one that needs most of them."""

    texts = [format_number(value) if value is not None else "" for value in values]
    plain = [text for text in texts if text and "e" not in text]
    digits = max((len(text.partition(".")[2]) for text in plain), default=0)
    if all(isinstance(value, int) for value in values if value is not None):
        return texts
    return [f"{value:.{digits}f}" if text in plain and value is not None else text
            for text, value in zip(texts, values, strict=True)]  # fmt: skip


def _legend(
    table: MetricsTable, layout: Fitted, mark: str = "*", quote: Callable[[str], str] = str
) -> list[str]:
    titles = {column.title for column in layout.columns if column.bold}
    marked = [name for name in table.metrics if single_line(name) in titles]
    lowest = [quote(name) for name in marked if is_lower_better(name)]
    legend = []
    if marked:
        legend.append(
            f"{mark} lowest" if len(lowest) == len(marked)
            else f"{mark} highest (lowest for {_shorten_list(lowest)})" if lowest
            else f"{mark} highest"
        )  # fmt: skip
    commits = next((column.cells for column in layout.columns if column.title == "commit"), ())
    if any(text.endswith("+") for text in commits):
        legend.append("+ with uncommitted edits")
    numbers = (column for column in layout.columns if not column.is_text)
    if any(" ± " in cell for column in numbers for cell in column.cells):
        legend.append("± standard deviation of these runs")
    if layout.left_out:
        advice = "choose with --metric NAME (or 'ents_*'), or " if len(table.metrics) > 1 else ""
        legend.append(f"no room for {_shorten_list(layout.left_out)}: {advice}see all with --json")
    return legend


def _shorten_list(names: Sequence[str]) -> str:
    if len(names) <= _MAX_NAMES + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES} more"


def _failures(failed: Sequence[VariantRun]) -> str:
    named = [
        single_line(
            " ".join([record.command, *(f"{k}={to_cli(v)}" for k, v in record.vars.items())])
        )
        for record in (run.record for run in failed)
    ]
    runs = "1 failed run" if len(failed) == 1 else f"{len(failed)} failed runs"
    return f"{runs} left out: {_shorten_list(named)}"


def to_json(comparison: Comparison) -> list[dict[str, Any]]:
    """Return all rows as `log --table --json` prints them (docs/reference/json.md)."""

    return [_row_to_json(table, row) for table in comparison.tables for row in table.rows]


def _row_to_json(table: MetricsTable, row: MetricsRow) -> dict[str, Any]:
    common = {"project": table.project, "command": table.command}
    if len(row.runs) == 1 and all(metric.deviation is None for metric in row.metrics.values()):
        metrics: dict[str, Any] = {name: metric.value for name, metric in row.metrics.items()}
    else:
        metrics = {
            name: {"mean": metric.value, "standard_deviation": metric.deviation}
            for name, metric in row.metrics.items()
        }
    runs = [
        {"commit": run.commit.commit, **history_format.run_to_json(run.run)} for run in row.runs
    ]
    return {
        **common, "vars": dict(row.variables), "metrics": metrics, "seconds": row.seconds,
        "runs": runs,
    }  # fmt: skip
