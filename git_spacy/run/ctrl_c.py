"""Notice that Ctrl-C was pressed while a script has the terminal.

The terminal then sends the signal to the script's process group and not to us. A script that
catches it and exits with 0 looks like one that has done its work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

REPEAT_SECONDS = 5.0  # two Ctrl-C within this time mean: at once


class CtrlCWatch:
    """A process in the group of a script that does nothing, and that Ctrl-C ends.

    Without a group, it watches nothing.
    """

    def __init__(self, group: int | None) -> None:
        self.was_pressed = False
        self._group = group
        self._pressed_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def _start(self) -> None:
        if self._group is None or sys.version_info < (3, 11):
            return
        pipe, devnull = subprocess.PIPE, subprocess.DEVNULL
        with suppress(OSError):  # the script may have ended
            self._process = subprocess.Popen(
                ("cat",), stdin=pipe, stdout=devnull, stderr=devnull, process_group=self._group
            )

    def is_process(self, pid: int) -> bool:
        """Return whether `pid` is the process in the group."""

        return self._process is not None and self._process.pid == pid

    def handle_end(self, status: int) -> bool:
        """Handle that the process has ended; return whether Ctrl-C was pressed twice in a row."""

        if self._process:
            self._process.returncode = os.waitstatus_to_exitcode(status)
        was_pressed, before, now = self.was_pressed, self._pressed_at, time.monotonic()
        if not self._close():
            return False
        self._pressed_at = now
        self._start()
        return was_pressed and now - before < REPEAT_SECONDS

    def close(self) -> None:
        """End the process."""

        self._close()

    def _close(self) -> bool:
        process, self._process = self._process, None
        if process is None:
            return False
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()
        if process.returncode is None:
            with suppress(OSError):
                os.kill(process.pid, signal.SIGCONT)  # Ctrl-Z may have stopped it
        is_interrupted = process.wait() == -signal.SIGINT
        self.was_pressed = self.was_pressed or is_interrupted
        return is_interrupted
