"""A terminal with nobody before it: what a person would type and see."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Mapping
from pathlib import Path

from git_spacy import cli


def at_terminal(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> tuple[int, int]:
    """`git spacy …` in `folder`, on a terminal of its own: the process and the terminal."""

    source = str(Path(cli.__file__).parents[2])
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        command = [sys.executable, "-m", "git_spacy", *arguments]
        os.execve(sys.executable, command, {**(environ or os.environ), "PYTHONPATH": source})
    return pid, terminal


def shown_until(terminal: int, text: str) -> str:
    """What is shown, up to and with `text`; fails if the program ends before."""

    seen = b""
    while not seen.endswith(text.encode()):
        try:
            seen += os.read(terminal, 1)  # no more than that: the rest is for who reads next
        except OSError:
            raise AssertionError(f"it ended before it showed {text!r}: {seen!r}") from None
    return seen.decode("utf-8", "replace")


def end_of(pid: int, terminal: int) -> tuple[int, str]:
    """The exit code, and all that was shown but the terminal's own ^C."""

    seen = b""
    try:
        while chunk := os.read(terminal, 1024):
            seen += chunk
    except OSError:
        pass  # the other side is gone
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode("utf-8", "replace").replace("^C", "")
