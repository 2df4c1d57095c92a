"""Cancel the threads of an interrupted fetch: wake those that sleep and shut down their sockets.

Python cannot stop a thread from outside, but it can make its blocking read fail.
"""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress


class Cancelled(Exception):
    """The fetch was cancelled."""


class Cancellation:
    """Cancels all threads of a fetch, which call `check`, `watch` and `sleep`."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def is_set(self) -> bool:
        """Whether the fetch was cancelled."""

        return self._event.is_set()

    def cancel(self) -> None:
        """Cancel the fetch: wake the threads that sleep, and shut down all watched sockets."""

        with self._lock:
            self._event.set()
            for connection in list(self._sockets):
                with suppress(OSError):
                    # bypass SSLSocket.shutdown(), which drops the TLS session under the reader
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise Cancelled if the fetch was cancelled."""

        if self._event.is_set():
            raise Cancelled

    def watch(self, connection: socket.socket) -> None:
        """Shut down this socket when the fetch is cancelled. Raises Cancelled if it has been."""

        with self._lock:
            self._sockets.add(connection)
        self.check()

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`. Raises Cancelled as soon as the fetch is cancelled."""

        if self._event.wait(seconds):
            raise Cancelled
