"""Tests of the HTTP client with well-behaved servers."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest

from git_spacy.assets import content_encoding, http_client
from git_spacy.assets.events import FetchNotice, FetchProgress
from git_spacy.assets.sources.http import _retry_delay
from git_spacy.errors import ExternalError
from tests.testing.fetching import Fetcher
from tests.testing.repositories import noise
from tests.testing.scripted import Answer, Scripted, redirect


@pytest.mark.parametrize(
    ("page", "raw"),
    [
        ("https://github.com/o/r/blob/main/a/b.json", "o/r/main/a/b.json"),
        ("http://www.github.com/o/r/tree/v1/b.json", "o/r/v1/b.json"),
        ("https://GitHub.com/o/r/blob/main/b.json?raw=true", "o/r/main/b.json"),
        ("https://github.com/o/r/blob/main/b.json?raw=1#L3", "o/r/main/b.json"),
        ("https://user:token@github.com/o/r/blob/main/b.json", "o/r/main/b.json"),
        ("https://github.com/o/r/blob/main/blob/b%20c.json", "o/r/main/blob/b%20c.json"),
        ("https://github.com/o/r/raw/main/b.json", None),
        ("https://github.com/o/r/releases/download/v1/blob/b.zip", None),
        ("https://github.com/o/r/archive/main.zip", None),
        ("https://github.com/o/r/zipball/main", None),
        ("https://github.com/o/r", None),
        ("https://raw.githubusercontent.com/o/r/blob/main/b", None),
        ("https://example.com/o/r/blob/main/b", None),
        ("https://github.com.example.com/o/r/blob/main/b", None),
    ],
)
def test_github_pages_have_a_raw_url(page: str, raw: str | None) -> None:
    wanted = raw and f"https://raw.githubusercontent.com/{raw}"
    assert http_client.raw_github_url(page) == wanted


def test_fetching_a_github_page_is_reported(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.assets import http_client as client

    monkeypatch.setattr(client, "raw_github_url", lambda _: web.url + "/raw")
    web.on("/raw", Answer(b"data"))
    fetcher.write_asset("x", url="https://github.com/o/r/blob/main/x")
    assert fetcher.code() == 0
    assert "GitHub" in fetcher.events_of(FetchNotice)[0].text
    assert fetcher.files() == {"x": b"data"}


@pytest.mark.parametrize("location", ["http://example.com/", "//example.com:80/x"])
def test_a_redirect_from_https_to_http_is_rejected(location: str) -> None:
    if location.startswith("//"):
        location = "http:" + location
    with pytest.raises(ExternalError, match="https to http"):
        http_client._redirect_target("https://example.com/x", location)
    assert (
        http_client._redirect_target("https://example.com/a/b", "../c").geturl()
        == "https://example.com/c"
    )
    assert (
        http_client._redirect_target("http://example.com/x", "https://example.com/").scheme
        == "https"
    )


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("http://a/x", "http://A:80/y", True),
        ("https://a/x", "https://a:443/y", True),
        ("http://a/x", "https://a/x", False),
        ("http://a/x", "http://a:81/x", False),
        ("http://a/x", "http://b/x", False),
    ],
)
def test_origins_are_compared_by_scheme_host_and_port(first: str, second: str, same: bool) -> None:
    from urllib.parse import urlsplit

    assert (http_client._origin(urlsplit(first)) == http_client._origin(urlsplit(second))) is same


def test_at_most_ten_redirects_are_followed(fetcher: Fetcher, web: Scripted) -> None:
    for number in range(11):
        web.on(f"/{number}", redirect(f"/{number + 1}"))
    web.on("/11", Answer(b"data"))
    fetcher.write_asset("x", url=f"{web.url}/1")
    assert fetcher.code() == 0
    fetcher.write_asset("y", url=f"{web.url}/0")
    assert fetcher.code() == 4


def test_a_percent_encoded_password_is_decoded(fetcher: Fetcher, web: Scripted) -> None:
    import base64

    web.on("/x", Answer(b"data"))
    fetcher.write_asset("x", url=web.url.replace("://", "://me:p%40ss@") + "/x")
    assert fetcher.code() == 0
    given = web.requests[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(given) == b"me:p@ss"
    assert "Range" not in web.requests[0].headers
    assert web.requests[0].headers["user-agent"].startswith("git-spacy/")


def test_a_proxy_from_the_environment_is_used(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", web.url)
    web.on("http://data.example/x", Answer(b"data"))
    fetcher.write_asset("x", url="http://data.example/x")
    assert fetcher.code() == 0
    assert fetcher.files() == {"x": b"data"}


def test_a_refused_connection_is_retried_without_showing_the_url(fetcher: Fetcher) -> None:
    fetcher.write_asset("x", url="http://127.0.0.1:9/secret-path?token=hidden")
    assert fetcher.code() == 4
    assert "refused" in fetcher.error
    assert "hidden" not in fetcher.error
    assert len(fetcher.slept) == 2


@pytest.mark.parametrize("url", ["http://", "https:///x", "http://[", "http://h:99999/x"])
def test_a_url_without_a_host_is_invalid(fetcher: Fetcher, url: str) -> None:
    fetcher.write_asset("x", url=url)
    assert fetcher.code() == 2


def test_progress_has_the_total_if_known(fetcher: Fetcher, web: Scripted) -> None:
    fetcher.write_asset("x", url=web.on("/x", Answer(b"x" * 200_000)))
    assert fetcher.code() == 0
    steps = [(event.done, event.total) for event in fetcher.events_of(FetchProgress)]
    assert steps[-1] == (200_000, 200_000)
    assert len(steps) > 2
    fetcher.write_asset("y", url=web.on("/y", Answer(b"x" * 2000, chunked=True)))
    assert fetcher.code() == 0
    assert fetcher.events_of(FetchProgress)[-1][1:] == (2000, None)


@pytest.mark.parametrize("seconds", ["5", "0", "9" * 400])
def test_retry_after_is_parsed(seconds: str) -> None:
    assert _retry_delay(seconds) == float(seconds)
    assert _retry_delay("") is None
    assert _retry_delay("-5") is None
    assert _retry_delay("Wed, 99 Foo") is None


@pytest.mark.parametrize("data", [b"x", b"\0" * 5_000_000, noise(300_000)])
def test_content_codings_are_decoded(data: bytes) -> None:
    raw = zlib.compressobj(wbits=-15)
    for coding, packed in (
        ("gzip", gzip.compress(data)),
        ("x-gzip", gzip.compress(data[:5]) + gzip.compress(data[5:])),
        ("deflate", zlib.compress(data)),
        ("deflate", raw.compress(data) + raw.flush()),
    ):
        chunks = list(content_encoding.decode_stream(io.BytesIO(packed), coding))
        assert b"".join(chunks) == data
        assert max(map(len, chunks)) <= 1 << 20
