"""Run git-spacy on a pseudo-terminal."""

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
    """Start `git spacy …` in `folder` on a new terminal; return the process id and the terminal."""

    source = str(Path(cli.__file__).parents[2])
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        command = [sys.executable, "-m", "git_spacy", *arguments]
        os.execve(sys.executable, command, {**(environ or os.environ), "PYTHONPATH": source})
    return pid, terminal


def read_until(terminal: int, text: str) -> str:
    """Return the output up to and including `text`; fail if the program exits first."""

    seen = b""
    while not seen.endswith(text.encode()):
        try:
            seen += os.read(terminal, 1)  # leave the rest to the next reader
        except OSError:
            raise AssertionError(f"the program exited without {text!r}: {seen!r}") from None
    return seen.decode("utf-8", "replace")


def wait_for_exit(pid: int, terminal: int) -> tuple[int, str]:
    """Return the exit code and the remaining output, without the ^C that the terminal echoes."""

    seen = b""
    try:
        while chunk := os.read(terminal, 1024):
            seen += chunk
    except OSError:
        pass  # the program exited
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode("utf-8", "replace").replace("^C", "")
