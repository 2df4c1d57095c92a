"""What was found, as a table, as JSON, and in a document."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.contest import Row

BEGIN, END = "<!-- scripts/bench writes this -->", "<!-- as far as here -->"
_PEERS = ("weasel", "dvc", "pre-commit")


def machine() -> dict[str, object]:
    """What it was measured on."""

    model = next(
        (
            line.partition(":")[2].strip()
            for line in _read("/proc/cpuinfo").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    root = Path(__file__).parents[2]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _said("git", "-C", str(root), "rev-parse", "--short", "HEAD"),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "git": _said("git", "--version").removeprefix("git version "),
        **{name: _version(name) for name in _PEERS},
    }


def as_json(rows: Sequence[Row], where: dict[str, object]) -> str:
    """All of it for machines, in one line."""

    found = [
        {
            "case": row.case,
            **row.budget._asdict(),
            "found": row.found and float(f"{row.found:.4g}"),
            "took": [one and float(f"{one:.4g}") for one in row.took],
            "met": row.is_met,
        }
        for row in rows
    ]
    return json.dumps({"machine": where, "rows": found})


def as_table(rows: Sequence[Row]) -> str:
    """The same for people, in Markdown."""

    lines = ["| Case | Ours | Against | Found | Budget | |", "|---|---|---|---|---|---|"]
    case = ""
    for row in rows:
        budget = row.budget
        mine, its = (_amount(one, budget.unit) for one in row.took)
        other = budget.against or (f"above {budget.above}" if budget.above else "")
        if row.found is None:
            found = "absent"
        elif budget.against:
            found = _times(row.found)
        else:
            found = _amount(row.found, budget.unit)
        most = _times(budget.most) if budget.against else _amount(budget.most, budget.unit)
        met = {True: "", False: "**missed**", None: ""}[row.is_met]
        name = row.case if row.case != case else ""
        case = row.case
        against = f"{other}: {its}" if other else "–"
        lines.append(f"| {name} | {budget.ours}: {mine} | {against} | {found} | ≤ {most} | {met} |")
    return "\n".join(lines)


def write(document: Path, rows: Sequence[Row], where: dict[str, object]) -> None:
    """Put the table into `document`, in the place of the last one."""

    text = document.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{document}: no place for the table between '{BEGIN}' and '{END}'")
    told = ", ".join(f"{name} {value}" for name, value in where.items())
    parts = [before + BEGIN, as_table(rows), f"Measured on: {told}.", END + after]
    document.write_text("\n\n".join(parts), "utf-8")


def _times(value: float) -> str:
    return f"1/{1 / value:.3g}" if value < 0.7 else f"{value:.3g}×"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "absent"
    if unit == "bytes":
        return f"{value / 1e6:.3g} MB" if value >= 1e6 else f"{value / 1e3:.3g} kB"
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} {unit}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
