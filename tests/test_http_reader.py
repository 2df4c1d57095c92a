"""The bounds of lines and of waiting, with a clock of the test's own."""

from __future__ import annotations

import io
from typing import Any

import pytest

from git_spacy import http_reader
from git_spacy.http_reader import MAX_LINES, Misbehaviour, _Reader, _Wire

IDLE = 30.0


class Server(io.RawIOBase):
    """A connection, and its socket: each piece comes after so many seconds."""

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


def reader(server: Server) -> _Reader:
    return _Reader(_Wire(server, server))  # type: ignore[arg-type]


def test_a_line_must_be_there_within_twice_the_idle_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(monkeypatch, *[(10, b"x")] * 100)
    with pytest.raises(Misbehaviour, match="too slow"):
        reader(server).readline()
    assert server.now == 60


def test_a_silence_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, (31, b"x"))
    with pytest.raises(TimeoutError):
        reader(server).readline()
    assert server.now == 30


def test_content_renews_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, *[(25, b"x" * 600)] * 100)
    assert reader(server).read(60_000) == b"x" * 60_000
    assert server.now == 2500


def test_content_that_only_drips_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, *[(25, b"x" * 100)] * 100)
    with pytest.raises(Misbehaviour, match="too slow"):
        reader(server).read(10_000)
    assert server.now == 60


def test_what_we_do_between_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, *[(1, b"a: b\r\n")] * 50)
    stream = reader(server)
    for _ in range(50):
        assert stream.readline() == b"a: b\r\n"
        server.now += 1000


def test_lines_have_a_budget_that_content_adds_to(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"a" * 1023 + b"\n"
    many = [(0.0, line)] * 10_000
    stream = reader(Server(monkeypatch, *many))
    for _ in range(MAX_LINES // 1024):
        stream.readline()
    with pytest.raises(Misbehaviour, match="no end"):
        stream.readline()
    stream = reader(Server(monkeypatch, *many))
    for _ in range(1000):
        stream.readline(65536)
        stream.read(1024)


def test_a_negative_size_is_refused_and_none_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = reader(Server(monkeypatch, (0, b"ab"), (0, b"cd")))
    with pytest.raises(Misbehaviour, match="negative"):
        stream.read(-5)
    assert stream.read() == b"abcd"
