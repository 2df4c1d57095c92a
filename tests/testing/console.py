"""Run the console sessions of the documents in a real shell and compare the output.

A line with `$ ` is a command, the lines below it are its output, and `...` stands for omitted lines.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "\x01"


class Typed(NamedTuple):
    """A command (whose further lines start with `> `) and the output that the document shows."""

    command: str
    shown: tuple[str, ...]


def fences(document: Path) -> list[tuple[str, str]]:
    """Return (language, text) of each code block."""

    return FENCE.findall(document.read_text())


def session(document: Path) -> list[Typed]:
    """Return the commands in the `console` blocks of a document, which are one session."""

    found: list[Typed] = []
    for language, text in fences(document):
        if language != "console":
            continue
        for line in text.splitlines():
            if line.startswith("$ "):
                found.append(Typed(line[2:], ()))
            elif line.startswith("> ") and not found[-1].shown:
                found[-1] = Typed(f"{found[-1].command}\n{line[2:]}", ())
            else:
                found[-1] = found[-1]._replace(shown=(*found[-1].shown, line))
    return found


def run_commands(commands: list[str], folder: Path) -> list[tuple[int, list[str]]]:
    """Run the commands in one shell in `folder`; return the exit code and output of each."""

    script = "".join(f"{command}\nprintf '{_MARK}%s\\n' $?\n" for command in commands)
    done = subprocess.run(
        ("bash", "-c", f"exec 2>&1\n{script}"), cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    found: list[tuple[int, list[str]]] = []
    lines: list[str] = []
    for line in done.stdout.splitlines():
        before, mark, code = line.partition(_MARK)
        if mark:
            found.append((int(code), [*lines, before] if before else lines))
            lines = []
        else:
            lines.append(line)
    return found


def normalized(line: str) -> str:
    """Replace what differs between runs in a line: ids, dates, durations and column widths."""

    line = re.sub(re.escape(os.environ["HOME"]), "~", line)
    line = re.sub(r"\b[0-9a-f]{7,64}\b", "ID", line)
    line = re.sub(r"\b\d{4}-\d\d-\d\d( \d\d:\d\d)?\b", "DATE", line)
    line = re.sub(r"\b\d+(\.\d+)?( min \d+)? s\b", "TIME", line)
    return " ".join(line.split())


def matches_document(shown: tuple[str, ...], lines: list[str]) -> bool:
    """Return whether the output of a command matches a document.

    `...` in the document matches any lines; no lines at all match any output.
    """

    wanted = [normalized(line) for line in shown if line.strip()]
    seen = [normalized(line) for line in lines if line.strip()]
    if not wanted:
        return True
    if "..." not in wanted:
        return wanted == seen
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in seen)) is not None
