"""Processes on this machine, each script line in a process group of its own.

A group of its own so that Ctrl-C and SIGTERM end everything that the line started and nothing
else. On a terminal that group gets the terminal, as a shell gives it to a job: an annotation tool
or a debugger in a script works as if it had been typed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from git_spacy.errors import Interrupted, ScriptFailed
from git_spacy.run.script import Step

GRACE = 5.0  # seconds between asking a group to end and ending it


class LocalExecutor:
    """Runs steps here, one at a time."""

    def run(self, step: Step, root: Path, environ: Mapping[str, str]) -> int:
        process = _start(step, root, environ)
        with _terminal_for(process.pid) as terminal:
            try:
                code = _wait(process, terminal)
            except Interrupted as interrupted:
                _end_group(process, interrupted.exit_code - 128)
                raise
            except KeyboardInterrupt:
                _end_group(process, signal.SIGINT)
                raise Interrupted(signal.SIGINT) from None
        if code in (-signal.SIGINT, -signal.SIGTERM):
            _end_group(process, signal.SIGTERM)
            raise Interrupted(-code)
        return code if code >= 0 else 128 - code


def _start(step: Step, root: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    group: dict[str, Any] = (
        {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}
    )
    try:
        return subprocess.Popen(step.arguments, cwd=root, env=dict(environ), **group)
    except (FileNotFoundError, PermissionError):
        raise _cannot_start(step, root, environ) from None


def _cannot_start(step: Step, root: Path, environ: Mapping[str, str]) -> ScriptFailed:
    """Not there, or there and not executable: the system also says the latter where it may not
    look into some folder of the PATH. The codes are a shell's."""

    program = step.arguments[0]
    if os.sep in program and (root / program).exists():
        mend = f"chmod +x {program}, or name its interpreter"
        return ScriptFailed(f"'{program}' cannot be executed", 126, where=step.shown, mend=mend)
    mend = f"install what brings '{program}' into the environment that the scripts run in"
    if shutil.which(program, path=environ.get("PATH")):
        mend = f"check the first line of '{shutil.which(program, path=environ.get('PATH'))}'"
    return ScriptFailed(f"there is no program '{program}'", 127, where=step.shown, mend=mend)


class _Terminal:
    """Who has the terminal: the script's group while it runs, ours before and after."""

    def __init__(self, group: int) -> None:
        self.group = group
        self.ours = os.getpgrp()
        self.descriptor = _foreground_terminal()

    def give(self) -> None:
        if self.descriptor is not None:
            _set_foreground(self.descriptor, self.group)
            # it may have asked for the terminal before it was its own, and been stopped
            with suppress(ProcessLookupError):
                os.killpg(self.group, signal.SIGCONT)

    def take(self) -> None:
        if self.descriptor is not None:
            _set_foreground(self.descriptor, self.ours)


@contextmanager
def _terminal_for(group: int) -> Iterator[_Terminal]:
    terminal = _Terminal(group)
    terminal.give()
    try:
        yield terminal
    finally:
        terminal.take()


def _foreground_terminal() -> int | None:
    """The descriptor of the terminal that we are in the foreground of, or None."""

    try:
        descriptor = sys.stdin.fileno()
        if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except (OSError, ValueError, AttributeError):
        pass
    return None


def _set_foreground(descriptor: int, group: int) -> None:
    # from the background this very call would stop us with SIGTTOU
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        with suppress(OSError):
            os.tcsetpgrp(descriptor, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _wait(process: subprocess.Popen[bytes], terminal: _Terminal) -> int:
    while True:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode
        if terminal.descriptor is None:
            continue
        # Ctrl-Z: stop with the script, and go on with it when the shell lets us
        terminal.take()
        os.kill(os.getpid(), signal.SIGSTOP)
        terminal.give()


def _end_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Pass the signal on to the whole group; end it for good when its time is up."""

    deadline = time.monotonic() + GRACE
    _signal_group(process.pid, number)
    while time.monotonic() < deadline:
        if process.returncode is None:
            process.poll()
        if process.returncode is not None and not _signal_group(process.pid, 0):
            return
        time.sleep(0.02)
    _signal_group(process.pid, signal.SIGKILL)
    if process.returncode is None:
        process.wait()


def _signal_group(group: int, number: int) -> bool:
    """Whether anything in the group was there to get the signal."""

    try:
        os.killpg(group, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
