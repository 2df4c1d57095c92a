"""The limits on lines and on waiting, with a simulated clock."""

from __future__ import annotations

import io
from typing import Any

import pytest

from git_spacy.assets import http_reader
from git_spacy.assets.http_reader import (
    MAX_LINE_BYTES,
    ProtocolViolation,
    _CountingReader,
    _TimedSocket,
)

IDLE = 30.0


class Server(io.RawIOBase):
    """A connection and its socket. Each piece is sent after the given number of seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *pieces: tuple[float, bytes]) -> None:
        self.now = 0.0
        self._pieces = list(pieces)
        self._timeout = IDLE
        monkeypatch.setattr(http_reader.time, "monotonic", lambda: self.now)

    def gettimeout(self) -> float:
        return self._timeout

    def settimeout(self, seconds: float) -> None:
        self._timeout = seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._pieces:
            return 0
        seconds, piece = self._pieces.pop(0)
        self.now += min(seconds, self._timeout)
        if seconds > self._timeout:
            raise TimeoutError
        buffer[: len(piece)] = piece
        return len(piece)


def reader(server: Server) -> _CountingReader:
    return _CountingReader(_TimedSocket(server, server))  # type: ignore[arg-type]


def test_a_line_must_arrive_within_twice_the_idle_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(monkeypatch, *[(10, b"x")] * 100)
    with pytest.raises(ProtocolViolation, match="too slow"):
        reader(server).readline()
    assert server.now == 60


def test_a_silent_server_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, (31, b"x"))
    with pytest.raises(TimeoutError):
        reader(server).readline()
    assert server.now == 30


def test_content_resets_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, *[(25, b"x" * 600)] * 100)
    assert reader(server).read(60_000) == b"x" * 60_000
    assert server.now == 2500


def test_a_trickle_of_content_does_not_reset_the_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(monkeypatch, *[(25, b"x" * 100)] * 100)
    with pytest.raises(ProtocolViolation, match="too slow"):
        reader(server).read(10_000)
    assert server.now == 60


def test_time_between_reads_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, *[(1, b"a: b\r\n")] * 50)
    stream = reader(server)
    for _ in range(50):
        assert stream.readline() == b"a: b\r\n"
        server.now += 1000


def test_content_adds_to_the_budget_for_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"a" * 1023 + b"\n"
    pieces = [(0.0, line)] * 10_000
    stream = reader(Server(monkeypatch, *pieces))
    for _ in range(MAX_LINE_BYTES // 1024):
        stream.readline()
    with pytest.raises(ProtocolViolation, match="too long"):
        stream.readline()
    stream = reader(Server(monkeypatch, *pieces))
    for _ in range(1000):
        stream.readline(65536)
        stream.read(1024)


def test_a_negative_size_is_refused_and_none_reads_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = reader(Server(monkeypatch, (0, b"ab"), (0, b"cd")))
    with pytest.raises(ProtocolViolation, match="negative"):
        stream.read(-5)
    assert stream.read() == b"abcd"
