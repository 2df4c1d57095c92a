"""Run one program in its own process group, and end the whole group when the worker is gone.

The source is sent to machines without git-spacy and started with `python -c`. Standard input is a
pipe that is never written to: when its other end is closed, deliberately or because the worker
died, the supervisor ends the group and removes FOLDER, if it is not empty.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any


def supervise(arguments: Sequence[str]) -> None:
    """Run a program with the arguments STATUS GRACE FOLDER PROGRAM [ARGUMENT]…

    Writes the program's exit code to the descriptor STATUS, with a `!` before it if the program
    could not be started. GRACE is the number of seconds between SIGTERM and SIGKILL.
    """

    # Ray kills the child processes of a worker without warning, so stop being one
    if os.fork():
        return
    os.setsid()
    _disarm_signals()
    status, grace, folder = int(arguments[0]), float(arguments[1]), arguments[2]
    try:
        process = _start_program(arguments[3:])
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        os.write(status, b"!%d" % code)
        return
    _detach_output()
    has_exited = _wait_for_exit(process)
    _end_group(process, grace)
    if has_exited:
        code = process.returncode
        os.write(status, b"%d" % (code if code >= 0 else 128 - code))
    elif folder:
        shutil.rmtree(folder, ignore_errors=True)


def _disarm_signals() -> None:
    """Handle signals by doing nothing, and clear the signal mask that Ray has set.

    With SIG_IGN instead, the program would inherit that the signals are ignored.
    """

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _start_program(program: Sequence[str]) -> subprocess.Popen[bytes]:
    new_group: dict[str, Any] = {"start_new_session": True}
    if sys.version_info >= (3, 11):
        new_group = {"process_group": 0}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        tuple(program), stdin=subprocess.DEVNULL, **new_group
    )
    return process


def _detach_output() -> None:
    """Redirect our output to /dev/null, so that the pipes are closed when the program's group
    ends."""

    devnull = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(devnull, descriptor)
    os.close(devnull)


def _wait_for_exit(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the program; return False if the other end of our input is closed first."""

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    while process.poll() is None:
        ready, _, _ = select.select([0, reader], [], [], 1.0)
        if 0 in ready:
            return False
        if reader in ready:
            os.read(reader, 512)
    return True


def _end_group(process: subprocess.Popen[bytes], grace: float) -> None:
    deadline = time.monotonic() + grace
    is_alive = _signal_group(process.pid, signal.SIGTERM)
    while is_alive and time.monotonic() < deadline:
        time.sleep(0.02)
        process.poll()
        is_alive = _signal_group(process.pid, 0)
    if is_alive:
        _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, signal_number: int) -> bool:
    """Send a signal to a process group; return whether the group still has a process."""

    try:
        os.killpg(group, signal_number)
        return True
    except (ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    supervise(sys.argv[1:])
