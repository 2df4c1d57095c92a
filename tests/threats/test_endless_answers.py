"""HTTP servers that never come to an end: in the head, in the framing of chunks, in the trailer, or
by sending a byte now and then. Each fetch ends with exit code 4, and the old file stays. (Issue 17,
13; Threat model: stalled-servers, endless-bodies.)"""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from git_spacy import http_reader
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

WRONG: dict[str, bytes] = {
    "a length with 5,000 digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx",
    "a length with 4,000 digits": HEAD + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\nx",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5, 6\r\n\r\nhello!",
    "a chunk size that is none": CHUNKED + b"five\r\nhello\r\n0\r\n\r\n",
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
    """No pauses, and an idle timeout that no busy machine reaches."""

    return without_waiting(monkeypatch, idle=IDLE)


@pytest.fixture(autouse=True)
def _little_memory(fetcher: Fetcher) -> Iterator[None]:
    """The old file, a limit of 1 MB, and a bound of what the fetch may allocate."""

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
    """A clock of the test's own, which goes on by a second whenever it is read."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def slow_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that brings a byte a second."""

    read = http_reader._Wire.readinto
    monkeypatch.setattr(http_reader, "time", Clock())
    monkeypatch.setattr(
        http_reader._Wire, "readinto", lambda self, buffer: read(self, memoryview(buffer)[:1])
    )


def fails(fetcher: Fetcher, url: str) -> None:
    fetcher.write_asset("data.bin", url=url)
    assert fetcher.code(force=True) == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert len(fetcher.error) < 1000


def sending(web: Scripted, start: bytes, pieces: Iterator[bytes]) -> Callable[..., None]:
    """Write `start` and then `pieces`, until the client has gone."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(start)
        while not web.stopping.is_set() and (piece := next(pieces, b"")):
            handler.wfile.write(piece)

    return answer


@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_without_an_end_is_given_up(fetcher: Fetcher, web: Scripted, what: str) -> None:
    start, piece = ENDLESS[what]
    fails(fetcher, web.on("/x", sending(web, start, itertools.repeat(piece))))


@pytest.mark.usefixtures("slow_network")
@pytest.mark.parametrize("what", DRIPPING)
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    fetcher: Fetcher, web: Scripted, what: str
) -> None:
    """Each byte comes within the idle timeout, all of them would take hours."""

    start, rest = DRIPPING[what]
    fails(fetcher, web.on("/x", sending(web, start, itertools.repeat(rest))))
    assert "the server is too slow" in fetcher.error


@pytest.mark.parametrize("what", WRONG)
def test_numbers_that_make_no_sense_are_no_internal_error(
    fetcher: Fetcher, web: Scripted, what: str
) -> None:
    fails(fetcher, web.on("/x", sending(web, WRONG[what], iter(()))))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_many_small_chunks_are_no_misbehaviour(fetcher: Fetcher, web: Scripted, size: int) -> None:
    data = bytes(range(256)) * 200
    parts = (data[at : at + size] for at in range(0, len(data), size))
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    answer = CHUNKED + body + b"0\r\nChecksum: x\r\n\r\n"
    fetcher.write_asset("data.bin", url=web.on("/x", sending(web, answer, iter(()))))
    assert fetcher.code(force=True) == 0
    assert fetcher.files() == {"data.bin": data}


def test_a_few_interim_answers_are_skipped(fetcher: Fetcher, web: Scripted) -> None:
    interim = b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 3
    answer = interim + HEAD + b"Content-Length: 4\r\n\r\ndata"
    fetcher.write_asset("data.bin", url=web.on("/x", sending(web, answer, iter(()))))
    assert fetcher.code(force=True) == 0
    assert fetcher.files() == {"data.bin": b"data"}
