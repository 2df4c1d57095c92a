"""HTTP responses without end: in headers, chunk framing or trailers, or a byte now and then.

Each fetch ends with exit code 4, and keeps the old file. Threats `stalled-servers` and
`endless-bodies`.
"""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from git_spacy.assets import http_reader
from tests.testing.fetching import Fetcher, without_waiting
from tests.testing.scripted import Scripted

IDLE = 60.0  # seconds
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = HEAD + b"Content-Length: 100000\r\n\r\n"
MANY = b"x" * 60_000

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "interim answers with header fields": (
        b"",
        b"HTTP/1.1 100 Continue\r\n" + b"a: b\r\n" * 90 + b"\r\n",
    ),
    "a status line": (b"HTTP/1.1 200 ", MANY),
    "a header line": (HEAD + b"a: ", MANY),
    "header lines": (HEAD, b"a: b\r\n"),
    "long header lines": (HEAD, b"a: " + MANY + b"\r\n"),
    "a chunk size": (CHUNKED, b"0" * 1000),
    "a chunk extension": (CHUNKED + b"1;", MANY),
    "long chunk extensions": (CHUNKED, b"1;" + MANY + b"\r\nx\r\n"),
    "a trailer line": (CHUNKED + b"1\r\nx\r\n0\r\na: ", MANY),
    "trailer lines": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n" * 100),
    "a chunk of negative size": (CHUNKED + b"-5\r\n", MANY),
    "a chunk of a size with 5,000 digits": (CHUNKED + b"f" * 5000 + b"\r\n", MANY),
}

DRIPPING: dict[str, tuple[bytes, bytes]] = {
    "a status line": (b"", b"HTTP/1.1 200 " + MANY),
    "header lines": (HEAD, b"a: b\r\n" * 10_000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
    "a chunk extension": (CHUNKED + b"1;", MANY),
    "chunks": (CHUNKED, b"1\r\nx\r\n" * 10_000),
    "trailer lines": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n" * 10_000),
    "content": (SIZED, MANY),
}

INVALID: dict[str, bytes] = {
    "a length with 5,000 digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx",
    "a length with 4,000 digits": HEAD + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\nx",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5, 6\r\n\r\nhello!",
    "an invalid chunk size": CHUNKED + b"five\r\nhello\r\n0\r\n\r\n",
    "a pause until the year 99999999999": (
        b"HTTP/1.1 503 x\r\nRetry-After: Wed, 01 Jan 99999999999 00:00:00 GMT\r\n"
        b"Content-Length: 0\r\n\r\n"
    ),
    "a pause of 5,000 digits": (
        b"HTTP/1.1 503 x\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "a redirect to a port with 5,000 digits": (
        b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:" + b"9" * 5000 + b"/\r\n"
        b"Content-Length: 0\r\n\r\n"
    ),
}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not wait between retries; use an idle timeout that even a busy machine does not reach."""

    return without_waiting(monkeypatch, idle=IDLE)


@pytest.fixture(autouse=True)
def _limits(fetcher: Fetcher) -> Iterator[None]:
    """Create the old file, set a limit of 1 MB, and check the memory that the fetch allocated."""

    fetcher.root.joinpath("data.bin").write_bytes(b"old")
    fetcher.settings["spacy.maxassetsize"] = "1m"
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 << 20


class Clock:
    """A fake clock that advances by one second whenever it is read."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def slow_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a network that transfers one byte per second."""

    read = http_reader._TimedSocket.readinto
    monkeypatch.setattr(http_reader, "time", Clock())
    monkeypatch.setattr(
        http_reader._TimedSocket,
        "readinto",
        lambda self, buffer: read(self, memoryview(buffer)[:1]),
    )


def assert_fetch_fails(fetcher: Fetcher, url: str) -> None:
    fetcher.write_asset("data.bin", url=url)
    assert fetcher.code(force=True) == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert len(fetcher.error) < 1000


def send(web: Scripted, start: bytes, pieces: Iterator[bytes]) -> Callable[..., None]:
    """Return a handler that writes `start` and then `pieces` until the client disconnects."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(start)
        while not web.stopping.is_set() and (piece := next(pieces, b"")):
            handler.wfile.write(piece)

    return answer


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_response_is_aborted(fetcher: Fetcher, web: Scripted, kind: str) -> None:
    start, piece = ENDLESS[kind]
    assert_fetch_fails(fetcher, web.on("/x", send(web, start, itertools.repeat(piece))))


@pytest.mark.usefixtures("slow_network")
@pytest.mark.parametrize("kind", DRIPPING)
def test_slow_response_is_aborted(fetcher: Fetcher, web: Scripted, kind: str) -> None:
    """Each byte arrives within the idle timeout, but all of them would take hours."""

    start, rest = DRIPPING[kind]
    assert_fetch_fails(fetcher, web.on("/x", send(web, start, itertools.repeat(rest))))
    assert "the server is too slow" in fetcher.error


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_numbers_are_reported(fetcher: Fetcher, web: Scripted, kind: str) -> None:
    assert_fetch_fails(fetcher, web.on("/x", send(web, INVALID[kind], iter(()))))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_many_small_chunks_are_accepted(fetcher: Fetcher, web: Scripted, size: int) -> None:
    data = bytes(range(256)) * 200
    parts = (data[start : start + size] for start in range(0, len(data), size))
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    answer = CHUNKED + body + b"0\r\nChecksum: x\r\n\r\n"
    fetcher.write_asset("data.bin", url=web.on("/x", send(web, answer, iter(()))))
    assert fetcher.code(force=True) == 0
    assert fetcher.files() == {"data.bin": data}


def test_interim_responses_are_skipped(fetcher: Fetcher, web: Scripted) -> None:
    interim = b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 3
    answer = interim + HEAD + b"Content-Length: 4\r\n\r\ndata"
    fetcher.write_asset("data.bin", url=web.on("/x", send(web, answer, iter(()))))
    assert fetcher.code(force=True) == 0
    assert fetcher.files() == {"data.bin": b"data"}
