"""End the processes of a command that runs for longer than its timeout."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from git_spacy.project.model import Timeout

EXIT_CODE = 124
"""The exit code of a command that was ended, as that of `timeout(1)`."""


class TimeLimit:
    """The time that one command may run, from now on; without a timeout, any time.

    A thread waits for the end of that time, and sends SIGTERM to the process group of the current
    script line, and SIGKILL `grace` seconds later. The main thread waits for the processes and
    handles all signals, as always.
    """

    def __init__(self, timeout: Timeout | None, grace: float) -> None:
        self.timeout = timeout
        self.has_expired = False
        self._grace = grace
        self._group = 0
        self._has_ended = threading.Event()
        self._lock = threading.Lock()
        if timeout:
            self._deadline = time.monotonic() + timeout.seconds
            self._thread = threading.Thread(target=self._watch, name="git-spacy-timeout")
            self._thread.daemon = True
            # signals are for the main thread
            previous = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                self._thread.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def watch(self, group: int) -> None:
        """Watch the process group of a script line that has just started; 0 for none."""

        with self._lock:
            self._group = group
            if self.has_expired:
                self._signal(signal.SIGTERM)

    def close(self) -> None:
        """Stop watching: the command has ended."""

        self.watch(0)
        self._has_ended.set()

    def _watch(self) -> None:
        if self._has_ended_before(self._deadline):
            return
        with self._lock:
            self.has_expired = True
            self._signal(signal.SIGTERM)
        # again and again, since the next script line may just be starting
        while not self._has_ended_before(time.monotonic() + self._grace):
            with self._lock:
                self._signal(signal.SIGKILL)

    def _has_ended_before(self, deadline: float) -> bool:
        while (seconds := deadline - time.monotonic()) > 0:
            if self._has_ended.wait(min(seconds, threading.TIMEOUT_MAX)):
                return True
        return self._has_ended.is_set()

    def _signal(self, number: int) -> None:
        if self._group:
            for one in (number, signal.SIGCONT):  # a stopped process handles no signal
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._group, one)
