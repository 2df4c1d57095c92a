"""Runs contestants alternately in several rounds, and compares their results.

The machine is usually shared, so the result is the median of the ratios within each round. Times
are wall-clock times; memory is the maximum of any single process.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.compare import Comparison

Unit = Literal["s", "CPU s", "MB", "bytes", "requests"]
Figures = dict[Unit, float]
PYTHON = sys.executable
OURS = "git-spacy"

comparison: Comparison | None = None
"""With `--compare`, what measures our contestants, instead of a contest."""


class Contestant(NamedTuple):
    """A program to measure: `measure` runs it once. The result of a round is the median of `times`
    runs."""

    measure: Callable[[], Figures]
    times: int = 1


class Budget(NamedTuple):
    """The limit for the contestant `ours`.

    It may take at most `most` times as much as the contestant `against`; without that, at most
    `most` more than the contestant `above`, or `most` in total.
    """

    ours: str
    most: float
    against: str = ""
    above: str = ""
    unit: Unit = "s"


class Row(NamedTuple):
    """A budget and its result: `found` is the median of the ratios (or of the differences), or None
    if a contestant is missing; `took` are the medians of both contestants."""

    case: str
    budget: Budget
    found: float | None
    took: tuple[float | None, float | None]

    @property
    def is_met(self) -> bool | None:
        return None if self.found is None else self.found <= self.budget.most


def timed(
    *command: str, cwd: Path, before: Callable[[], object] = lambda: None, times: int = 1
) -> Contestant:
    """Measure the time of a process, which must succeed, and the processor time of it and its
    children; the time of `before` does not count."""

    def measure() -> Figures:
        before()
        used, started = _used_by_children(), time.perf_counter()
        _run(command, cwd)
        return {"s": time.perf_counter() - started, "CPU s": _used_by_children() - used}

    return Contestant(measure, times)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory(
    *command: str, cwd: Path, before: Callable[[], object] = lambda: None
) -> Contestant:
    """Measure the peak memory of a process, which must succeed."""

    # started by a small process, since ru_maxrss includes the memory of the forking process
    source = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)\n"
    )

    def measure() -> Figures:
        before()
        return {"MB": float(_run((PYTHON, "-S", "-c", source, *command), cwd))}

    return Contestant(measure)


def self_timed(source: str, *arguments: str, cwd: Path, times: int = 1) -> Contestant:
    """Run a Python program that prints the seconds it measured itself, without its start-up."""

    def measure() -> Figures:
        return {"s": float(_run((PYTHON, "-c", source, *arguments), cwd).split()[-1])}

    return Contestant(measure, times)


def _run(command: Sequence[str], cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def is_installed(*programs: str) -> bool:
    """Return whether all programs are installed, and report the missing ones."""

    missing = [program for program in programs if not shutil.which(program)]
    for program in missing:
        print(f"  ({program} is not installed)", flush=True)
    return not missing


def contest(
    case: str,
    contestants: Mapping[str, Contestant],
    budgets: Sequence[Budget],
    rounds: int = 5,
) -> list[Row]:
    """Run the contestants alternately, and return a row for each budget. Prints the results."""

    if comparison:
        ours = {budget.ours for budget in budgets}
        chosen = {name: contestant for name, contestant in contestants.items() if name in ours}
        comparison.measure(case, chosen, rounds)
        return []
    print(f"\n{case}", flush=True)
    results: dict[str, list[Figures]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            runs = [contestant.measure() for _ in range(contestant.times)]
            results[name].append(_median(runs))
    for name, figures in results.items():
        print(f"  {name:<48} {_format(_median(figures))}", flush=True)
    return [_row(case, budget, results) for budget in budgets]


def _median(runs: Sequence[Figures]) -> Figures:
    return {unit: statistics.median(figures[unit] for figures in runs) for unit in runs[0]}


def _row(case: str, budget: Budget, results: Mapping[str, Sequence[Figures]]) -> Row:
    ours = [figures[budget.unit] for figures in results[budget.ours]]
    other = budget.against or budget.above
    theirs = [figures[budget.unit] for figures in results.get(other, ())]
    took = statistics.median(ours), statistics.median(theirs) if theirs else None
    if other and not theirs:
        return Row(case, budget, None, took)
    if budget.against:
        rounds = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    else:
        rounds = [mine - its for mine, its in zip(ours, theirs or [0.0] * len(ours), strict=True)]
    row = Row(case, budget, statistics.median(rounds), took)
    word = "met" if row.is_met else "MISSED"
    print(f"    {budget.ours} / {other or 'nothing'}: {row.found:.3g} of {budget.most:.3g}: {word}")
    return row


def _format(figures: Figures) -> str:
    return "  ".join(f"{value:12,.3f} {unit}" for unit, value in figures.items())
