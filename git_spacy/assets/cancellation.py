"""How an interrupted fetch ends soon: sleepers wake, sockets that wait are shut.

A thread cannot be stopped from outside in Python; one that waits for a server can be made to fail.
"""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress


class Cancelled(Exception):
    """Somebody else failed or was interrupted; this work is no longer wanted."""


class Cancellation:
    """One for all the threads of a fetch."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def cancel(self) -> None:
        """End the waiting of every thread."""

        with self._lock:
            self._event.set()
            for waiting in list(self._sockets):
                with suppress(OSError):
                    # past any TLS: its own shutdown would take the session from under the reader
                    socket.socket.shutdown(waiting, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raises Cancelled if it is over."""

        if self._event.is_set():
            raise Cancelled

    def watch(self, waiting: socket.socket) -> None:
        """Shut this socket when it is over. Raises Cancelled if it is by now."""

        with self._lock:
            self._sockets.add(waiting)
        self.check()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Cancelled if it is over before that."""

        if self._event.wait(seconds):
            raise Cancelled
