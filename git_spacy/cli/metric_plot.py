"""`git spacy log --plot`: draw a metric over the history as one line of blocks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import NamedTuple

from git_spacy.cli import output
from git_spacy.cli.metrics_table import unknown_name
from git_spacy.generate.drawing.label import display_width, shorten, single_line
from git_spacy.history.commit_runs import CommitRuns
from git_spacy.history.run_record import flat_metrics, format_number

_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_LEAST, _MOST_NAME = 8, 40  # columns of the line and of the name


class PlottedMetric(NamedTuple):
    """The values that a metric had in the runs of one command, the oldest first."""

    project: str
    command: str
    metric: str
    values: tuple[float, ...]


def series(
    history: Iterable[CommitRuns], name: str | None, patterns: Sequence[str]
) -> list[PlottedMetric]:
    """Return the metrics that match `patterns`, in their order, of successful runs (of the command
    `name`) in a history that starts with the newest commit.

    Raises InvalidInput for a pattern that no metric matches.
    """

    found: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
    for commit in history:
        for run in commit.runs:
            record = run.record
            if record.exit or name not in (None, record.command):
                continue
            for metric, value in flat_metrics(record).items():
                key = record.project, record.command, metric
                found.setdefault(key, []).append((record.time, value))
    chosen: dict[tuple[str, str, str], None] = {}
    for pattern in patterns:
        matching = [key for key in found if pattern == key[2] or fnmatchcase(key[2], pattern)]
        if not matching:
            raise unknown_name("metric", pattern, dict.fromkeys(key[2] for key in found))
        chosen |= dict.fromkeys(sorted(matching))
    return [
        PlottedMetric(*key, tuple(value for _, value in sorted(found[key], key=itemgetter(0))))
        for key in chosen
    ]


def show(plotted: Sequence[PlottedMetric]) -> None:
    """Print one line per metric: its name, the values as blocks, newest at the right, their range
    and the last one."""

    levels = _BLOCKS if _can_show(_BLOCKS) else _ASCII
    with_command = len({(item.project, item.command) for item in plotted}) > 1
    names = [shorten(_name(item, with_command=with_command), _MOST_NAME) for item in plotted]
    facts = [_facts(item) for item in plotted]
    left = max(map(display_width, names), default=0)
    room = output.terminal_width() - left - max(map(len, facts), default=0) - 4
    drawn = [sparkline(item.values[-max(room, _LEAST) :], levels) for item in plotted]
    longest = max(map(len, drawn), default=0)
    for name, line, fact in zip(names, drawn, facts, strict=True):
        padding = " " * (left - display_width(name))
        output.result(f"{name}{padding}  {line:>{longest}}  {fact}")


def sparkline(values: Sequence[float], levels: str = _BLOCKS) -> str:
    """Return one character per value, between the lowest and the highest of `levels`; equal values
    are in the middle."""

    low, high = min(values, default=0), max(values, default=0)
    # halved, because the difference of two floats can be infinite
    span = high / 2 - low / 2
    if not span:
        return levels[len(levels) // 2 - 1] * len(values)
    last = len(levels) - 1
    return "".join(levels[round((value / 2 - low / 2) / span * last)] for value in values)


def _name(item: PlottedMetric, *, with_command: bool) -> str:
    command = f"{item.project}/{item.command}" if item.project else item.command
    return single_line(f"{command}: {item.metric}" if with_command else item.metric)


def _facts(item: PlottedMetric) -> str:
    values = item.values
    low, high = format_number(min(values)), format_number(max(values))
    runs = "1 run" if len(values) == 1 else f"{len(values)} runs"
    return f"{format_number(values[-1])}  (min {low}, max {high}, {runs})"


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
