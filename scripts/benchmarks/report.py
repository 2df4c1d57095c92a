"""Formats the results as a table and as JSON, and writes the table to a document."""

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

BEGIN, END = "<!-- begin: written by scripts/bench -->", "<!-- end: written by scripts/bench -->"
_PEERS = ("weasel", "dvc", "pre-commit")


def describe_machine() -> dict[str, object]:
    """Return the hardware, the system and the versions of the tools."""

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
        "commit": _output("git", "-C", str(root), "rev-parse", "--short", "HEAD"),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "git": _output("git", "--version").removeprefix("git version "),
        **{name: _version(name) for name in _PEERS},
    }


def as_json(rows: Sequence[Row], machine: dict[str, object]) -> str:
    """Format the results as one line of JSON."""

    results = [
        {
            "case": row.case,
            **row.budget._asdict(),
            "found": row.found and float(f"{row.found:.4g}"),
            "took": [median and float(f"{median:.4g}") for median in row.took],
            "met": row.is_met,
        }
        for row in rows
    ]
    return json.dumps({"machine": machine, "rows": results})


def as_table(rows: Sequence[Row]) -> str:
    """Format the results as a Markdown table."""

    lines = ["| Case | Ours | Against | Found | Budget | |", "|---|---|---|---|---|---|"]
    case = ""
    for row in rows:
        budget = row.budget
        ours, theirs = (_amount(median, budget.unit) for median in row.took)
        other = budget.against or (f"above {budget.above}" if budget.above else "")
        if row.found is None:
            found = "not installed"
        elif budget.against:
            found = _times(row.found)
        else:
            found = _amount(row.found, budget.unit)
        most = _times(budget.most) if budget.against else _amount(budget.most, budget.unit)
        met = {True: "", False: "**missed**", None: ""}[row.is_met]
        name = row.case if row.case != case else ""
        case = row.case
        against = f"{other}: {theirs}" if other else "–"
        lines.append(f"| {name} | {budget.ours}: {ours} | {against} | {found} | ≤ {most} | {met} |")
    return "\n".join(lines)


def write(document: Path, rows: Sequence[Row], machine: dict[str, object]) -> None:
    """Replace the table in `document`."""

    text = document.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{document}: markers '{BEGIN}' and '{END}' not found")
    description = ", ".join(f"{name} {value}" for name, value in machine.items())
    parts = [before + BEGIN, as_table(rows), f"Measured on: {description}.", END + after]
    document.write_text("\n\n".join(parts), "utf-8")


def _times(value: float) -> str:
    return f"1/{1 / value:.3g}" if value < 0.7 else f"{value:.3g}×"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "not installed"
    if unit == "bytes":
        return f"{value / 1e6:.3g} MB" if value >= 1e6 else f"{value / 1e3:.3g} kB"
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} {unit}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
