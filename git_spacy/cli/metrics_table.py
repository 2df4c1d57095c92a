"""`git spacy log --table`: runs beside each other, as tables and for machines."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy.cli import history_format as words
from git_spacy.cli import output
from git_spacy.cli.columns import Column, Fitted, fitted, lines
from git_spacy.errors import InvalidInput
from git_spacy.generate.drawing.label import single_line
from git_spacy.git.repository import Repository
from git_spacy.project import loader
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.matrix import to_cli
from git_spacy.state import run_diff
from git_spacy.state.run_diff import Comparison, MetricsRow, MetricsTable, MetricValue, VariantRun
from git_spacy.state.run_history import CommitRuns
from git_spacy.state.run_params import CommitParams
from git_spacy.state.run_record import format_number

_NOTHING = "–"
_MOST_NAMED = 3
_WITHOUT = (
    "no run here has metrics: they are the numbers in outputs that are .json files of at most"
    " 64 KiB; name one under 'outputs_no_cache' in project.yml"
)


class TableOptions(NamedTuple):
    """How somebody wants it: the metrics (names or patterns; none: all), the one to sort by (with
    a - before it: the lowest first), the variables to take the mean over."""

    metrics: tuple[str, ...] = ()
    sort: str = ""
    over: tuple[str, ...] = ()


def compare_runs(
    repository: Repository, root: Path | None, project: str | None, history: Sequence[CommitRuns],
    name: str | None, form: TableOptions,
) -> Comparison:  # fmt: skip
    """The runs (of the command `name`) in a history, newest first, as `form` wants them. Raises
    Malformed for what none of them has."""

    here = {project or "": loader.read_bytes(root)} if root else {}
    past = CommitParams(repository, history, here)
    tried = (
        VariantRun(run, commit.annotated, past.params(number, run.record))
        for number, commit in enumerate(history)
        for run in reversed(commit.runs)
        if name in (None, run.record.command)
    )
    found = run_diff.compare(tried)
    return found._replace(tables=_apply_options(found.tables, form)) if found.tables else found


def _apply_options(tables: Sequence[MetricsTable], form: TableOptions) -> tuple[MetricsTable, ...]:
    metrics = dict.fromkeys(name for table in tables for name in table.metrics)
    sort = form.sort.removeprefix("-")
    if sort and sort not in metrics:
        raise _unknown("metric", sort, metrics)
    variables = dict.fromkeys(name for table in tables for name in table.variables)
    over = [name.removeprefix("vars.").removeprefix("variables.") for name in form.over]
    for name in over:
        if name not in variables:
            raise _unknown("variable in which they differ", name, variables)
    for pattern in form.metrics:
        if not any(run_diff.select_metrics(table, [pattern]).metrics for table in tables):
            raise _unknown("metric", pattern, metrics)
    found = (run_diff.select_metrics(table, form.metrics) for table in tables)
    found = (
        run_diff.average_over(table, over) if over else table for table in found if table.metrics
    )
    if sort:
        ascending = form.sort.startswith("-")
        found = (run_diff.sort_by_metric(table, sort, ascending=ascending) for table in found)
    return tuple(found)


def _unknown(what: str, name: str, names: Iterable[str]) -> InvalidInput:
    few = ", ".join(list(names)[:8])
    hint = did_you_mean(name, names) or (f"there are: {few}" if few else "they differ in none")
    return InvalidInput(f"these runs have no {what} '{name}'", hint=hint)


def show(found: Comparison, start: Path, *, above_projects: bool) -> None:
    """The tables, and in notes what is not in them. Cut to the terminal's width, never where
    nobody looks."""

    width = shutil.get_terminal_size().columns if output.is_terminal() else None
    with output.paged(start):
        for number, table in enumerate(found.tables):
            name = f"{table.project}: " if above_projects and table.project else ""
            title = output.paint(single_line(name + table.command), "bold")
            output.result_painted(f"\n{title}" if number else title)
            _show(table, width)
    if not found.tables:
        output.note(_WITHOUT if found.without_metrics else words.nothing(None))
    elif found.without_metrics:
        output.note(f"without metrics: {', '.join(map(single_line, found.without_metrics))}")
    if found.failed:
        output.note(_failures(found.failed))


def _show(table: MetricsTable, width: int | None) -> None:
    fits = fitted(columns(table), width)
    for one in lines(fits.columns):
        painted = (output.paint(text, "bold") if bold else text for text, bold in one.pieces)
        output.result_painted("".join(painted).rstrip())
    for text in _legend(table, fits):
        wrapped = textwrap.wrap(text, max(width - 2, 1)) if width else [text]
        output.result("\n".join(f"  {part}" for part in wrapped))


def columns(table: MetricsTable) -> tuple[Column, ...]:
    """The columns of a table: variables, metrics, seconds, commit, date."""

    rows = table.rows
    is_mean = any(len(row.runs) > 1 for row in rows)
    found = [_variable(name, rows) for name in table.variables]
    found += [
        _metric(name, rows, rank=3 if number else 1) for number, name in enumerate(table.metrics)
    ]
    times = (output.duration(row.seconds) if row.seconds is not None else "" for row in rows)
    found.append(Column("time", tuple(times), rank=4))
    if is_mean:
        return (*found, Column("runs", tuple(str(len(row.runs)) for row in rows), rank=2))
    found.append(Column("commit", tuple(_commit(row.runs[0]) for row in rows), 2, is_text=True))
    dates = tuple(words.when(row.runs[0].record)[:10] for row in rows)
    return (*found, Column("date", dates, rank=5, is_text=True))


def _variable(name: str, rows: Sequence[MetricsRow]) -> Column:
    cells = [_typed(row.variables[name]) if name in row.variables else _NOTHING for row in rows]
    values = [row.variables[name] for row in rows if name in row.variables]
    is_number = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    return Column(single_line(name), tuple(cells), is_text=not is_number)


def _typed(value: Any) -> str:
    text = to_cli(value)
    # (the sign of nothing, too, where it is a value)
    is_plain = text == " ".join(text.split()) and text not in ("", _NOTHING)
    return output.clean(text if is_plain else json.dumps(text, ensure_ascii=False))


def _commit(one: VariantRun) -> str:
    return one.commit.short + ("+" if one.record.dirty else "")


def _metric(name: str, rows: Sequence[MetricsRow], rank: int) -> Column:
    figures = [row.metrics.get(name) for row in rows]
    values = _aligned([one.value if one else None for one in figures])
    deviations = _aligned([one.deviation if one else None for one in figures])
    marked = run_diff.best_rows(rows, name)
    cells = []
    for number, (figure, value, deviation) in enumerate(
        zip(figures, values, deviations, strict=True)
    ):
        mark = "*" if number in marked else " " if marked else ""
        spread = f" ± {deviation}" if deviation else ""
        wide = max(len(one) for one in deviations)
        room = " " * (wide + 3 - len(spread)) if wide else ""
        cells.append(f"{value if figure else _NOTHING}{mark}{spread}{room}")
    return Column(single_line(name), tuple(cells), rank=rank, bold=marked)


def _aligned(values: Sequence[float | None]) -> list[str]:
    """Numbers with as many digits behind the point as the one that needs most of them."""

    texts = [format_number(value) if value is not None else "" for value in values]
    plain = [text for text in texts if text and "e" not in text]
    digits = max((len(text.partition(".")[2]) for text in plain), default=0)
    if all(isinstance(value, int) for value in values if value is not None):
        return texts
    return [f"{value:.{digits}f}" if text in plain and value is not None else text
            for text, value in zip(texts, values, strict=True)]  # fmt: skip


def _legend(table: MetricsTable, fits: Fitted) -> list[str]:
    titles = {column.title for column in fits.columns if column.bold}
    marked = [name for name in table.metrics if single_line(name) in titles]
    lowest = [name for name in marked if run_diff.is_lower_better(name)]
    told = []
    if marked:
        of_them = _some(lowest)
        told.append(
            "* the lowest" if len(lowest) == len(marked)
            else f"* the highest; of {of_them} the lowest" if lowest else "* the highest"
        )  # fmt: skip
    commits = next((one.cells for one in fits.columns if one.title == "commit"), ())
    if any(text.endswith("+") for text in commits):
        told.append("+ with edits that were not committed")
    if any(" ± " in cell for one in fits.columns if not one.is_text for cell in one.cells):
        told.append("± the standard deviation of these runs")
    if fits.left_out:
        choose = "--metric NAME (or 'ents_*') chooses, " if len(table.metrics) > 1 else ""
        told.append(f"no room for {_some(fits.left_out)}: {choose}--json has all")
    return told


def _some(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"


def _failures(failed: Sequence[VariantRun]) -> str:
    named = [
        single_line(
            " ".join([record.command, *(f"{k}={to_cli(v)}" for k, v in record.vars.items())])
        )
        for record in (one.record for one in failed)
    ]
    runs = "1 failed run" if len(failed) == 1 else f"{len(failed)} failed runs"
    return f"{runs} left out: {_some(named)}"


def document(found: Comparison) -> list[dict[str, Any]]:
    """All rows for machines."""

    return [_row(table, row) for table in found.tables for row in table.rows]


def _row(table: MetricsTable, row: MetricsRow) -> dict[str, Any]:
    common = {"project": table.project, "command": table.command}
    if len(row.runs) == 1 and all(one.deviation is None for one in row.metrics.values()):
        metrics: Any = {name: one.value for name, one in row.metrics.items()}
    else:
        metrics = {name: _figure(one) for name, one in row.metrics.items()}
    runs = [{"commit": one.commit.commit, **words.plain(one.run)} for one in row.runs]
    return {
        **common, "vars": dict(row.variables), "metrics": metrics, "seconds": row.seconds,
        "runs": runs,
    }  # fmt: skip


def _figure(figure: MetricValue) -> dict[str, float | None]:
    return {"mean": figure.value, "deviation": figure.deviation}
