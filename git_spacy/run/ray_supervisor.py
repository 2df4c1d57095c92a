"""Runs one program in a group of its own, and ends the whole group when who asked for it is gone.

It travels as text to machines that have no git-spacy, and is started with `python -c`. Its input is
a pipe that nobody writes to: once the other end is closed, by whom or by whose death ever, what
runs is ended and the FOLDER removed, if one is named. Knows nothing of projects, nor of Ray.
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


def main(arguments: Sequence[str]) -> None:
    """STATUS GRACE FOLDER PROGRAM [ARGUMENT]…: the exit code goes to the descriptor STATUS,
    with a `!` before it where the program could not be started; GRACE is in seconds."""

    # Ray ends, without asking, what a worker started itself: let us be nobody's child
    if os.fork():
        return
    os.setsid()
    _be_deaf()
    status, grace, folder = int(arguments[0]), float(arguments[1]), arguments[2]
    try:
        process = _started(arguments[3:])
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        os.write(status, b"!%d" % code)
        return
    _let_go_of_output()
    is_over = _wait(process)
    _end_group(process, grace)
    if is_over:
        code = process.returncode
        os.write(status, b"%d" % (code if code >= 0 else 128 - code))
    elif folder:
        shutil.rmtree(folder, ignore_errors=True)


def _be_deaf() -> None:
    """No signal is for us (nor ignored by what we start); what is masked here, Ray masked."""

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _started(program: Sequence[str]) -> subprocess.Popen[bytes]:
    own: dict[str, Any] = {"start_new_session": True}
    if sys.version_info >= (3, 11):
        own = {"process_group": 0}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        tuple(program), stdin=subprocess.DEVNULL, **own
    )
    return process


def _let_go_of_output() -> None:
    """So that it ends with the program's group."""

    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _wait(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended before the other end of our input was closed."""

    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    while process.poll() is None:
        ready, _, _ = select.select([0, told], [], [], 1.0)
        if 0 in ready:
            return False
        if told in ready:
            os.read(told, 512)
    return True


def _end_group(process: subprocess.Popen[bytes], grace: float) -> None:
    deadline = time.monotonic() + grace
    is_left = _signal_group(process.pid, signal.SIGTERM)
    while is_left and time.monotonic() < deadline:
        time.sleep(0.02)
        process.poll()
        is_left = _signal_group(process.pid, 0)
    if is_left:
        _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
