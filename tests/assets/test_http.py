"""Tests of downloads from servers that fail or send wrong content.

A failed fetch must leave the existing file, and no fetch may leave a temporary file.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.assets.conftest import md5
from tests.testing.misbehaving import Exchange, Misbehaving
from tests.testing.projects import Done, Spacy, project, snapshot
from tests.testing.repositories import noise
from tests.testing.waiting import PATIENCE

Fetch = Callable[..., Done]
DATA = noise(200_000)
DEST = "assets/data.jsonl"


@pytest.fixture(autouse=True)
def no_temporary_files(root: Path) -> object:
    yield
    left = [name for name in snapshot(root) if "git-spacy" in name or name.endswith(".tmp")]
    assert left == []


def content(root: Path) -> bytes:
    return (root / DEST).read_bytes()


def assert_fetch_fails(fetch: Fetch, root: Path, *arguments: str) -> Done:
    """Assert that the fetch fails with 4 for a missing file, and for an old file, which stays."""

    done = fetch(*arguments)
    assert done.code == 4, done.err
    assert not (root / DEST).exists()
    (root / DEST).write_bytes(b"old")
    again = fetch(*arguments, *([""] if len(arguments) == 2 else []), "--force")
    assert again.code == 4, again.err
    assert content(root) == b"old"
    assert "Traceback" not in done.err
    return done


def serve(server: Misbehaving, behaviour: Callable[[Exchange], None]) -> str:
    server.paths["/data"] = behaviour
    return server.url + "/data"


def test_a_verified_file_is_downloaded_once(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    url = serve(server, lambda exchange: exchange.file(DATA))
    assert fetch(url, DEST, md5(DATA)).code == 0
    assert content(root) == DATA
    done = fetch(url, DEST, md5(DATA))
    assert "skipped  assets/data.jsonl (already present, md5 verified)" in done.err
    assert server.count("/data") == 1
    assert server.asked[0][1]["Accept-Encoding"] == "identity"


def test_a_sha256_is_verified(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    url = serve(server, lambda exchange: exchange.file(DATA))
    digest = hashlib.sha256(DATA).hexdigest()
    assert "sha256 verified" in fetch(url, DEST, f"sha256:{digest}").err
    assert "sha256 verified" in fetch(url, DEST, f"sha256:{digest}").err
    assert server.count("/data") == 1


@pytest.mark.parametrize("checksum", [True, False])
def test_a_truncated_download_is_resumed(
    server: Misbehaving, fetch: Fetch, root: Path, checksum: bool
) -> None:
    cuts = {1: 90_000, 2: 40_000}
    url = serve(server, lambda exchange: exchange.file(DATA, cut=cuts.get(exchange.number)))
    done = fetch(url, DEST, md5(DATA) if checksum else "")
    assert done.code == 0, done.err
    assert content(root) == DATA
    ranges = [headers.get("Range") for _, headers in server.asked]
    assert ranges == [None, "bytes=90000-", "bytes=130000-"]


def test_a_truncated_chunked_body_is_detected(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    url = serve(
        server, lambda exchange: exchange.chunks([DATA[:1000], DATA[1000:]], exchange.number > 1)
    )
    assert fetch(url).code == 0
    assert content(root) == DATA


def test_a_download_fails_after_three_attempts(
    server: Misbehaving, fetch: Fetch, root: Path, pauses: list[float]
) -> None:
    url = serve(server, lambda exchange: exchange.answer(DATA[:10], length=len(DATA)))
    done = fetch(url)
    assert done.code == 4
    assert server.count("/data") == 3
    assert "(after 3 attempts)" in done.err
    assert len(pauses) == 2
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1
    (root / DEST).write_bytes(b"old")
    assert fetch(url, DEST, md5(DATA)).code == 4
    assert content(root) == b"old"


def test_a_file_that_changed_meanwhile_is_downloaded_again(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    new = noise(150_000, 2)

    def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.file(DATA, '"v1"', cut=50_000)
        else:
            exchange.file(new, '"v2"')

    assert fetch(serve(server, behave)).code == 0
    assert content(root) == new


@pytest.mark.threat("truncated-bodies")
def test_a_wrong_range_is_rejected(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.file(DATA, cut=50_000)
        elif exchange.headers.get("Range"):
            rest = DATA[60_000:]
            exchange.answer(rest, 206, Content_Range=f"bytes 60000-{len(DATA) - 1}/{len(DATA)}")
        else:
            exchange.file(DATA)

    assert fetch(serve(server, behave)).code == 0
    assert content(root) == DATA


def test_a_stalled_download_is_retried(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.stall(DATA, after=150_000)
        else:
            exchange.file(DATA)

    done = fetch(serve(server, behave))
    assert done.code == 0
    assert "no response for 0.4 s; trying again" in done.err
    assert content(root) == DATA
    assert server.asked[1][1]["Range"] == f"bytes={2 << 16}-", (
        "the download resumes after the last complete chunk"
    )


def test_a_server_that_always_stalls_is_an_error(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    done = fetch(serve(server, lambda exchange: exchange.stall(DATA, after=0)))
    assert done.code == 4
    assert "no response for 0.4 s" in done.err


def test_temporary_server_errors_are_retried(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    def behave(exchange: Exchange) -> None:
        if exchange.number < 3:
            exchange.answer(b"oops", 500)
        else:
            exchange.file(DATA)

    assert fetch(serve(server, behave)).code == 0
    assert content(root) == DATA


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("9999", 60, 60), (None, 0.25, 0.5), ("nonsense", 0.25, 0.5)],
)
def test_retry_after_is_honoured_up_to_a_limit(
    server: Misbehaving,
    fetch: Fetch,
    pauses: list[float],
    value: str | None,
    least: float,
    most: float,
) -> None:
    def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.answer(b"", 503, **({"Retry_After": value} if value else {}))
        else:
            exchange.file(DATA)

    assert fetch(serve(server, behave)).code == 0
    assert least <= pauses[0] <= most


def test_retry_after_may_be_a_date(server: Misbehaving, fetch: Fetch, pauses: list[float]) -> None:
    def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.answer(b"", 429, Retry_After=formatdate(time.time() + 20, usegmt=True))
        else:
            exchange.file(DATA)

    assert fetch(serve(server, behave)).code == 0
    assert 10 < pauses[0] <= 20


def test_a_missing_file_is_not_requested_again(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    done = assert_fetch_fails(fetch, root, server.url + "/nothing")
    assert "404" in done.err
    assert server.count("/nothing") == 2  # once per fetch


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "javascript:x"]
)
def test_a_redirect_to_another_scheme_is_refused(
    server: Misbehaving, fetch: Fetch, root: Path, target: str
) -> None:
    url = serve(server, lambda exchange: exchange.answer(b"", 302, Location=target))
    assert "redirects to" in assert_fetch_fails(fetch, root, url).err


def test_a_redirect_loop_is_an_error(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    url = serve(server, lambda exchange: exchange.answer(b"", 302, Location="/data"))
    assert "more than 10 redirects" in assert_fetch_fails(fetch, root, url).err


def test_credentials_are_not_sent_to_another_host(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    def behave(exchange: Exchange) -> None:
        exchange.answer(b"", 302, Location=f"http://localhost:{server.port}/other")

    server.paths["/other"] = lambda exchange: exchange.file(DATA)
    url = serve(server, behave).replace("//", "//user:s3cret@")
    done = fetch(url)
    assert done.code == 0, done.err
    first, second = (headers for _, headers in server.asked)
    assert first["Authorization"].startswith("Basic ")
    assert "Authorization" not in second
    assert "s3cret" not in done.out + done.err


def test_a_file_with_a_wrong_checksum_is_rejected(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    url = serve(server, lambda exchange: exchange.file(b"wrong"))
    done = assert_fetch_fails(fetch, root, url, DEST, md5(DATA))
    assert f"project.yml expects {md5(DATA)}" in done.err


def test_a_file_on_disk_with_a_wrong_checksum_is_fetched_again(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    (root / "assets").mkdir(parents=True)
    (root / DEST).write_bytes(b"half a downl")
    url = serve(server, lambda exchange: exchange.file(DATA))
    assert fetch(url, DEST, md5(DATA)).code == 0
    assert content(root) == DATA


@pytest.mark.parametrize(
    ("body", "media", "message"),
    [
        (b"", "application/json", "sent an empty file"),
        (b"<p>Please log in</p>", "text/html; charset=utf-8", "a web page"),
        (b"\n <!DOCTYPE html><title>x</title>", "application/octet-stream", "a web page"),
        (b"<html>", "", "a web page"),
    ],
)
def test_an_empty_file_or_a_web_page_is_rejected(
    server: Misbehaving, fetch: Fetch, root: Path, body: bytes, media: str, message: str
) -> None:
    url = serve(server, lambda exchange: exchange.answer(body, Content_Type=media))
    assert message in assert_fetch_fails(fetch, root, url).err


def test_a_web_page_is_accepted_for_an_html_destination(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    url = serve(server, lambda exchange: exchange.answer(b"<html>", Content_Type="text/html"))
    assert fetch(url, "assets/page.html").code == 0


def test_a_content_encoding_is_decoded(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    packed = gzip.compress(DATA[:100_000]) + gzip.compress(DATA[100_000:])
    url = serve(server, lambda exchange: exchange.answer(packed, Content_Encoding="gzip"))
    assert fetch(url, DEST, md5(DATA)).code == 0
    assert content(root) == DATA


def test_a_gz_file_sent_as_content_encoding_is_not_decoded(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    packed = gzip.compress(DATA)
    url = serve(server, lambda exchange: exchange.answer(packed, Content_Encoding="x-gzip"))
    assert fetch(url, "assets/data.tar.gz").code == 0
    assert (root / "assets/data.tar.gz").read_bytes() == packed


def test_encoded_content_that_matches_the_checksum_is_not_decoded(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    packed = gzip.compress(DATA)
    url = serve(server, lambda exchange: exchange.answer(packed, Content_Encoding="gzip"))
    assert fetch(url, DEST, md5(packed)).code == 0
    assert content(root) == packed


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"junk" + data])
def test_a_damaged_encoding_is_rejected(
    server: Misbehaving, fetch: Fetch, root: Path, damage: Callable[[bytes], bytes]
) -> None:
    packed = damage(gzip.compress(DATA))
    url = serve(server, lambda exchange: exchange.answer(packed, Content_Encoding="gzip"))
    assert "compressed response is" in assert_fetch_fails(fetch, root, url).err


def test_an_unsupported_encoding_is_rejected(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    url = serve(server, lambda exchange: exchange.answer(DATA, Content_Encoding="br"))
    assert "content encoding 'br'" in assert_fetch_fails(fetch, root, url).err


def test_a_length_larger_than_the_disk_is_rejected_at_once(
    server: Misbehaving, fetch: Fetch, root: Path
) -> None:
    url = serve(server, lambda exchange: exchange.answer(b"x", length=10**15))
    assert "no space left on the disk" in assert_fetch_fails(fetch, root, url).err


def test_an_endless_body_is_stopped_at_the_size_limit(
    server: Misbehaving, fetch: Fetch, root: Path, sealed: Path
) -> None:
    with (sealed / ".gitconfig").open("a") as config:
        config.write("[spacy]\n\tmaxAssetSize = 1m\n")
    url = serve(server, lambda exchange: exchange.endless())
    assert "larger than the limit of 1,048,576 bytes" in assert_fetch_fails(fetch, root, url).err


def test_a_decompression_bomb_is_stopped_at_the_size_limit(
    server: Misbehaving, fetch: Fetch, root: Path, sealed: Path
) -> None:
    with (sealed / ".gitconfig").open("a") as config:
        config.write("[spacy]\n\tmaxAssetSize = 1m\n")
    bomb = gzip.compress(b"\0" * 50_000_000)
    url = serve(server, lambda exchange: exchange.answer(bomb, Content_Encoding="gzip"))
    assert "larger than" in assert_fetch_fails(fetch, root, url).err


def test_a_checksum_may_be_in_upper_case(server: Misbehaving, fetch: Fetch, root: Path) -> None:
    url = serve(server, lambda exchange: exchange.file(DATA))
    assert fetch(url, DEST, md5(DATA).upper()).code == 0
    assert fetch(url, DEST, md5(DATA).upper()).code == 0
    assert server.count("/data") == 1


@pytest.mark.threat("checksum-format", commands="assets")
def test_an_invalid_checksum_is_reported_with_its_line(fetch: Fetch) -> None:
    done = fetch("https://host/x", DEST, "sha1:123")
    assert done.code == 2
    assert done.err.startswith("project.yml:5:15: error: invalid checksum 'sha1:123'")


@pytest.mark.threat("partial-failure")
def test_a_failed_asset_does_not_stop_the_others(
    server: Misbehaving, spacy: Spacy, root: Path
) -> None:
    server.paths["/good"] = lambda exchange: exchange.file(DATA)
    entries = "".join(
        f"  - {{dest: assets/{name}, url: '{server.url}/{path}'}}\n"
        for name, path in (("a", "good"), ("b", "bad"), ("c", "good"))
    )
    project(root, f"title: t\nassets:\n{entries}")
    done = spacy("assets", cwd=root)
    assert done.code == 4
    assert (root / "assets/a").read_bytes() == (root / "assets/c").read_bytes() == DATA
    assert "fetched 2, skipped 0, failed 1" in done.err
    assert "'assets/b': the server responded 404" in done.err


def test_an_unreachable_server_is_an_error(fetch: Fetch, root: Path) -> None:
    done = assert_fetch_fails(fetch, root, "http://127.0.0.1:9/data")
    assert "refused" in done.err


def test_assets_are_downloaded_in_parallel(server: Misbehaving, spacy: Spacy, root: Path) -> None:
    import threading

    meeting = threading.Barrier(4, timeout=PATIENCE)

    def behave(exchange: Exchange) -> None:
        meeting.wait()  # answers only when all four are requested
        exchange.file(DATA)

    entries = ""
    for name in "abcd":
        server.paths[f"/{name}"] = behave
        entries += f"  - {{dest: assets/{name}, url: '{server.url}/{name}'}}\n"
    project(root, f"title: t\nassets:\n{entries}")
    assert spacy("assets", "--jobs", 4, cwd=root).code == 0


def test_an_environment_variable_in_a_url_needs_a_setting(
    server: Misbehaving, spacy: Spacy, root: Path, monkeypatch: pytest.MonkeyPatch, sealed: Path
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    server.paths["/s3cret/data"] = lambda exchange: exchange.file(DATA)
    project(
        root,
        "title: t\nenv: {token: API_TOKEN}\nassets:\n"
        f"  - {{dest: assets/a, url: '{server.url}/${{env.token}}/data'}}\n"
        f"  - {{dest: assets/b, url: '{server.url}/${{env.token}}/missing'}}\n",
    )
    done = spacy("assets", cwd=root)
    assert done.code == 3
    assert "git config spacy.allowEnvInUrl true" in done.err
    assert server.asked == []
    with (sealed / ".gitconfig").open("a") as config:
        config.write("[spacy]\n\tallowEnvInUrl = true\n")
    done = spacy("assets", cwd=root)
    assert done.code == 4
    assert (root / "assets/a").read_bytes() == DATA
    assert "s3cret" not in done.out + done.err


def test_terminal_escapes_from_a_server_are_escaped(server: Misbehaving, fetch: Fetch) -> None:
    def behave(exchange: Exchange) -> None:
        exchange.handler.send_response_only(404, "no \x1b[2J\x07such")
        exchange.handler.send_header("Content-Length", "0")
        exchange.handler.end_headers()

    done = fetch(serve(server, behave))
    assert done.code == 4
    assert "\x1b" not in done.err
    assert "\\x1b[2J" in done.err
