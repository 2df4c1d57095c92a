"""Run one command at a time on this machine, each script line in a process group of its own.

With its own group, Ctrl-C and SIGTERM end everything that the line started and nothing else. On a
terminal, the group becomes the foreground group, as a shell does it for a job, so that an
annotation tool or a debugger in a script works as if it had been typed at the prompt.

Ctrl-C ends the run. A server that then exits with 0 has succeeded; but a command that has outputs
or further lines may have stopped half-way, so it counts as interrupted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from git_spacy import interrupts
from git_spacy.errors import Interrupted, ScriptFailed
from git_spacy.light_typing import Any
from git_spacy.run import missing_tools
from git_spacy.run.ctrl_c import CtrlCWatch
from git_spacy.run.events import OutputRelayed, RunReporter, StepStarted
from git_spacy.run.executor import Job, JobResult
from git_spacy.run.relay import Relay, relayed
from git_spacy.run.script import SHELL, Step
from git_spacy.run.time_limit import EXIT_CODE, TimeLimit

Process = subprocess.Popen[bytes]
GRACE = 5.0  # seconds between the signal to a group and SIGKILL
# finds a module without importing it; any other exit code means that we cannot tell
_FIND_SPEC = (
    "import importlib.util as u, sys; sys.exit(3 if u.find_spec(sys.argv[1]) is None else 0)"
)
_NOT_FOUND = 3
_DEVNULL = subprocess.DEVNULL


class ForegroundExecutor:
    """Runs one job at a time in the foreground, with our output and in control of the terminal.

    With `is_relayed`, the output passes through us and is reported, too.
    """

    def __init__(self, *, is_relayed: bool = False) -> None:
        self._is_relayed = is_relayed

    def start(self, job: Job) -> None:
        self._job = job

    def wait(self, report: RunReporter) -> JobResult:
        job, limit = self._job, TimeLimit(self._job.timeout, GRACE)
        try:
            return self._run(job, limit, report)
        finally:
            limit.close()

    def _run(self, job: Job, limit: TimeLimit, report: RunReporter) -> JobResult:
        def on_data(data: bytes) -> None:
            report(OutputRelayed(job.command.name, data))

        for index, step in enumerate(job.steps):
            report(StepStarted(job.command.name, step.shown))
            try:
                check_module(step, job.root, job.environ)
                with relayed(on_data if self._is_relayed else None) as relay:
                    code, interrupted = _run_step(step, job.root, job.environ, relay, limit)
            except ScriptFailed as failure:
                return JobResult(job.command, failure=failure)
            if limit.has_expired:
                return JobResult(job.command, EXIT_CODE, step=index, timeout=limit.timeout)
            if code:
                return JobResult(job.command, code, step=index)
            if interrupted:
                if job.command.produced or step is not job.steps[-1]:
                    raise interrupted
                return JobResult(job.command, step=index, was_interrupted=True)
        return JobResult(job.command)

    def stop(self, signal_number: int) -> None:
        """Do nothing: `wait` has already ended the process group of an interrupted step."""

    def close(self) -> None:
        """Do nothing: no resources are held between jobs."""


def _run_step(
    step: Step, root: Path, environ: Mapping[str, str], relay: Relay | None, limit: TimeLimit
) -> tuple[int, Interrupted | None]:
    """Run a step; return its exit code, and the interrupt after which it exited with 0.

    If the time limit has expired, the exit code says nothing.
    """

    with interrupts.deferred():
        process = start_step(step, root, environ, **(relay.streams if relay else {}))
        if relay:
            relay.group = process.pid
        terminal = _Terminal(process.pid)
        watch = CtrlCWatch(process.pid if terminal.descriptor is not None else None)
        interrupt: Interrupted | None = None
        try:
            terminal.hand_over()
            limit.watch(process.pid)
            with interrupts.allowed():
                code = _wait(process, terminal, watch)
        except Interrupted as interrupted:
            # a process that had already ended did not end because of the signal, and its exit
            # code may be unknown
            was_running = process.poll() is None
            watch.close()
            end_groups([process], interrupted.number)
            succeeded = was_running and process.returncode == 0
            if interrupted.number != signal.SIGINT or not succeeded:
                raise
            code, interrupt = 0, interrupted
        except BaseException:
            watch.close()
            end_groups([process], signal.SIGTERM)
            raise
        finally:
            watch.close()
            terminal.reclaim()
        if limit.has_expired:
            end_groups([process], signal.SIGTERM)
            return code, None
        if code in (128 + signal.SIGINT, 128 + signal.SIGTERM):  # a shell's, if its program was
            code = 128 - code
        if code in (-signal.SIGINT, -signal.SIGTERM):
            error = interrupts.interrupted(-code)
            end_groups([process], signal.SIGTERM)
            raise error
        if code == 0 and watch.was_pressed:
            interrupt = interrupts.interrupted(signal.SIGINT)
    return (code if code >= 0 else 128 - code), interrupt


def shell_complaint(text: str, environ: Mapping[str, str]) -> str:
    """Return what the shell says of a line that it cannot parse; nothing is executed."""

    done = subprocess.run(
        (SHELL[0], "-n", "-c", text), env=dict(environ), check=False, stdin=_DEVNULL,
        stdout=_DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    lines = done.stderr.strip().splitlines()
    return lines[0] if done.returncode and lines else ""


def check_module(step: Step, root: Path, environ: Mapping[str, str]) -> None:
    """Raise ScriptFailed if the step runs a Python module that its Python does not have."""

    if (module := missing_tools.parse_module(step.arguments)) and _is_module_missing(
        module, root, environ
    ):
        hint = missing_tools.install_hint(module.name, root)
        message = f"Python module not found: '{module.name}'"
        raise ScriptFailed(message, 127, file=step.shown, hint=hint)


def start_captured(step: Step, root: Path, environ: Mapping[str, str]) -> Process:
    """Start the process of a step, as `start_step`, with pipes for its output and no input."""

    pipe = subprocess.PIPE
    return start_step(step, root, environ, stdin=_DEVNULL, stdout=pipe, stderr=pipe)


def start_step(step: Step, root: Path, environ: Mapping[str, str], **streams: int) -> Process:
    """Start the process of a step in its own process group.

    `streams` are its standard streams, as for Popen (default: ours). Call this with interrupts
    deferred until the code that ends the process knows about it. Raises ScriptFailed if the program
    cannot be started.
    """

    try:
        return _popen(step.arguments, root, environ, **streams)
    except (FileNotFoundError, PermissionError):
        raise _start_error(step, root, environ) from None


def _popen(
    arguments: Sequence[str], root: Path, environ: Mapping[str, str], **options: Any
) -> Process:
    options |= {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}
    process: Process = subprocess.Popen(arguments, cwd=root, env=dict(environ), **options)
    return process


def _is_module_missing(
    module: missing_tools.PythonModule, root: Path, environ: Mapping[str, str]
) -> bool:
    """Return whether the step's Python cannot find the module.

    Looks into its site-packages first, which is enough for most modules; starting Python to ask is
    much slower.
    """

    import shutil

    environ = {**environ, **module.environ}
    python = shutil.which(module.python, path=environ.get("PATH"))
    if python is None:
        return False
    packages = Path(python).parent.parent.glob("lib/python3*/site-packages")
    for folder in (root, *packages):
        if (folder / module.name).is_dir() or (folder / f"{module.name}.py").is_file():
            return False
    # interruptible, since find_spec may import parent packages: the project's own code
    arguments = (python, "-c", _FIND_SPEC, module.name)
    with interrupts.deferred():
        process = _popen(arguments, root, environ, stdin=_DEVNULL, stdout=_DEVNULL, stderr=_DEVNULL)
        try:
            with interrupts.allowed():
                process.wait()
        except BaseException:
            end_groups([process], signal.SIGTERM)
            raise
    return process.returncode == _NOT_FOUND


def _start_error(step: Step, root: Path, environ: Mapping[str, str]) -> ScriptFailed:
    """Return the error for a program that is missing (127) or not executable (126).

    The exit codes are those of a shell. The exception alone cannot tell the two apart: a folder of
    the PATH that may not be read raises PermissionError, too.
    """

    import shutil

    program = step.arguments[0]
    if os.sep in program and (root / program).exists():
        hint = f"chmod +x {program}, or name its interpreter"
        return ScriptFailed(f"'{program}' cannot be executed", 126, file=step.shown, hint=hint)
    hint = missing_tools.misspelt_hint(program, environ.get("PATH"))
    hint = hint or missing_tools.install_hint(program, root)
    if shutil.which(program, path=environ.get("PATH")):
        hint = f"check the first line of '{shutil.which(program, path=environ.get('PATH'))}'"
    return ScriptFailed(f"program not found: '{program}'", 127, file=step.shown, hint=hint)


class _Terminal:
    """Hands the terminal to the process group of a script, and takes it back."""

    def __init__(self, group: int) -> None:
        self.group = group
        self.ours = os.getpgrp()
        self.descriptor = _foreground_terminal()

    def hand_over(self) -> None:
        if self.descriptor is not None:
            _set_foreground(self.descriptor, self.group)
            # the script is stopped if it used the terminal before it was in the foreground
            with suppress(ProcessLookupError):
                os.killpg(self.group, signal.SIGCONT)

    def reclaim(self) -> None:
        if self.descriptor is not None:
            _set_foreground(self.descriptor, self.ours)


def _foreground_terminal() -> int | None:
    """Return the descriptor of the terminal if we are its foreground process group, else None."""

    try:
        descriptor = sys.stdin.fileno()
        if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except (OSError, ValueError, AttributeError):
        pass
    return None


def _set_foreground(descriptor: int, group: int) -> None:
    # tcsetpgrp sends SIGTTOU to a background process, which would stop us
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        with suppress(OSError):
            os.tcsetpgrp(descriptor, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _wait(process: Process, terminal: _Terminal, watch: CtrlCWatch) -> int:
    while True:
        try:
            pid, status = os.waitpid(-process.pid, os.WUNTRACED)
        except ChildProcessError:  # it has left its group
            pid, status = os.waitpid(process.pid, os.WUNTRACED)
        if watch.is_process(pid):
            if not os.WIFSTOPPED(status) and watch.handle_end(status):
                watch.close()
                end_groups([process], signal.SIGKILL)
                raise interrupts.interrupted(signal.SIGINT)
            continue
        if not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode
        if terminal.descriptor is None:
            continue
        # Ctrl-Z: stop together with the script, and continue it when the shell continues us
        terminal.reclaim()
        os.kill(os.getpid(), signal.SIGSTOP)
        terminal.hand_over()


def end_groups(processes: Sequence[Process], signal_number: int) -> None:
    """Send the signal to the processes' groups, and wait until every process in them has ended.

    Sends SIGKILL after GRACE seconds, or when the user presses Ctrl-C again.
    """

    def have_ended() -> bool:
        alive[:] = [process for process in alive if _is_alive(process)]
        return not alive

    with interrupts.deferred():
        alive = list(processes)
        for process in alive:
            _signal_group(process.pid, signal_number)
            _signal_group(process.pid, signal.SIGCONT)  # a stopped process handles no signal
        if interrupts.wait_until(have_ended, GRACE):
            return
        for process in alive:
            _signal_group(process.pid, signal.SIGKILL)
        for process in alive:
            process.wait()
        deadline = time.monotonic() + GRACE
        while not have_ended() and time.monotonic() < deadline:  # SIGKILL takes a moment
            time.sleep(0.01)


def _is_alive(process: Process) -> bool:
    """Return whether the process, or any other process of its group, is still running."""

    if process.returncode is None:
        process.poll()
    return process.returncode is None or _signal_group(process.pid, 0)


def _signal_group(group: int, signal_number: int) -> bool:
    """Send a signal to a process group; return whether the group still has a process."""

    try:
        os.killpg(group, signal_number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
