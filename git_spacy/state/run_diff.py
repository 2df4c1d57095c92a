"""Runs beside each other: a table for each command, a row for each set of variables. Pure.

Of each set the last run that succeeded counts. A column is a variable in which rows differ, or a
number that a run left in a JSON file. Which of two numbers is the better one nobody has said; where
a name speaks of loss or error the lowest is marked, else the highest.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from git_spacy.git.notes import AnnotatedCommit
from git_spacy.project.matrix import to_cli
from git_spacy.state.run_history import RecordedRun
from git_spacy.state.run_params import RunParams
from git_spacy.state.run_record import RunRecord

_LOWER_IS_BETTER = {
    *("loss", "losses", "error", "errors", "err", "cost", "perplexity", "ppl", "wer", "cer"),
    *("mae", "mse", "rmse", "time", "seconds", "duration", "latency"),
}


class VariantRun(NamedTuple):
    """A run, the commit that it is of, and what its variables were."""

    run: RecordedRun
    commit: AnnotatedCommit
    params: RunParams

    @property
    def record(self) -> RunRecord:
        return self.run.record


class MetricValue(NamedTuple):
    """A number, or the mean of some and their standard deviation."""

    value: float
    deviation: float | None = None


class MetricsRow(NamedTuple):
    """One run, or those of which it has the means; `seconds` is None if nothing was run for it."""

    variables: Mapping[str, Any]
    metrics: Mapping[str, MetricValue]
    seconds: float | None
    runs: tuple[VariantRun, ...]


class MetricsTable(NamedTuple):
    """The runs of one command of one project: the variables in which they differ, all their
    metrics, those of the top level first, and the rows, by their variables."""

    project: str
    command: str
    variables: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[MetricsRow, ...]


class Comparison(NamedTuple):
    """A table for each command that has metrics; the commands that have none; and of each command
    and set of variables whose last run failed, that run."""

    tables: tuple[MetricsTable, ...]
    without_metrics: tuple[str, ...]
    failed: tuple[VariantRun, ...]


def compare(tried: Iterable[VariantRun]) -> Comparison:
    """What there is to compare among runs, the newest first."""

    last: dict[tuple[str, ...], VariantRun] = {}
    good: dict[tuple[str, str], dict[tuple[str, ...], VariantRun]] = {}
    for one in tried:
        record = one.record
        key = record.project, record.command, _key(one.params.variables)
        last.setdefault(key, one)
        if record.exit == 0:
            good.setdefault(key[:2], {}).setdefault(key, one)
    # (the first command of a pipeline ran first)
    tables = {name: _table(*name, tuple(some.values())) for name, some in reversed(good.items())}
    return Comparison(
        tuple(table for table in tables.values() if table.metrics),
        tuple(table.command for table in tables.values() if not table.metrics),
        tuple(one for one in last.values() if one.record.exit),
    )


def _table(project: str, command: str, some: Sequence[VariantRun]) -> MetricsTable:
    measured = [one for one in some if any(one.record.metrics.values())]
    return _build_table(project, command, differing_variables(measured), list(map(_row, measured)))


def _build_table(
    project: str, command: str, variables: tuple[str, ...], rows: Sequence[MetricsRow]
) -> MetricsTable:
    metrics = dict.fromkeys(name for row in rows for name in row.metrics)
    by_depth = sorted(metrics, key=lambda name: name.count("."))
    in_order = sorted(
        rows, key=lambda row: [natural_key(row.variables, name) for name in variables]
    )
    return MetricsTable(project, command, variables, tuple(by_depth), tuple(in_order))


def _row(one: VariantRun) -> MetricsRow:
    record = one.record
    seconds = record.seconds if record.how == "run" else None
    metrics = {name: MetricValue(value) for name, value in flat_metrics(record).items()}
    return MetricsRow(one.params.variables, metrics, seconds, (one,))


def flat_metrics(record: RunRecord) -> dict[str, float]:
    """All numbers of a run, by dotted name; where two files have it, with what tells the files
    apart before it: that is the same for all variants, whatever their folders are called."""

    of_file = dict(zip(record.metrics, _distinguishing_parts(list(record.metrics)), strict=True))
    times = Counter(name for inner in record.metrics.values() for name in inner)
    return {
        name if times[name] == 1 else f"{of_file[file]}:{name}": value
        for file, inner in record.metrics.items()
        for name, value in inner.items()
    }


def _distinguishing_parts(files: Sequence[str]) -> Sequence[str]:
    """`dev` and `test` of `1/dev/scores.json` and `1/test/scores.json`."""

    pieces = [re.split(r"([/._-])", file) for file in files]
    while len({one[0] for one in pieces if one}) == 1 and all(len(one) > 1 for one in pieces):
        pieces = [one[1:] for one in pieces]
    while len({one[-1] for one in pieces if one}) == 1 and all(len(one) > 1 for one in pieces):
        pieces = [one[:-1] for one in pieces]
    short = ["".join(one).strip("/._-") for one in pieces]
    return short if all(short) and len(set(short)) == len(files) else files


def differing_variables(some: Sequence[VariantRun]) -> tuple[str, ...]:
    """The variables in which runs differ. What nobody knows of a run is no difference, unless
    another one was given it."""

    names = dict.fromkeys(name for one in some for name in one.params.variables)
    return tuple(name for name in names if len(set(_values_of(some, name))) > 1)


def _values_of(some: Iterable[VariantRun], name: str) -> Iterator[str]:
    is_given = any(name in one.params.variables for one in some if not one.params.complete)
    for one in some:
        if name in one.params.variables:
            yield to_cli(one.params.variables[name])
        elif one.params.complete or is_given:
            yield ""


def average_over(table: MetricsTable, over: Collection[str]) -> MetricsTable:
    """The same, a row for all runs that differ in nothing but the variables `over`."""

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
    found = {name: figure for name, some in values.items() if (figure := _mean_value(some))}
    seconds = _mean_value([row.seconds for row in rows if row.seconds is not None])
    return MetricsRow(
        {name: rows[0].variables[name] for name in variables if name in rows[0].variables},
        found,
        seconds.value if seconds else None,
        tuple(one for row in rows for one in row.runs),
    )


def _mean_value(values: Sequence[float]) -> MetricValue | None:
    """The mean and the deviation of a sample (n - 1); None of nothing, and beyond any float."""

    try:
        deviation = float(statistics.stdev(values)) if len(values) > 1 else None
        return MetricValue(statistics.fmean(values) if len(values) > 1 else values[0], deviation)
    except (OverflowError, IndexError):
        return None


def select_metrics(table: MetricsTable, patterns: Sequence[str]) -> MetricsTable:
    """The same with those metrics only that one of `patterns` means, in their order; none: all."""

    if not patterns:
        return table
    found = dict.fromkeys(
        name for one in patterns for name in table.metrics if name == one or fnmatchcase(name, one)
    )
    return table._replace(metrics=tuple(found))


def sort_by_metric(table: MetricsTable, name: str, *, ascending: bool) -> MetricsTable:
    """The same, its rows by that metric, which comes first; those without it last."""

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


def is_lower_better(metric: str) -> bool:
    """Whether its name says so: `loss.ner`, `mean_squared_error`."""

    return not _LOWER_IS_BETTER.isdisjoint(re.split(r"[^a-z]+", metric.lower()))


def best_rows(rows: Sequence[MetricsRow], metric: str) -> frozenset[int]:
    """The numbers of the rows that have the best value; none where all are alike."""

    values = {n: row.metrics[metric].value for n, row in enumerate(rows) if metric in row.metrics}
    if len(set(values.values())) < 2:
        return frozenset()
    most = min(values.values()) if is_lower_better(metric) else max(values.values())
    return frozenset(number for number, value in values.items() if value == most)


def natural_key(variables: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """What to sort by: numbers as numbers, then texts and the numbers in them, then the rest."""

    value = variables.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value)
    if isinstance(value, str):
        parts = re.split(r"(\d{1,18})", value)
        return (1, [int(part) if n % 2 else part for n, part in enumerate(parts)])
    return (2 if name in variables else 3, json.dumps(value, sort_keys=True))


def _key(variables: Mapping[str, Any]) -> str:
    return json.dumps(variables, sort_keys=True)
