"""Run an HTTP server in a thread; its connections end with its `with` block, and its errors fail the
test."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeVar

from tests.testing.waiting import PATIENCE

Self = TypeVar("Self", bound="LocalServer")


class LocalServer(ThreadingHTTPServer):
    """Serves at `url`. `stopping` is set at the end of the block, for handlers that wait."""

    request_queue_size = 128  # the default, 5, is too few for the clients of some tests
    daemon_threads = True

    scheme = "http"

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        super().__init__((address, port), handler)
        self.stopping = threading.Event()
        self._errors: list[BaseException] = []
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._loop = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.server_address[0]!s}:{self.port}"

    def __enter__(self: Self) -> Self:
        self._loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.shutdown()
        self._loop.join()
        self.server_close()
        # the thread of a keep-alive connection waits for the next request
        for thread, connection in list(self._connections.items()):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # already closed
            thread.join(PATIENCE)
            if thread.is_alive():
                self._errors.append(_still_running(thread))
        if self._errors:
            raise AssertionError("the test's HTTP server failed") from self._errors[0]

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:  # socketserver ignores it, e.g. too many open files
            if not isinstance(error, ssl.SSLError):  # the client refused the certificate
                self._errors.append(error)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        del self._connections[threading.current_thread()]

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(
            error, ConnectionError
        ):  # otherwise the client disconnected
            self._errors.append(error)


def _still_running(thread: threading.Thread) -> AssertionError:
    frame = sys._current_frames().get(thread.ident or 0)
    return AssertionError(
        f"the handler is still running:\n{''.join(traceback.format_stack(frame))}"
    )
