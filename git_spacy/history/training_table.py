"""Read the tables that spaCy prints while it trains, from what the script of a run has printed.

The format is that of `spacy.ConsoleLogger.v1` to `v3` (spacy/training/loggers.py): a line with the
titles `E` (epoch), `#` (step), `LOSS …` for each component, the scores and `SCORE`; a line of
hyphens, which shows how wide the columns are; and a row of numbers for each evaluation.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_RULE = re.compile(r"-{3,}(?:  ?-+){2,} *")
_NUMBER = r"(?:-?[0-9]{1,18}(?:\.[0-9]{1,18})?|nan|-?inf)"
_ROW = re.compile(rf" *([0-9]{{1,18}}) +([0-9]{{1,18}})((?: +{_NUMBER})+) *")


class TrainingTable(NamedTuple):
    """The rows of one training.

    `columns` are the titles after those of epoch and step, in lower case: `loss ner`, `ents_f`,
    `score`. `rows[i]` has a number for each of them after `steps[i]` steps: losses,
    scores as percentages, and their weighted mean `score` from 0 to 1.
    """

    columns: tuple[str, ...]
    steps: tuple[int, ...]
    rows: tuple[tuple[float, ...], ...]


class TrainingRow(NamedTuple):
    """One row of a table: the number of the table (from 0), its columns, the step, the numbers."""

    table: int
    columns: tuple[str, ...]
    step: int
    numbers: tuple[float, ...]


class TableReader:
    """Finds the rows of tables in lines that are read one after another."""

    def __init__(self) -> None:
        self._columns: tuple[str, ...] = ()
        self._before = ""
        self._table = -1

    def read_line(self, raw: str) -> TrainingRow | None:
        """Return the row that a line is, or None for any other line."""

        # what is before a carriage return is a progress bar that was removed
        line = _ESCAPE_SEQUENCE.sub("", raw).rstrip("\r").rpartition("\r")[2]
        row = None
        if _RULE.fullmatch(line):
            self._columns = _columns(self._before, line)
            self._table += bool(self._columns)
        elif self._columns and (match := _ROW.fullmatch(line)):
            numbers = tuple(map(float, match[3].split()))
            if len(numbers) == len(self._columns):
                row = TrainingRow(self._table, self._columns, int(match[2]), numbers)
        self._before = line
        return row


def parse(text: str) -> list[TrainingTable]:
    """Return the tables in a log that have rows, the first one first."""

    reader = TableReader()
    rows = filter(None, map(reader.read_line, text.split("\n")))
    tables = (list(group) for _, group in groupby(rows, key=lambda row: row.table))
    return [
        TrainingTable(
            table[0].columns,
            tuple(row.step for row in table),
            tuple(row.numbers for row in table),
        )
        for table in tables
    ]


def _columns(titles: str, rule: str) -> tuple[str, ...]:
    """Return the titles after `E` and `#`, which are as wide as the hyphens below them; none if the
    table is not spaCy's."""

    found = [titles[mark.start() : mark.end()].strip() for mark in re.finditer("-+", rule)]
    return tuple(title.lower() for title in found[2:]) if found[:2] == ["E", "#"] else ()
