"""Processes on this machine, one after the other, each script line in a group of its own.

A group of its own so that Ctrl-C and SIGTERM end everything that the line started and nothing
else. On a terminal that group gets the terminal, as a shell gives it to a job: an annotation tool
or a debugger in a script works as if it had been typed.

Ctrl-C means what it means in a shell script: a line that the signal kills is interrupted, and so is
the run; one that ends with 0 after it, as a server does, has done what was asked of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from git_spacy import interrupts
from git_spacy.errors import Interrupted, ScriptFailed
from git_spacy.run import missing_tools
from git_spacy.run.events import RunReporter, StepStarted
from git_spacy.run.executor import Job, JobResult
from git_spacy.run.script import Step

Process = subprocess.Popen[bytes]
GRACE = 5.0  # seconds between asking a group to end and ending it
# asked without importing it; what cannot be answered so is no reason to stop anybody
_ASK = "import importlib.util as u, sys; sys.exit(3 if u.find_spec(sys.argv[1]) is None else 0)"
_ABSENT = 3
_NONE = subprocess.DEVNULL


class ForegroundExecutor:
    """Runs one job at a time, in the foreground: its output is ours, the terminal its own."""

    def start(self, job: Job) -> None:
        self._job = job

    def wait(self, report: RunReporter) -> JobResult:
        job = self._job
        for step in job.steps:
            report(StepStarted(job.command.name, step.shown))
            try:
                check_module(step, job.root, job.environ)
                code = _run(step, job.root, job.environ)
            except ScriptFailed as failure:
                return JobResult(job.command, failure=failure)
            if code:
                return JobResult(job.command, code)
        return JobResult(job.command)

    def stop(self, number: int) -> None:
        """Nothing is left: an interrupted step ends with what it started."""

    def close(self) -> None:
        """Nothing is held."""


def _run(step: Step, root: Path, environ: Mapping[str, str]) -> int:
    interrupts.rearm()
    with interrupts.deferred():
        process = start_step(step, root, environ)
        terminal = _Terminal(process.pid)
        try:
            terminal.give()
            with interrupts.allowed():
                code = _wait(process, terminal)
        except Interrupted as interrupted:
            # one that had ended did not end because of the signal; nor may its code be known
            was_running = process.poll() is None
            end_groups([process], interrupted.number)
            is_well = was_running and process.returncode == 0
            if interrupted.number != signal.SIGINT or not is_well:
                raise
            interrupts.accept()
            code = 0
        except BaseException:
            end_groups([process], signal.SIGTERM)
            raise
        finally:
            terminal.take()
        if code == 128 + signal.SIGINT:  # some say with a code of their own what ended them
            code = -signal.SIGINT
        if code in (-signal.SIGINT, -signal.SIGTERM):
            error = interrupts.interrupted(-code)
            end_groups([process], signal.SIGTERM)
            raise error
    return code if code >= 0 else 128 - code


def check_module(step: Step, root: Path, environ: Mapping[str, str]) -> None:
    """Raise ScriptFailed if the step is a module for Python to run, and its Python has none of that
    name."""

    if (module := missing_tools.module(step.arguments)) and _is_missing(module, root, environ):
        hint = missing_tools.how_to_get(module.name, root)
        what = f"there is no Python module '{module.name}'"
        raise ScriptFailed(what, 127, location=step.shown, hint=hint)


def start_step(
    step: Step, root: Path, environ: Mapping[str, str], *, capture: bool = False
) -> Process:
    """Start the process of a step, in a group of its own. One that is heard has pipes for its
    output, and nothing to read. Call it with interrupts deferred, until what ends the process knows
    of it. Raises ScriptFailed if its program cannot be started."""

    pipes = {"stdin": _NONE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        return _popen(step.arguments, root, environ, **(pipes if capture else {}))
    except (FileNotFoundError, PermissionError):
        raise _cannot_start(step, root, environ) from None


def _popen(arguments: Sequence[str], root: Path, environ: Mapping[str, str], **how: Any) -> Process:
    how |= {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}
    process: Process = subprocess.Popen(arguments, cwd=root, env=dict(environ), **how)
    return process


def _is_missing(module: missing_tools.Module, root: Path, environ: Mapping[str, str]) -> bool:
    """Whether its Python does not find it. Most have it where a look is enough; asking takes as
    long as that Python needs to start."""

    environ = {**environ, **module.environ}
    python = shutil.which(module.python, path=environ.get("PATH"))
    if python is None:
        return False
    packages = Path(python).parent.parent.glob("lib/python3*/site-packages")
    for folder in (root, *packages):
        if (folder / module.name).is_dir() or (folder / f"{module.name}.py").is_file():
            return False
    # to look for it, Python may have to import the packages that it is in: the project's own code
    asked = (python, "-c", _ASK, module.name)
    with interrupts.deferred():
        process = _popen(asked, root, environ, stdin=_NONE, stdout=_NONE, stderr=_NONE)
        try:
            with interrupts.allowed():
                process.wait()
        except BaseException:
            end_groups([process], signal.SIGTERM)
            raise
    return process.returncode == _ABSENT


def _cannot_start(step: Step, root: Path, environ: Mapping[str, str]) -> ScriptFailed:
    """Not there, or there and not executable: the system also says the latter where it may not
    look into some folder of the PATH. The codes are a shell's."""

    program = step.arguments[0]
    if os.sep in program and (root / program).exists():
        hint = f"chmod +x {program}, or name its interpreter"
        return ScriptFailed(f"'{program}' cannot be executed", 126, location=step.shown, hint=hint)
    hint = missing_tools.how_to_get(program, root)
    if shutil.which(program, path=environ.get("PATH")):
        hint = f"check the first line of '{shutil.which(program, path=environ.get('PATH'))}'"
    return ScriptFailed(f"there is no program '{program}'", 127, location=step.shown, hint=hint)


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


def _wait(process: Process, terminal: _Terminal) -> int:
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


def end_groups(processes: Sequence[Process], number: int) -> None:
    """Pass the signal on to the whole groups, and wait until all in them have ended; kill them when
    their time is up, or the user's patience."""

    def is_over() -> bool:
        left[:] = [process for process in left if _is_alive(process)]
        return not left

    with interrupts.deferred():
        left = list(processes)
        for process in left:
            _signal_group(process.pid, number)
            _signal_group(process.pid, signal.SIGCONT)  # what is stopped gets no signal
        if interrupts.wait_until(is_over, GRACE):
            return
        for process in left:
            _signal_group(process.pid, signal.SIGKILL)
        for process in left:
            process.wait()
        deadline = time.monotonic() + GRACE
        while not is_over() and time.monotonic() < deadline:  # they die, but not at once
            time.sleep(0.01)


def _is_alive(process: Process) -> bool:
    """Whether it, or anything else of its group, still runs."""

    if process.returncode is None:
        process.poll()
    return process.returncode is None or _signal_group(process.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    """Whether anything in the group was there to get the signal."""

    try:
        os.killpg(group, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
