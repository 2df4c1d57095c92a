"""Benchmarks of long workflows: the time of one command must not depend on their number."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.contest import (
    OURS,
    Budget,
    Contestant,
    Figures,
    Row,
    contest,
    is_installed,
    timed,
)
from tests.testing.projects import project
from tests.testing.repositories import git

SHORT, LONG = 100, 800
VARIANTS = 400


def chain(folder: Path, commands: int) -> Path:
    """Create a committed project of `commands` commands, each of which reads the output of the
    one before it."""

    text = "commands:\n" + "".join(
        f"  - {{name: c{number}, script: [cp f{number} f{number + 1}], deps: [f{number}],"
        f" outputs: [f{number + 1}]}}\n"
        for number in range(commands)
    )
    steps = ", ".join(f"c{number}" for number in range(commands))
    made = project(folder / f"chain-{commands}", f"{text}workflows: {{all: [{steps}]}}\n")
    (made / "f0").write_text("data\n")
    git(made, "init", "-q")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "Begin")
    return made


def clear(made: Path) -> Callable[[], object]:
    """Return what removes everything that a run of a chain wrote, its records included."""

    def remove() -> None:
        git(made, "clean", "-qfdx")
        shutil.rmtree(made / ".git/spacy", ignore_errors=True)
        git(made, "update-ref", "-d", "refs/notes/spacy")

    return remove


def per_command(contestant: Contestant, commands: int) -> Contestant:
    """Divide the time of a run by the number of its commands."""

    def measure() -> Figures:
        return {unit: amount / commands for unit, amount in contestant.measure().items()}

    return Contestant(measure, contestant.times)


def scale(folder: Path) -> list[Row]:
    """Run chains of 100 and 800 short commands, first and with nothing to do, and 400 variants."""

    made = {commands: chain(folder, commands) for commands in (SHORT, LONG)}
    contestants = {}
    for commands, root in made.items():
        first = timed(OURS, "run", "all", cwd=root, before=clear(root))
        contestants[f"first run of {commands}, a command"] = per_command(first, commands)
        contestants[f"no-op of {commands}, a command"] = per_command(
            timed(OURS, "run", "all", cwd=root), commands
        )
    contestants[f"no-op of {LONG}"] = timed(OURS, "run", "all", cwd=made[LONG])
    contestants[f"status of {LONG}"] = timed(OURS, "status", cwd=made[LONG])
    contestants["script of a command"] = _script(folder)
    contestants[f"{VARIANTS} variants, a variant"] = per_command(_variants(folder), VARIANTS)
    if is_installed("weasel"):
        weasel = timed("weasel", "run", "all", cwd=made[SHORT], before=clear(made[SHORT]))
        contestants[f"weasel's first run of {SHORT}, a command"] = per_command(weasel, SHORT)
    first, none = f"first run of {LONG}, a command", f"no-op of {LONG}, a command"
    budgets = [
        Budget(first, 1.3, f"first run of {SHORT}, a command"),
        Budget(none, 1.3, f"no-op of {SHORT}, a command"),
        Budget(f"no-op of {LONG}", 3, f"status of {LONG}"),
        Budget(first, 0.015, above="script of a command"),
        Budget(f"{VARIANTS} variants, a variant", 1.3, f"first run of {SHORT}, a command"),
    ]
    if is_installed("weasel"):
        budgets.append(
            Budget(
                f"first run of {SHORT}, a command",
                1,
                f"weasel's first run of {SHORT}, a command",
            )
        )
    return contest("long workflows", contestants, budgets, rounds=3)


def _script(folder: Path) -> Contestant:
    """Measure what a script costs without git-spacy: the same program, 100 times."""

    (folder / "from").write_text("data\n")

    def measure() -> Figures:
        started = time.perf_counter()
        for _ in range(SHORT):
            subprocess.run(("cp", "from", "to"), cwd=folder, check=True)
        return {"s": (time.perf_counter() - started) / SHORT}

    return Contestant(measure)


def _variants(folder: Path) -> Contestant:
    """Measure a matrix of 400 variants of one command."""

    text = (
        "vars: {n: 0}\n"
        "commands:\n"
        "  - name: one\n"
        "    script: ['cp f0 out-${vars.n}']\n"
        "    deps: [f0]\n"
        "    outputs: ['out-${vars.n}']\n"
    )
    made = project(folder / "variants", text)
    (made / "f0").write_text("data\n")
    git(made, "init", "-q")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "Begin")
    axis = "vars.n=" + ",".join(map(str, range(VARIANTS)))
    return timed(OURS, "run", "one", "--matrix", axis, "--jobs", "1", cwd=made, before=clear(made))
