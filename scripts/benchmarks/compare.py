"""Compares git-spacy of another revision with that of the working tree, by the same cases.

Both versions take turns on the same data, and go first in every other round. Before it is measured,
each runs once, since it may keep its caches in another format.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.contest import Contestant, Figures, Unit

ROOT = Path(__file__).parents[2]
MIN_ROUNDS = 9  # fewer do not tell a difference of a few percent from noise
_CONFIDENCE = 0.95


class Change(NamedTuple):
    """How much more a contestant takes in the working tree than in the other revision.

    `ratio` is the median of the ratios within each round; were there no end to the rounds, it would
    be between `low` and `high` (with a confidence of 95 %, or what so few rounds allow).
    """

    case: str
    name: str
    unit: Unit
    old: float
    new: float
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        if self.low <= 1 <= self.high:
            return "no difference found"
        return "less" if self.ratio < 1 else "more"


class Comparison:
    """Measures contestants in both versions; `old` is a folder with the other `git_spacy`."""

    def __init__(self, old: Path, rounds: int | None = None) -> None:
        self.changes: list[Change] = []
        self._versions = (old, ROOT)
        self._rounds = rounds

    def measure(self, case: str, contestants: Mapping[str, Contestant], rounds: int) -> None:
        """Measure the contestants, print how they changed, and remember it."""

        print(f"\n{case}", flush=True)
        for name, contestant in contestants.items():
            measured = self._measure(contestant, self._rounds or max(rounds, MIN_ROUNDS))
            for unit in measured[0][0]:
                change = _change(case, name, unit, measured)
                print(f"  {_as_text(change)}", flush=True)
                self.changes.append(change)

    def _measure(self, contestant: Contestant, rounds: int) -> list[tuple[Figures, Figures]]:
        """Return the figures of both versions for each round."""

        measured = []
        for number in range(rounds):
            in_order = self._versions if number % 2 else self._versions[::-1]
            figures = {version: _median_of_runs(contestant, version) for version in in_order}
            measured.append((figures[self._versions[0]], figures[self._versions[1]]))
        return measured


def _median_of_runs(contestant: Contestant, version: Path) -> Figures:
    with _import_from(version):
        contestant.measure()  # not counted
        runs = [contestant.measure() for _ in range(contestant.times)]
    return {unit: statistics.median(figures[unit] for figures in runs) for unit in runs[0]}


@contextmanager
def _import_from(folder: Path) -> Iterator[None]:
    """Let child processes import `git_spacy` from this folder."""

    os.environ["PYTHONPATH"] = str(folder)
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]


def _change(
    case: str, name: str, unit: Unit, measured: Sequence[tuple[Figures, Figures]]
) -> Change:
    old, new = zip(*((before[unit], after[unit]) for before, after in measured), strict=True)
    ratios = [after / before for before, after in zip(old, new, strict=True) if before]
    middle = statistics.median(ratios or [1.0])
    low, high = interval(ratios or [1.0])
    return Change(
        case, name, unit, statistics.median(old), statistics.median(new), middle, low, high
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest interval between two of the values, the same number of them from either
    end, that has the median of what they are drawn from with a confidence of 95 %.

    This needs no more than that they are independent: each is below the median with a probability
    of one half. For less than six values, return the least and the greatest.
    """

    in_order = sorted(values)
    count, outside = len(in_order), 0
    probability = 2 * 0.5**count  # that the median is beyond all values
    while probability + 2 * math.comb(count, outside + 1) * 0.5**count <= 1 - _CONFIDENCE:
        outside += 1
        probability += 2 * math.comb(count, outside) * 0.5**count
    return in_order[outside], in_order[-1 - outside]


def extract(revision: str, folder: Path) -> Path:
    """Write the package of a revision to `folder`, and return it."""

    arguments = ("git", "-C", str(ROOT), "archive", "--format=tar", revision, "git_spacy")
    archive = subprocess.run(arguments, capture_output=True, check=False)
    if archive.returncode:
        sys.exit(f"scripts/bench: unknown revision '{revision}': {archive.stderr.decode().strip()}")
    folder.mkdir()
    subprocess.run(("tar", "-x", "-C", str(folder)), input=archive.stdout, check=True)
    return folder


def as_table(changes: Sequence[Change], revision: str) -> str:
    """Format the changes as a Markdown table."""

    lines = [
        f"| Case | | {revision} | working tree | ratio | 95 % | |",
        "|---|---|---|---|---|---|---|",
    ]
    for change in changes:
        amounts = (f"{amount:.4g} {change.unit}" for amount in (change.old, change.new))
        cells = (change.case, change.name, *amounts, f"{change.ratio:.3f}")
        lines.append(
            f"| {' | '.join(cells)} | {change.low:.3f}–{change.high:.3f} | {change.verdict} |"
        )
    return "\n".join(lines)


def _as_text(change: Change) -> str:
    return (
        f"{change.name:<28} {change.old:10.4f} → {change.new:10.4f} {change.unit:<6} "
        f"{change.ratio:.3f}× ({change.low:.3f}–{change.high:.3f})  {change.verdict}"
    )
