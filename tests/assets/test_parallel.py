"""Tests of a fetch of several assets: selection, exit codes, parallelism, interruption."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from weasel.util.hashing import get_checksum

from git_spacy.assets.events import (
    FetchEvent,
    FetchFailed,
    FetchFinished,
    FetchSkipped,
    FetchStarted,
)
from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.state.stat_cache import StatCache
from tests.testing.fetching import Fetcher, left_over
from tests.testing.repositories import write
from tests.testing.scripted import Answer, Scripted, redirect
from tests.testing.waiting import PATIENCE

DATA = b"some data\n"
MD5 = hashlib.md5(DATA).hexdigest()
TOO_LONG = "x" * 300  # longer than a file name may be


def test_assets_are_fetched_once(fetcher: Fetcher, web: Scripted) -> None:
    sha = hashlib.sha256(DATA).hexdigest()
    url = web.on("/x", Answer(DATA))
    fetcher.write(
        f"assets:\n  - {{dest: a/md5, url: '{url}', checksum: {MD5}}}\n"
        f"  - {{dest: a/sha, url: '{url}', checksum: 'sha256:{sha}'}}\n"
        f"  - {{dest: a/none, url: '{url}'}}\n"
    )
    assert fetcher.code() == 0
    assert {event.detail for event in fetcher.events_of(FetchFinished)} == {
        "md5 verified", "sha256 verified", "unverified: no checksum"
    }  # fmt: skip
    assert fetcher.code() == 0
    assert [event.reason for event in fetcher.events_of(FetchSkipped)] == [
        "already present, md5 verified", "already present, sha256 verified",
        "already present, unverified: no checksum"
    ]  # fmt: skip
    assert len(web.requests) == 3


def test_archives_are_not_unpacked(fetcher: Fetcher, web: Scripted) -> None:
    archive = b"PK\x03\x04 and so on"
    fetcher.write_asset("x.zip", url=web.on("/x.zip", Answer(archive)))
    assert fetcher.code() == 0
    assert fetcher.files() == {"x.zip": archive}


def test_force_fetches_unverified_assets_again(fetcher: Fetcher, web: Scripted) -> None:
    (fetcher.root / "x").write_bytes(b"old")
    fetcher.write_asset("x", url=web.on("/x", Answer(DATA)))
    assert fetcher.code() == 0
    assert fetcher.files() == {"x": b"old"}
    assert fetcher.code(force=True) == 0
    assert fetcher.files() == {"x": DATA}


def test_private_assets_are_checked_but_not_fetched(fetcher: Fetcher) -> None:
    fetcher.write_asset("corpus/x", checksum=MD5, description="ask the archive")
    assert fetcher.code() == 1
    assert "ask the archive" in fetcher.error
    assert fetcher.files() == {}
    write(fetcher.root, {"corpus/x": b"wrong"})
    assert fetcher.code() == 1
    assert fetcher.files()["corpus/x"] == b"wrong"
    write(fetcher.root, {"corpus/x": DATA})
    assert fetcher.code() == 0


def test_the_checksum_of_a_private_folder_is_that_of_weasel(fetcher: Fetcher) -> None:
    write(
        fetcher.root,
        {"x/b/1.txt": b"one", "x/b.txt": b"two", "x/b-c/3": b"three", "x/a": b"", "x/.h/4": b"4"},
    )
    (fetcher.root / "x/empty").mkdir()
    (fetcher.root / "x/link").symlink_to("b.txt")
    (fetcher.root / "x/folder").symlink_to("b")
    fetcher.write_asset("x", checksum=get_checksum(fetcher.root / "x").upper())
    assert fetcher.code() == 0
    write(fetcher.root, {"x/b.txt": b"changed"})
    assert fetcher.code() == 1


def test_extra_assets_are_fetched_on_request(fetcher: Fetcher, web: Scripted) -> None:
    url = web.on("/x", Answer(DATA))
    fetcher.write(
        f"assets:\n  - {{dest: a, url: '{url}'}}\n  - {{dest: b, url: '{url}', extra: true}}\n"
    )
    assert fetcher.code() == 0
    assert set(fetcher.files()) == {"a"}
    assert fetcher.code("b") == 0
    assert set(fetcher.files()) == {"a", "b"}
    (fetcher.root / "b").unlink()
    assert fetcher.code(extra=True) == 0
    assert set(fetcher.files()) == {"a", "b"}


def test_nested_destinations_are_an_error_before_any_fetch(fetcher: Fetcher, web: Scripted) -> None:
    url = web.on("/x", Answer(DATA))
    fetcher.write(f"assets:\n  - {{dest: a, url: '{url}'}}\n  - {{dest: a/b, url: '{url}'}}\n")
    with pytest.raises(InvalidInput, match=r"project\.yml:4"):
        fetcher()
    assert not web.requests


def test_the_folders_of_the_project_are_created(fetcher: Fetcher, web: Scripted) -> None:
    url = web.on("/x", Answer(DATA))
    fetcher.write(f"directories: [one, two/three]\nassets:\n  - {{dest: a, url: '{url}'}}\n")
    assert fetcher.code() == 0
    assert set(fetcher.files()) == {"a", "one/", "two/", "two/three/"}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (("refused", "url", "private", TOO_LONG), 3),
        (("malformed", "url", "private", TOO_LONG), 2),
        (("url", "private", TOO_LONG), 5),
        (("url", "private"), 4),
        (("private",), 1),
        ((), 0),
    ],
)
def test_the_worst_failure_sets_the_exit_code(
    fetcher: Fetcher, web: Scripted, bad: tuple[str, ...], code: int
) -> None:
    urls = {
        "refused": "url: s3://bucket/x",
        "malformed": "url: 'http://'",
        "url": f"url: {web.on('/gone', Answer(b'', 404))}",
        TOO_LONG: "url: nowhere",  # longer than a file name may be
        "private": "description: mine",
    }
    items = "".join(f"  - dest: {name}\n    {urls[name]}\n" for name in bad)
    fetcher.write(f"assets:\n  - dest: ok\n    url: {web.on('/x', Answer(DATA))}\n{items}")
    assert fetcher.code() == code
    assert fetcher.files() == {"ok": DATA}
    assert all(f"asset '{name}'" in fetcher.error for name in bad)
    assert {event.dest for event in fetcher.events_of(FetchFailed)} == set(bad)


def test_assets_are_fetched_in_parallel(fetcher: Fetcher, web: Scripted) -> None:
    together = threading.Barrier(4, timeout=PATIENCE)

    def answer(handler: object) -> None:
        together.wait()  # fails unless four requests run at once
        web.send_answer(handler, Answer(DATA))  # type: ignore[attr-defined]

    url = web.on("/x", answer)
    items = "".join(f"  - {{dest: '{n}', url: '{url}'}}\n" for n in range(4))
    fetcher.write(f"assets:\n{items}")
    assert fetcher.code(jobs=4) == 0
    assert len(fetcher.files()) == 4


def test_one_job_fetches_assets_in_sequence(fetcher: Fetcher, web: Scripted) -> None:
    url = web.on("/x", Answer(DATA))
    items = "".join(f"  - {{dest: '{n}', url: '{url}'}}\n" for n in range(4))
    fetcher.write(f"assets:\n{items}")
    assert fetcher.code(jobs=1) == 0
    kinds = [
        type(event) for event in fetcher.events if type(event) in (FetchStarted, FetchFinished)
    ]
    assert kinds == [FetchStarted, FetchFinished] * 4 or len(kinds) == 8


@pytest.mark.parametrize("after", [0, 3])
def test_an_interrupt_ends_a_stalled_fetch_at_once(
    fetcher: Fetcher, web: Scripted, after: int
) -> None:
    (fetcher.root / "x").write_bytes(b"old")
    fetcher.write_asset("x", url=web.on("/x", Answer(DATA, stall=after)), checksum=MD5)

    def interrupt() -> None:
        web.idle.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        fetcher()
    thread.join()
    assert fetcher.files() == {"x": b"old"}
    assert not [t for t in threading.enumerate() if t.name.startswith("git-spacy-asset")]


def test_an_interrupt_ends_a_fetch_without_a_response(fetcher: Fetcher, web: Scripted) -> None:
    def silent(_: object) -> None:
        if not web.idle.is_set():  # a second signal would reach the test
            web.idle.set()
            os.kill(os.getpid(), signal.SIGINT)
        web.stopping.wait(PATIENCE)

    fetcher.write_asset("x", url=web.on("/x", silent))
    with pytest.raises(KeyboardInterrupt):
        fetcher()
    assert fetcher.files() == {}


def test_a_failing_reporter_cancels_the_fetch(fetcher: Fetcher, web: Scripted) -> None:
    def broken(event: FetchEvent) -> None:
        if isinstance(event, FetchStarted):
            raise BrokenPipeError

    fetcher.write_asset("x", url=web.on("/x", Answer(DATA)))
    from git_spacy.assets.fetch import fetch

    with pytest.raises(BrokenPipeError):
        fetch(
            loader.load(fetcher.root), fetcher.root, index=StatCache.open(fetcher.root),
            settings={}, environ={}, report=broken,
        )  # fmt: skip
    assert fetcher.files() == {}


def test_files_of_a_killed_fetch_are_removed_or_recovered(fetcher: Fetcher, web: Scripted) -> None:
    fetcher.write_asset("a/x", url=web.on("/x", Answer(DATA)), checksum=MD5)
    write(fetcher.root, {"a/x": DATA, "a/.x.git-spacy-new": b"half", "a/.x.git-spacy-old": b"old"})
    assert left_over(fetcher.root)
    assert fetcher.code() == 0
    (fetcher.root / "a/x").rename(fetcher.root / "a/.x.git-spacy-old")
    assert fetcher.code() == 0
    assert fetcher.files() == {"a/": "", "a/x": DATA}
    assert not web.requests


def test_an_internal_error_is_raised(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.assets.sources import http

    monkeypatch.setattr(http, "fetch", lambda *_: 1 / 0)
    fetcher.write_asset("x", url=web.url)
    with pytest.raises(ZeroDivisionError):
        fetcher()


def test_a_link_at_the_destination_is_replaced_not_followed(
    fetcher: Fetcher, web: Scripted
) -> None:
    write(fetcher.root, {"target": b"target"})
    Path(fetcher.root / "x").symlink_to("target")
    fetcher.write_asset("x", url=web.on("/x", Answer(DATA)), checksum=MD5)
    assert fetcher.code() == 0
    assert fetcher.files() == {"target": b"target", "x": DATA}


def test_assets_of_one_server_share_connections(fetcher: Fetcher, web: Scripted) -> None:
    peers = set()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        peers.add(handler.client_address)
        # a cookie and a redirect must not affect the next asset
        web.send_answer(handler, Answer(DATA, 200, (("Set-Cookie", "a=b"),), chunked=True))

    web.on("/x", answer)
    web.on("/from", redirect("/x"))
    names = "".join(f"  - {{dest: '{n}', url: '{web.url}/x'}}\n" for n in range(5))
    fetcher.write(f"assets:\n{names}")
    assert fetcher.code(jobs=1) == 0
    assert len(peers) == 1
    assert len(fetcher.files()) == 5
    assert not any("cookie" in request.headers for request in web.requests)
    fetcher.write(f"assets:\n{names}  - {{dest: last, url: '{web.url}/from'}}\n")
    assert fetcher.code(jobs=1, force=True) == 0
    assert fetcher.files()["last"] == DATA


def test_a_server_that_closes_its_connections_is_no_error(fetcher: Fetcher, web: Scripted) -> None:
    closing = Answer(DATA, 200, (("Connection", "close"),))
    silent = Answer(DATA, length=len(DATA))  # closes without saying so
    urls = [web.on("/closing", closing), web.on("/silent", silent)] * 3
    entries = "".join(f"  - {{dest: '{n}', url: '{url}'}}\n" for n, url in enumerate(urls))
    fetcher.write(f"assets:\n{entries}")
    assert fetcher.code(jobs=1) == 0
    assert len(fetcher.files()) == 6
