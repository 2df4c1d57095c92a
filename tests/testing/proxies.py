"""Run real proxies for TCP connections: an HTTP proxy with CONNECT, and SOCKS5 (RFC 1928)."""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import ExitStack, suppress
from types import TracebackType

from tests.testing.waiting import PATIENCE


class Proxy:
    """A proxy at `url` that connects every host to this machine; `targets` has what was asked for.

    With `login`, SOCKS5 clients must send this user name and password.
    """

    def __init__(self, scheme: str, login: tuple[str, str] | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._scheme = scheme
        self._login = login
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self.targets: list[tuple[str, int]] = []
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the end of the block
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with ExitStack() as stack, suppress(OSError):
            stack.enter_context(client)
            greet = self._greet_http if self._scheme == "http" else self._greet_socks
            target = greet(client)
            if target is None:
                return
            self.targets.append(target)
            server = stack.enter_context(socket.create_connection(("127.0.0.1", target[1])))
            accepted = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if self._scheme == "http" else accepted)
            pairs = {client: server, server: client}
            while not self._stopping.is_set():
                for ready in select.select(list(pairs), [], [], 0.05)[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    pairs[ready].sendall(data)

    def _greet_http(self, client: socket.socket) -> tuple[str, int] | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        method, place, _ = head.decode().split(" ", 2)
        assert method == "CONNECT"
        host, _, port = place.rpartition(":")
        return host, int(port)

    def _greet_socks(self, client: socket.socket) -> tuple[str, int] | None:
        methods = _read(client, _read(client, 2)[1])
        if self._login:
            assert 2 in methods
            client.sendall(b"\x05\x02")
            user = _read(client, _read(client, 2)[1])
            password = _read(client, _read(client, 1)[0])
            is_right = (user.decode(), password.decode()) == self._login
            client.sendall(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return None
        else:
            client.sendall(b"\x05\x00")
        kind = _read(client, 4)[3]
        if kind == 3:
            host = _read(client, _read(client, 1)[0]).decode()
        else:
            host = socket.inet_ntop(
                socket.AF_INET if kind == 1 else socket.AF_INET6,
                _read(client, 4 if kind == 1 else 16),
            )
        return host, struct.unpack(">H", _read(client, 2))[0]


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = client.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the client closed the connection")
        data += chunk
    return data
