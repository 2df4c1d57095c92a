"""Contestants that run in turn, several times over, and how one stands to another.

The two cores of such a machine are never ours alone, so what counts is the ratio within a round,
and of those the median. Times are by the wall, memory is the largest of any process.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

Unit = Literal["s", "MB", "bytes", "requests"]
Figures = dict[Unit, float]
PYTHON = sys.executable
OURS = "git-spacy"


class Contestant(NamedTuple):
    """Who runs: each time, `go` says what it took; `times` a round, of which the median counts."""

    go: Callable[[], Figures]
    times: int = 1


class Budget(NamedTuple):
    """`ours` may take at most `most` times what `against` takes; with no `against`, that much more
    than `above` takes (of nothing, if there is none)."""

    ours: str
    most: float
    against: str = ""
    above: str = ""
    unit: Unit = "s"


class Row(NamedTuple):
    """A budget, and how it was kept: `found` is the median of the ratios (or of the differences),
    None where somebody was absent; `took` are the medians of both."""

    case: str
    budget: Budget
    found: float | None
    took: tuple[float | None, float | None]

    @property
    def is_met(self) -> bool | None:
        return None if self.found is None else self.found <= self.budget.most


def started(
    *command: str, cwd: Path, before: Callable[[], object] = lambda: None, times: int = 1
) -> Contestant:
    """One who is a process of its own, which must end well; `before` it is not measured."""

    def go() -> Figures:
        before()
        begun = time.perf_counter()
        _to_its_end(command, cwd)
        return {"s": time.perf_counter() - begun}

    return Contestant(go, times)


def weighed(*command: str, cwd: Path, before: Callable[[], object] = lambda: None) -> Contestant:
    """The same, and the most memory that it had at a time."""

    # a process begins with what it was forked from, so by a small one
    source = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)\n"
    )

    def go() -> Figures:
        before()
        return {"MB": float(_to_its_end((PYTHON, "-S", "-c", source, *command), cwd))}

    return Contestant(go)


def reporting(source: str, *arguments: str, cwd: Path, times: int = 1) -> Contestant:
    """A Python program that prints the seconds that what it is about took, without its start."""

    def go() -> Figures:
        return {"s": float(_to_its_end((PYTHON, "-c", source, *arguments), cwd).split()[-1])}

    return Contestant(go, times)


def _to_its_end(command: Sequence[str], cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def is_there(*programs: str) -> bool:
    """Whether these can be measured; says which cannot."""

    absent = [program for program in programs if not shutil.which(program)]
    for program in absent:
        print(f"  ({program} is absent)", flush=True)
    return not absent


def contest(
    case: str,
    contestants: Mapping[str, Contestant],
    budgets: Sequence[Budget],
    rounds: int = 5,
) -> list[Row]:
    """Run them in turn; a row for each budget. Prints as it goes."""

    print(f"\n{case}", flush=True)
    found: dict[str, list[Figures]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, one in contestants.items():
            found[name].append(_middle([one.go() for _ in range(one.times)]))
    for name, figures in found.items():
        print(f"  {name:<48} {_shown(_middle(figures))}", flush=True)
    return [_row(case, budget, found) for budget in budgets]


def _middle(figures: Sequence[Figures]) -> Figures:
    return {unit: statistics.median(one[unit] for one in figures) for unit in figures[0]}


def _row(case: str, budget: Budget, found: Mapping[str, Sequence[Figures]]) -> Row:
    ours = [one[budget.unit] for one in found[budget.ours]]
    other = budget.against or budget.above
    theirs = [one[budget.unit] for one in found.get(other, ())]
    took = statistics.median(ours), statistics.median(theirs) if theirs else None
    if other and not theirs:
        return Row(case, budget, None, took)
    if budget.against:
        each = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    else:
        each = [mine - its for mine, its in zip(ours, theirs or [0.0] * len(ours), strict=True)]
    row = Row(case, budget, statistics.median(each), took)
    word = "met" if row.is_met else "MISSED"
    print(f"    {budget.ours} / {other or 'nothing'}: {row.found:.3g} of {budget.most:.3g}: {word}")
    return row


def _shown(figures: Figures) -> str:
    return "  ".join(f"{value:12,.3f} {unit}" for unit, value in figures.items())
