"""Compare runs: one table per command, one row per set of variables. Pure.

For each set of variables, the last successful run counts. The columns are the variables that
differ, and the metrics: numbers in JSON outputs. Whether higher is better can only be guessed: a
name like loss or error means that lower is better.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from git_spacy.git.notes import AnnotatedCommit
from git_spacy.history.commit_runs import RecordedRun
from git_spacy.history.metrics import by_importance, is_lower_better
from git_spacy.history.run_params import RunParams
from git_spacy.history.run_record import RunRecord, flat_metrics
from git_spacy.project.matrix import to_cli


class VariantRun(NamedTuple):
    """A run, the commit that it belongs to, and its variables."""

    run: RecordedRun
    commit: AnnotatedCommit
    params: RunParams

    @property
    def record(self) -> RunRecord:
        return self.run.record


class MetricValue(NamedTuple):
    """A number, or the mean of several and their standard deviation."""

    value: float
    deviation: float | None = None


class MetricsRow(NamedTuple):
    """One run, or the means of several; `seconds` is None if nothing was executed for it."""

    variables: Mapping[str, Any]
    metrics: Mapping[str, MetricValue]
    seconds: float | None
    runs: tuple[VariantRun, ...]


class MetricsTable(NamedTuple):
    """The runs of one command of one project.

    `variables` are those that differ; `metrics` are all metrics, the most important first. The rows
    are sorted by their variables.
    """

    project: str
    command: str
    variables: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[MetricsRow, ...]


class Comparison(NamedTuple):
    """A table per command with metrics, the commands without metrics, and failed runs.

    A run is listed in `failed` if it is the last one of its command and set of variables. Runs that
    a search stopped have no result, and have not failed.
    """

    tables: tuple[MetricsTable, ...]
    without_metrics: tuple[str, ...]
    failed: tuple[VariantRun, ...]


def compare(runs: Iterable[VariantRun]) -> Comparison:
    """Compare runs, given newest first."""

    last: dict[tuple[str, ...], VariantRun] = {}
    succeeded: dict[tuple[str, str], dict[tuple[str, ...], VariantRun]] = {}
    for run in runs:
        record = run.record
        if record.pruned:
            continue
        key = record.project, record.command, _key(run.params.variables)
        last.setdefault(key, run)
        if record.exit == 0:
            succeeded.setdefault(key[:2], {}).setdefault(key, run)
    # in the order in which the commands ran
    tables = [
        _table(project, command, tuple(by_key.values()))
        for (project, command), by_key in reversed(succeeded.items())
    ]
    return Comparison(
        tuple(table for table in tables if table.metrics),
        tuple(table.command for table in tables if not table.metrics),
        tuple(run for run in last.values() if run.record.exit),
    )


def _table(project: str, command: str, runs: Sequence[VariantRun]) -> MetricsTable:
    measured = [run for run in runs if any(run.record.metrics.values())]
    return _build_table(
        project,
        command,
        differing_variables([run.params for run in measured]),
        list(map(_row, measured)),
    )


def _build_table(
    project: str, command: str, variables: tuple[str, ...], rows: Sequence[MetricsRow]
) -> MetricsTable:
    metrics = dict.fromkeys(name for row in rows for name in row.metrics)
    in_order = sorted(
        rows, key=lambda row: [natural_key(row.variables, name) for name in variables]
    )
    return MetricsTable(project, command, variables, tuple(by_importance(metrics)), tuple(in_order))


def _row(run: VariantRun) -> MetricsRow:
    record = run.record
    seconds = record.seconds if record.how == "run" else None
    metrics = {name: MetricValue(value) for name, value in flat_metrics(record).items()}
    return MetricsRow(run.params.variables, metrics, seconds, (run,))


def differing_variables(runs: Sequence[RunParams]) -> tuple[str, ...]:
    """Return the variables that differ between runs.

    A variable whose value is unknown for a run only counts if it was overridden in another run.
    """

    names = dict.fromkeys(name for params in runs for name in params.variables)
    return tuple(name for name in names if len(set(_values_of(runs, name))) > 1)


def _values_of(runs: Iterable[RunParams], name: str) -> Iterator[str]:
    is_overridden = any(name in params.variables for params in runs if not params.complete)
    for params in runs:
        if name in params.variables:
            yield to_cli(params.variables[name])
        elif params.complete or is_overridden:
            yield ""


def average_over(table: MetricsTable, over: Collection[str]) -> MetricsTable:
    """Return the table with one row for all runs that differ only in the variables `over`."""

    others = tuple(name for name in table.variables if name not in over)
    groups: dict[str, list[MetricsRow]] = {}
    for row in table.rows:
        key = _key({name: row.variables[name] for name in others if name in row.variables})
        groups.setdefault(key, []).append(row)
    rows = [_mean_row(rows, others) for rows in groups.values()]
    return _build_table(table.project, table.command, others, rows)._replace(metrics=table.metrics)


def _mean_row(rows: Sequence[MetricsRow], variables: Iterable[str]) -> MetricsRow:
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    values = {
        name: [row.metrics[name].value for row in rows if name in row.metrics] for name in names
    }
    means = {name: mean for name, numbers in values.items() if (mean := _mean_value(numbers))}
    seconds = _mean_value([row.seconds for row in rows if row.seconds is not None])
    return MetricsRow(
        {name: rows[0].variables[name] for name in variables if name in rows[0].variables},
        means,
        seconds.value if seconds else None,
        tuple(run for row in rows for run in row.runs),
    )


def _mean_value(values: Sequence[float]) -> MetricValue | None:
    """Return mean and sample deviation (n - 1); None without values or if a float overflows."""

    try:
        deviation = float(statistics.stdev(values)) if len(values) > 1 else None
        return MetricValue(statistics.fmean(values) if len(values) > 1 else values[0], deviation)
    except (OverflowError, IndexError):
        return None


def select_metrics(table: MetricsTable, patterns: Sequence[str]) -> MetricsTable:
    """Return the table with the metrics that match `patterns`, in their order; all without any."""

    if not patterns:
        return table
    selected = dict.fromkeys(
        name
        for pattern in patterns
        for name in table.metrics
        if name == pattern or fnmatchcase(name, pattern)
    )
    return table._replace(metrics=tuple(selected))


def differing_metrics(table: MetricsTable) -> tuple[str, ...]:
    """Return the metrics whose values are not the same in all rows, in their order."""

    return tuple(
        name for name in table.metrics if len({row.metrics.get(name) for row in table.rows}) > 1
    )


def sort_by_metric(table: MetricsTable, name: str, *, ascending: bool) -> MetricsTable:
    """Return the table sorted by a metric, which becomes the first; rows without it come last."""

    if name not in table.metrics:
        return table
    sign = 1 if ascending else -1
    rows = sorted(
        table.rows,
        key=lambda row: (
            name not in row.metrics,
            sign * row.metrics.get(name, MetricValue(0)).value,
        ),
    )
    others = (other for other in table.metrics if other != name)
    return table._replace(rows=tuple(rows), metrics=(name, *others))


def best_rows(rows: Sequence[MetricsRow], metric: str) -> frozenset[int]:
    """Return the positions of the rows with the best value; none if all values are equal."""

    values = {
        position: row.metrics[metric].value
        for position, row in enumerate(rows)
        if metric in row.metrics
    }
    if len(set(values.values())) < 2:
        return frozenset()
    best = min(values.values()) if is_lower_better(metric) else max(values.values())
    return frozenset(position for position, value in values.items() if value == best)


def natural_key(variables: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """Return a sort key: numbers by value, then texts by the numbers in them, then the rest."""

    value = variables.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value)
    if isinstance(value, str):
        parts = re.split(r"(\d{1,18})", value)
        return (1, [int(part) if n % 2 else part for n, part in enumerate(parts)])
    return (2 if name in variables else 3, json.dumps(value, sort_keys=True))


def _key(variables: Mapping[str, Any]) -> str:
    return json.dumps(variables, sort_keys=True)
