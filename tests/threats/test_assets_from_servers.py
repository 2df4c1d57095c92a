"""Fetching assets from HTTP servers that send wrong data, break off or stall.

A failed fetch must keep the old file. The fixture `fetcher` asserts that no temporary files remain.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from email.utils import formatdate
from pathlib import Path

import pytest

from git_spacy.assets.events import FetchFailed, FetchRetried
from git_spacy.assets.sources import http
from git_spacy.cli.main import main
from tests.testing.fetching import Fetcher
from tests.testing.projects import Spacy
from tests.testing.repositories import noise
from tests.testing.scripted import Answer, Scripted, redirect
from tests.testing.tls import certificate

DATA = noise(200_000, 1)
MD5 = hashlib.md5(DATA).hexdigest()
TAGGED = (("ETag", '"one"'),)


def write_old_file(fetcher: Fetcher) -> None:
    """Write a file with other content to the destination, which a failed fetch must keep."""

    fetcher.root.joinpath("data.bin").write_bytes(b"old")


# Terminal escapes in text of the server.


@pytest.mark.threat("terminal-escapes", commands="assets")
def test_text_of_a_server_is_escaped(
    fetcher: Fetcher, web: Scripted, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.001)

    def escape(handler: object) -> None:
        handler.wfile.write(  # type: ignore[attr-defined]
            b"HTTP/1.1 404 gone\x1b]0;owned\x07\x1b[2J\r\nContent-Length: 0\r\n\r\n"
        )

    fetcher.write_asset("data.bin", url=web.on("/x", escape))
    done = spacy("assets", cwd=fetcher.root)
    assert done.code == 4
    assert "\x1b" not in done.out + done.err
    assert "\x07" not in done.out + done.err
    assert "404" in done.err


# Bodies that are shorter than announced, or cut in a chunk.


@pytest.mark.threat("truncated-bodies")
@pytest.mark.parametrize("chunked", [False, True])
def test_truncated_body_is_resumed(fetcher: Fetcher, web: Scripted, chunked: bool) -> None:
    whole = Answer(DATA, headers=TAGGED, ranges=True, chunked=chunked)
    url = web.on("/x", whole._replace(cut=90_000), whole._replace(cut=40_000), whole)
    fetcher.write_asset("data.bin", url=url, checksum=MD5)
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    first, second, third = web.requests_for("/x")
    assert "range" not in first.headers
    assert second.headers["if-range"] == third.headers["if-range"] == '"one"'
    starts = [int(request.headers["range"][6:-1]) for request in (second, third)]
    assert 0 < starts[0] <= 90_000 < starts[1]
    assert len(fetcher.slept) == 2


@pytest.mark.threat("truncated-bodies")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_old_file_is_kept_after_three_truncated_bodies(
    fetcher: Fetcher, web: Scripted, chunked: bool, reset: bool
) -> None:
    write_old_file(fetcher)
    cut = Answer(DATA, cut=90_000, chunked=chunked, reset=reset)
    fetcher.write_asset("data.bin", url=web.on("/x", cut), checksum=MD5)
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert len(web.requests_for("/x")) == 3
    assert "broke" in fetcher.error
    assert "(after 3 attempts)" in fetcher.error


def test_download_restarts_if_the_file_changed_meanwhile(fetcher: Fetcher, web: Scripted) -> None:
    cut = Answer(DATA, headers=TAGGED, ranges=True, cut=90_000)
    other = Answer(DATA[::-1], headers=(("ETag", '"two"'),), ranges=True)
    fetcher.write_asset("data.bin", url=web.on("/x", cut, other))
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA[::-1]}


@pytest.mark.parametrize("answer", ["bytes 5-199999/200000", "bytes 90000-199999/7", "nonsense"])
def test_wrong_content_range_restarts_the_download(
    fetcher: Fetcher, web: Scripted, answer: str
) -> None:
    cut = Answer(DATA, headers=TAGGED, ranges=True, cut=90_000)
    wrong = Answer(DATA[90_000:], 206, (*TAGGED, ("Content-Range", answer)))
    fetcher.write_asset("data.bin", url=web.on("/x", cut, wrong, Answer(DATA)))
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    assert "range" not in web.requests_for("/x")[2].headers


def test_download_with_a_weak_etag_is_not_resumed(fetcher: Fetcher, web: Scripted) -> None:
    weak = (("ETag", 'W/"one"'),)
    cut = Answer(DATA, headers=weak, ranges=True, cut=90_000)
    fetcher.write_asset("data.bin", url=web.on("/x", cut, Answer(DATA, headers=weak, ranges=True)))
    assert fetcher.code() == 0
    assert "range" not in web.requests_for("/x")[1].headers


LONG_AGO, LATER = formatdate(1_000_000_000, usegmt=True), formatdate(1_000_000_500, usegmt=True)
OTHER = DATA[::-1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((("ETag", '"one"'),), (("ETag", '"two"'),)),
        ((("ETag", '"one"'),), (("ETag", 'W/"one"'),)),
        ((("ETag", '"one"'),), ()),
        ((("ETag", '"one"'),), (("Last-Modified", LONG_AGO),)),
        ((("Last-Modified", LONG_AGO),), (("Last-Modified", LATER),)),
        ((("Last-Modified", LONG_AGO),), ()),
        ((("Last-Modified", LONG_AGO),), (("ETag", '"one"'),)),
    ],
)
def test_download_restarts_if_the_validator_changed(
    fetcher: Fetcher,
    web: Scripted,
    before: tuple[tuple[str, str], ...],
    after: tuple[tuple[str, str], ...],
) -> None:
    """A server that ignores If-Range sends the rest of a newer version."""

    cut = Answer(DATA, headers=before, cut=90_000)

    def rest(handler: object) -> None:
        start = int(handler.headers["Range"][6:-1])  # type: ignore[attr-defined]
        assert handler.headers["If-Range"] == before[0][1]  # type: ignore[attr-defined]
        total = len(OTHER)
        part = ("Content-Range", f"bytes {start}-{total - 1}/{total}")
        web.send_answer(handler, Answer(OTHER[start:], 206, (*after, part)))  # type: ignore[arg-type]

    fetcher.write_asset("data.bin", url=web.on("/x", cut, rest, Answer(OTHER, headers=after)))
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": OTHER}
    assert "range" not in web.requests_for("/x")[2].headers


@pytest.mark.parametrize(
    "headers",
    [
        (("ETag", 'W/"one"'), ("Last-Modified", LONG_AGO)),
        (("ETag", "one"),),
        (("ETag", '""'),),
        (("ETag", '"a" "b"'),),
        (("Last-Modified", "now"),),
        (("Last-Modified", formatdate(4102444800, usegmt=True)),),
        (("Last-Modified", "yesterday"),),
        (("Last-Modified", "Wed, 01 Jan 99999999999 00:00:00 GMT"),),
    ],
)
def test_download_with_an_unreliable_validator_is_not_resumed(
    fetcher: Fetcher, web: Scripted, headers: tuple[tuple[str, str], ...]
) -> None:
    """A weak ETag, or a date within the last minute, may stay the same while the bytes change."""

    now = formatdate(usegmt=True)  # at the start of the test, not when it is collected
    headers = tuple((name, now if text == "now" else text) for name, text in headers)
    cut = Answer(DATA, headers=headers, ranges=True, cut=90_000)
    fetcher.write_asset(
        "data.bin", url=web.on("/x", cut, Answer(OTHER, headers=headers, ranges=True))
    )
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": OTHER}
    assert "range" not in web.requests_for("/x")[1].headers


def test_download_is_not_resumed_from_another_mirror(fetcher: Fetcher, web: Scripted) -> None:
    web.on("/x", redirect("/a"), redirect("/b"))
    web.on("/a", Answer(DATA, headers=TAGGED, ranges=True, cut=90_000))
    web.on("/b", Answer(OTHER, headers=TAGGED, ranges=True))
    fetcher.write_asset("data.bin", url=web.url + "/x")
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": OTHER}


def test_download_is_resumed_if_only_the_query_changed(fetcher: Fetcher, web: Scripted) -> None:
    web.on("/x", redirect("/a?signature=1"), redirect("/a?signature=2"))
    whole = Answer(DATA, headers=TAGGED, ranges=True)
    web.on("/a", whole._replace(cut=90_000), whole)
    fetcher.write_asset("data.bin", url=web.url + "/x")
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    assert "range" in web.requests_for("/a")[1].headers


def test_download_with_an_old_date_is_resumed(fetcher: Fetcher, web: Scripted) -> None:
    dated = Answer(DATA, headers=(("Last-Modified", LONG_AGO),), ranges=True)
    fetcher.write_asset("data.bin", url=web.on("/x", dated._replace(cut=90_000), dated))
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    assert web.requests_for("/x")[1].headers["if-range"] == LONG_AGO


@pytest.mark.parametrize(
    "part", ["bytes 90000-99999/200000", "bytes 90000-199999/*", "bytes 90000-89999/200000",
             "bytes 90000-299999/200000", "bytes 90000-199999/200001"]
)  # fmt: skip
def test_incomplete_range_is_never_accepted(fetcher: Fetcher, web: Scripted, part: str) -> None:
    """Without a length in the first response, only the range tells where the file ends."""

    cut = Answer(DATA, headers=TAGGED, chunked=True, cut=90_000)

    def rest(handler: object) -> None:
        web.send_answer(handler, Answer(b"x" * 10_000, 206, (*TAGGED, ("Content-Range", part))))  # type: ignore[arg-type]

    fetcher.write_asset("data.bin", url=web.on("/x", cut, rest))
    assert fetcher.code() == 4
    assert fetcher.files() == {}


# Servers that stall.


@pytest.mark.threat("stalled-servers")
@pytest.mark.parametrize("after", [0, 90_000])
def test_stalled_download_is_retried_after_the_idle_timeout(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    stalled = Answer(DATA, headers=TAGGED, ranges=True, stall=after)
    fetcher.write_asset(
        "data.bin", url=web.on("/x", stalled, stalled._replace(stall=None)), checksum=MD5
    )
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    assert "no response for" in fetcher.events_of(FetchRetried)[0].reason


@pytest.mark.threat("stalled-servers")
def test_stalled_server_is_given_up_after_three_attempts(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_old_file(fetcher)
    fetcher.write_asset("data.bin", url=web.on("/x", Answer(DATA, stall=10)), checksum=MD5)
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert len(web.requests_for("/x")) == 3


# Temporary and permanent error statuses.


@pytest.mark.threat("transient-errors")
def test_temporary_server_errors_are_retried(fetcher: Fetcher, web: Scripted) -> None:
    broken = Answer(b"oh", 500)
    fetcher.write_asset("data.bin", url=web.on("/x", broken, broken, Answer(DATA)), checksum=MD5)
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    first, second = fetcher.slept
    assert 0.25 <= first <= 0.5
    assert 0.5 <= second <= 1


@pytest.mark.threat("transient-errors")
@pytest.mark.parametrize(
    ("header", "slept"),
    [
        ("7", (7, 7)),
        ("99999", (60, 60)),
        (formatdate(4102444800, usegmt=True), (60, 60)),
        (formatdate(0, usegmt=True), (0, 0)),
        ("soon", (0.25, 0.5)),
    ],
)
def test_retry_after_is_honoured_up_to_a_limit(
    fetcher: Fetcher, web: Scripted, header: str, slept: tuple[float, float]
) -> None:
    busy = Answer(b"", 429, (("Retry-After", header),))
    fetcher.write_asset("data.bin", url=web.on("/x", busy, Answer(DATA)), checksum=MD5)
    assert fetcher.code() == 0
    assert slept[0] <= fetcher.slept[0] <= slept[1]


@pytest.mark.threat("transient-errors")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_permanent_errors_are_not_retried(fetcher: Fetcher, web: Scripted, status: int) -> None:
    write_old_file(fetcher)
    fetcher.write_asset("data.bin", url=web.on("/x", Answer(DATA, status)), checksum=MD5)
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert len(web.requests_for("/x")) == 1
    assert str(status) in fetcher.error


# Redirects.


@pytest.mark.threat("redirects")
@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher:x", "http://", "http://[", "/x"]
)
def test_redirect_to_another_scheme_or_in_a_loop_is_refused(
    fetcher: Fetcher, web: Scripted, target: str
) -> None:
    write_old_file(fetcher)
    fetcher.write_asset("data.bin", url=web.on("/x", redirect(target)), checksum=MD5)
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert "redirect" in fetcher.error
    assert not fetcher.slept


@pytest.mark.threat("redirects")
def test_credentials_are_not_sent_to_another_host_on_redirects(
    fetcher: Fetcher, web: Scripted
) -> None:
    home = web.url.replace("://", "://user:secret@")
    web.on("/x", redirect("/y"))
    web.on("/y", redirect(f"http://localhost:{web.port}/z", 307))
    web.on("/z", Answer(DATA))
    fetcher.write_asset("data.bin", url=home + "/x", checksum=MD5)
    assert fetcher.code() == 0
    x, y, z = web.requests
    assert x.headers["authorization"] == y.headers["authorization"]
    assert "authorization" not in z.headers
    assert "cookie" not in z.headers


@pytest.mark.threat("redirects")
@pytest.mark.threat("leaked-credentials", commands="assets")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_netrc_credentials_are_sent_to_their_host_only(
    fetcher: Fetcher,
    tmp_path: Path,
    sealed: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    """They are also sent over https only, so that they cannot be read on the network."""

    (sealed / ".netrc").write_text("default login user password secret\n")
    (sealed / ".netrc").chmod(0o600)
    file, context = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    server = Scripted()
    if scheme == "https":
        server.use_tls(context)
    with server:
        server.on("/x", redirect("/y"))
        server.on("/y", redirect(f"{scheme}://localhost:{server.port}/z"))
        server.on("/z", Answer(b"data"))
        fetcher.write_asset("data.bin", url=server.url + "/x")
        assert fetcher.code() == 0, fetcher.error
        sent = ["authorization" in request.headers for request in server.requests]
        assert sent == ([True, True, False] if scheme == "https" else [False] * 3)


def test_endless_body_of_a_redirect_is_not_read(fetcher: Fetcher, web: Scripted) -> None:
    away = redirect("/y")._replace(body=b"x" * 100, stall=50, length=10**12)
    web.on("/x", away)
    web.on("/y", Answer(DATA))
    fetcher.write_asset("data.bin", url=web.url + "/x", checksum=MD5)
    assert fetcher.code() == 0


# Wrong checksums.


@pytest.mark.threat("wrong-checksums")
def test_file_with_a_wrong_checksum_is_fetched_again(fetcher: Fetcher, web: Scripted) -> None:
    write_old_file(fetcher)
    fetcher.write_asset("data.bin", url=web.on("/x", Answer(DATA)), checksum=MD5)
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}


@pytest.mark.threat("wrong-checksums")
def test_body_with_a_wrong_checksum_is_fetched_again(fetcher: Fetcher, web: Scripted) -> None:
    fetcher.write_asset("data.bin", url=web.on("/x", Answer(b"wrong"), Answer(DATA)), checksum=MD5)
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}


@pytest.mark.threat("wrong-checksums")
@pytest.mark.parametrize("prefix", ["", "md5:", "sha256:"])
def test_body_with_a_wrong_checksum_twice_is_an_error(
    fetcher: Fetcher, web: Scripted, prefix: str
) -> None:
    write_old_file(fetcher)
    wanted = hashlib.sha256(DATA).hexdigest() if prefix == "sha256:" else MD5
    url = web.on("/x", Answer(b"wrong"))
    fetcher.write_asset("data.bin", url=url, checksum=prefix + wanted)
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert len(web.requests_for("/x")) == 2  # the same content twice is not an accident
    assert wanted in fetcher.error
    assert "project.yml:3: error: asset 'data.bin'" in fetcher.error


# Empty bodies and HTML pages.


@pytest.mark.threat("empty-or-html-bodies")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(b""),
        Answer(b"", 204),
        Answer(b"x", headers=(("Content-Type", "text/html; charset=utf-8"),)),
        Answer(b"<!DOCTYPE html>\n<title>Sign in</title>"),
        Answer(b"\xef\xbb\xbf \n<HTML lang=en>"),
        Answer(gzip.compress(b"<html>"), headers=(("Content-Encoding", "gzip"),)),
    ],
)
def test_empty_body_or_html_page_is_refused(
    fetcher: Fetcher, web: Scripted, answer: Answer
) -> None:
    fetcher.root.joinpath("data.bin").write_bytes(b"old")
    fetcher.write_asset("data.bin", url=web.on("/x", answer))
    assert fetcher.code(force=True) == 4
    assert fetcher.files() == {"data.bin": b"old"}


@pytest.mark.threat("empty-or-html-bodies")
def test_html_page_is_accepted_if_it_is_expected(fetcher: Fetcher, web: Scripted) -> None:
    page = b"<!doctype html><p>hello"
    url = web.on("/x", Answer(page, headers=(("Content-Type", "text/html"),)))
    fetcher.write_asset("page.html", url=url)
    assert fetcher.code() == 0
    fetcher.write_asset("page.bin", url=url, checksum=hashlib.md5(page).hexdigest())
    assert fetcher.code() == 0
    empty = web.on("/empty", Answer(b""))
    fetcher.write_asset("empty", url=empty, checksum=hashlib.md5(b"").hexdigest())
    assert fetcher.code() == 0
    assert fetcher.files() == {"page.html": page, "page.bin": page, "empty": b""}


# Content-Encoding.

PACKED = gzip.compress(DATA, mtime=0)
GZIP = (("Content-Encoding", "gzip"),)


@pytest.mark.threat("content-encodings")
@pytest.mark.parametrize(
    ("dest", "body", "checksum", "lands"),
    [
        ("data.bin", PACKED, DATA, DATA),
        ("data.bin", PACKED, PACKED, PACKED),
        ("data.gz", PACKED, DATA, DATA),
        ("data.bin", PACKED, None, DATA),
        (
            "data.tar.gz",
            PACKED,
            None,
            PACKED,
        ),  # a server that says what the file is, not what it did
        ("data.tgz", gzip.compress(PACKED), None, PACKED),
        ("data.bin", PACKED + gzip.compress(b"more"), None, DATA + b"more"),
        ("data.bin", DATA, DATA, DATA),  # mislabelled
    ],
)
def test_content_is_decoded_as_the_checksum_requires(
    fetcher: Fetcher, web: Scripted, dest: str, body: bytes, checksum: bytes | None, lands: bytes
) -> None:
    keys = {"checksum": hashlib.md5(checksum).hexdigest()} if checksum else {}
    fetcher.write_asset(dest, url=web.on("/x", Answer(body, headers=GZIP)), **keys)
    assert fetcher.code() == 0
    assert fetcher.files() == {dest: lands}
    assert web.requests_for("/x")[0].headers["accept-encoding"] == "identity"


@pytest.mark.threat("content-encodings")
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip"])
@pytest.mark.parametrize("body", [PACKED[:-100], PACKED[: len(PACKED) // 2], DATA])
@pytest.mark.parametrize("checksum", [True, False])
def test_partly_decoded_content_is_never_kept(
    fetcher: Fetcher, web: Scripted, coding: str, body: bytes, checksum: bool
) -> None:
    if body == DATA and checksum:
        body = DATA + b"!"
    write_old_file(fetcher)
    url = web.on("/x", Answer(body, headers=(("Content-Encoding", coding),)))
    fetcher.write_asset("data.bin", url=url, **({"checksum": MD5} if checksum else {}))
    assert fetcher.code(force=True) == 4
    assert fetcher.files() == {"data.bin": b"old"}


def test_encoded_download_is_resumed(fetcher: Fetcher, web: Scripted) -> None:
    whole = Answer(PACKED, headers=(*GZIP, *TAGGED), ranges=True)
    fetcher.write_asset(
        "data.bin", url=web.on("/x", whole._replace(cut=90_000), whole), checksum=MD5
    )
    assert fetcher.code() == 0
    assert fetcher.files() == {"data.bin": DATA}
    assert "range" in web.requests_for("/x")[1].headers


# Bodies that are too large.


@pytest.mark.threat("endless-bodies")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"x" * 5000, length=10**15),
        Answer(b"x" * 5000, chunked=True),
        Answer(gzip.compress(b"\0" * 10_000_000), headers=GZIP),
    ],
)
def test_download_stops_at_the_size_limit(fetcher: Fetcher, web: Scripted, answer: Answer) -> None:
    write_old_file(fetcher)
    fetcher.settings["spacy.maxassetsize"] = "4k" if answer.headers == () else "20k"
    fetcher.write_asset("data.bin", url=web.on("/x", answer), checksum=MD5)
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert "spacy.maxAssetSize" in fetcher.error
    assert not fetcher.slept


@pytest.mark.threat("endless-bodies")
def test_download_larger_than_the_disk_is_refused(fetcher: Fetcher, web: Scripted) -> None:
    write_old_file(fetcher)
    fetcher.write_asset(
        "data.bin", url=web.on("/x", Answer(b"x" * 5000, length=10**15)), checksum=MD5
    )
    assert fetcher.code() == 4
    assert fetcher.files() == {"data.bin": b"old"}
    assert "no space left" in fetcher.error


@pytest.mark.threat("endless-bodies")
def test_endless_body_stops_when_the_disk_is_nearly_full(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        f_frsize = f_bsize = 1
        f_blocks = 100 << 20
        rooms = iter((50 << 20, 30 << 20, 1 << 10))

        @property
        def f_bavail(self) -> int:
            return next(self.rooms)

    disk = Disk()
    monkeypatch.setattr(os, "fstatvfs", lambda _: disk)

    def endless(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        handler.close_connection = True  # type: ignore[attr-defined]
        while not web.stopping.is_set():
            handler.wfile.write(b"x" * (1 << 16))  # type: ignore[attr-defined]

    fetcher.write_asset("data.bin", url=web.on("/x", endless))
    assert fetcher.code() == 4
    assert fetcher.files() == {}
    assert "no space left" in fetcher.error


# Checksums in upper case; tests/project/test_loader.py has the invalid ones.


@pytest.mark.threat("checksum-format", commands="assets")
def test_checksum_in_upper_case_is_accepted(fetcher: Fetcher, web: Scripted) -> None:
    fetcher.write_asset("data.bin", url=web.on("/x", Answer(DATA)), checksum=MD5.upper())
    assert fetcher.code() == 0
    assert fetcher.code() == 0
    assert len(web.requests) == 1


# Failures of single assets.


@pytest.mark.threat("partial-failure")
def test_other_assets_are_fetched_if_one_fails(
    fetcher: Fetcher, web: Scripted, spacy: Spacy
) -> None:
    web.on("/gone", Answer(b"", 404))
    web.on("/x", Answer(DATA))
    fetcher.write(
        "assets:\n"
        + "".join(
            f"  - dest: {name}\n    url: {web.url}{path}\n"
            for name, path in (("a", "/x"), ("b", "/gone"), ("c", "/x"), ("d", "/gone"))
        )
    )
    outcome = fetcher(jobs=2)
    assert [asset.dest.text for asset in outcome.fetched] == ["a", "c"]
    assert [failure.asset.dest.text for failure in outcome.failed] == ["b", "d"]
    assert fetcher.files() == {"a": DATA, "c": DATA}
    assert {event.dest for event in fetcher.events_of(FetchFailed)} == {"b", "d"}
    done = spacy("assets", cwd=fetcher.root)
    assert done.code == 4
    assert "fetched 0, skipped 2, failed 2" in done.err
    assert "assets 'b', 'd': the server responded 404" in done.err
    assert main(["-C", str(fetcher.root), "assets", "a"]) == 0
