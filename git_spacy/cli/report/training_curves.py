"""Read how the scores of spaCy's models grew during training, from the logs of runs.

Logs are kept on the machine of their run only, so the same report has no curves elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from git_spacy.history import training_table
from git_spacy.history.run_diff import VariantRun
from git_spacy.history.run_ids import run_id
from git_spacy.history.run_logs import RunLog
from git_spacy.history.run_record import format_number
from git_spacy.history.training_table import TrainingTable

_MAX_COMMANDS = 5
_MAX_RUNS = 5  # curves of one command
_MAX_LOGS = 20  # read for one command
TOTAL = "score"
"""The column with the weighted mean of the scores."""


class TrainingRun(NamedTuple):
    """The last training in the log of the run that has this number in `ReportContent.runs`."""

    number: int
    table: TrainingTable


class TrainingCurves(NamedTuple):
    """The trainings of one command, the newest run first."""

    command: str
    runs: tuple[TrainingRun, ...]


def read_curves(
    runs: Sequence[VariantRun], logs: Mapping[str, RunLog]
) -> tuple[TrainingCurves, ...]:
    """Return the curves of the latest runs whose logs have spaCy's table.

    `runs` are the newest first, `logs` are by the ids of runs.
    """

    if not logs:
        return ()
    found: dict[str, list[TrainingRun]] = {}
    read: dict[str, int] = {}
    for number, run in enumerate(runs):
        command = run.record.command
        log = logs.get(run_id(run.record))
        if log is None or read.get(command, 0) == _MAX_LOGS:
            continue
        read[command] = read.get(command, 0) + 1
        tables = []
        with suppress(OSError):  # removed since, to make room for newer ones
            tables = training_table.parse(log.path.read_text("utf-8", "replace"))
        if tables and len(tables[-1].steps) > 1 and len(found.get(command, ())) < _MAX_RUNS:
            found.setdefault(command, []).append(TrainingRun(number, tables[-1]))
    return tuple(TrainingCurves(name, tuple(of_it)) for name, of_it in found.items())[
        :_MAX_COMMANDS
    ]


def columns(curves: TrainingCurves) -> list[str]:
    """Return the columns of the newest run: the weighted score, other scores, then losses."""

    names = list(dict.fromkeys(curves.runs[0].table.columns))
    return sorted(names, key=lambda name: (name != TOTAL, name.startswith("loss")))


def summary(run: TrainingRun, column: str = TOTAL) -> str:
    """Say what a column came to: spaCy keeps the model with the best score, whatever the losses."""

    known = points(run, column)
    if not known:
        return ""
    last = run.table.steps[-1]
    if column.startswith("loss"):
        return f"{format_number(known[-1][1])} at the last step ({last})"
    step, value = max(known, key=lambda point: (point[1], -point[0]))
    return f"best {format_number(value)} at step {step} of {last}"


def points(run: TrainingRun, column: str) -> list[tuple[int, float]]:
    """Return steps and the values of a column that are numbers; none if it does not exist."""

    table = run.table
    if column not in table.columns:
        return []
    place = table.columns.index(column)
    pairs = zip(table.steps, (row[place] for row in table.rows), strict=True)
    return [(step, value) for step, value in pairs if math.isfinite(value)]
