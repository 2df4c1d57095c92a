"""Tests of Git LFS pointers and submodules in assets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_spacy.assets import http_client
from git_spacy.assets.cancellation import Cancellation
from git_spacy.errors import ExternalError
from git_spacy.git import lfs as git_lfs
from git_spacy.git.address import parse_address
from git_spacy.git.http_settings import HttpConfig
from git_spacy.git.submodules import parse_submodules, resolve_url
from tests.assets.test_git import Upstream, upstream, want
from tests.testing.fetching import Fetcher
from tests.testing.git_server import GitServer
from tests.testing.lfs_server import LfsServer, pointer
from tests.testing.repositories import commit, git, repository, serve
from tests.testing.scripted import Answer, Scripted, redirect

__all__ = ["upstream"]
SETTING = "spacy.allowlocalrepository"
BIG = b"big " * 1000


@pytest.fixture
def store(git_server: GitServer) -> LfsServer:
    return LfsServer(git_server)


def test_the_content_of_pointers_is_fetched(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer
) -> None:
    upstream.commit({
        "data/model.bin*": store.add(BIG), "data/b/copy": store.add(BIG),
        "data/b/other": store.add(b"other"),
    })  # fmt: skip
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    files = fetcher.files()
    assert (files["data/model.bin"], files["data/b/copy"]) == (BIG, BIG)
    assert files["data/b/other"] == b"other"
    assert os.access(fetcher.root / "data/model.bin", os.X_OK)
    assert store.requests[0].path == "/data.git/info/lfs/objects/batch"
    store.requests.clear()
    assert fetcher.code() == 0  # it is unmodified since
    want(fetcher, upstream.url, "data/model.bin", "single")
    assert fetcher.code() == 0
    assert fetcher.files()["single"] == BIG


def test_a_pointer_without_content_is_an_error_that_names_it(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_lfs, "available", lambda: False)
    upstream.commit({"data/model.bin": pointer(BIG)})
    want(fetcher, upstream.url)
    assert fetcher.code() == 1
    assert "'data/model.bin' is a Git LFS pointer" in fetcher.error
    assert (
        f"hint: check that you can fetch it with Git LFS: git clone {upstream.url}" in fetcher.error
    )
    assert fetcher.files() == {}
    upstream.server.lfs = lambda *_: None  # no LFS server at all
    assert fetcher.code() == 1
    assert fetcher.files() == {}
    upstream.commit({"data/model.bin": "version https://git-lfs.github.com/spec/v1\noid x\n"})
    assert fetcher.code() == 1
    assert "'data/model.bin' is an invalid Git LFS pointer" in fetcher.error


@pytest.mark.threat("wrong-checksums")
def test_wrong_or_too_much_content_is_not_used(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer
) -> None:
    upstream.commit({"data/model.bin": store.add(BIG)})
    oid = next(iter(store.objects))
    want(fetcher, upstream.url)
    for wrong, message in (
        (b"x" * len(BIG), "does not match its Git LFS"),
        (BIG * 9, "is larger than its Git LFS"),
    ):
        store.objects[oid] = wrong
        assert fetcher.code() == 4
        assert message in fetcher.error
        assert fetcher.files() == {}
    fetcher.settings["spacy.maxassetsize"] = "3500"
    assert fetcher.code() == 4
    assert "4,000 bytes; the limit is 3,500 bytes" in fetcher.error


@pytest.mark.threat("transient-errors")
def test_a_busy_lfs_server_is_asked_again(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer
) -> None:
    upstream.commit({"data/model.bin": store.add(BIG)})
    store.statuses = [503, 429]
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    store.statuses = [503] * 9
    assert fetcher.code(force=True) == 4
    assert fetcher.files()["data/model.bin"] == BIG


@pytest.mark.threat("leaked-credentials")
def test_the_header_for_a_download_stays_with_its_server(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer, web: Scripted
) -> None:
    upstream.commit({"data/model.bin": store.add(BIG)})
    oid = next(iter(store.objects))
    store.href = f"{web.url}/first"
    with Scripted() as elsewhere:
        web.on(f"/first/{oid}", redirect(f"{elsewhere.url}/second"))
        elsewhere.on("/second", Answer(BIG))
        want(fetcher, upstream.url.replace("://", "://me:pw@"))
        assert fetcher.code() == 0
        assert web.requests[0].headers["x-token"] == "secret"
        for request in (*web.requests, *elsewhere.requests):
            assert "authorization" not in request.headers
        assert "x-token" not in elsewhere.requests[0].headers
    assert "authorization" in store.requests[0].headers


@pytest.mark.threat("redirects")
def test_a_link_to_another_scheme_is_not_followed(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer
) -> None:
    upstream.commit({"data/model.bin": store.add(BIG)})
    want(fetcher, upstream.url)
    for href in ("file:///etc", "http://", ""):
        store.href = href
        assert fetcher.code() == 4
        assert "invalid URL" in fetcher.error
        assert fetcher.files() == {}


@pytest.mark.threat("redirects")
def test_a_public_lfs_server_must_not_link_to_a_private_address(tmp_path: Path) -> None:
    config = HttpConfig(tmp_path, {})
    link = http_client.Link({}, only_public=True)
    with http_client.open_session(Cancellation(), config) as session:
        for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]"):
            with pytest.raises(ExternalError, match="private network"):
                http_client.get(session, f"http://{host}:9/x", {}, 1, link=link)


def test_a_link_that_has_expired_names_the_file(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer
) -> None:
    upstream.commit({"data/model.bin": store.add(BIG)})
    store.href = f"{upstream.server.url}/elsewhere"
    want(fetcher, upstream.url)
    assert fetcher.code() == 4
    assert "for the content of the Git LFS pointer 'data/model.bin'" in fetcher.error


@pytest.mark.threat("hostile-values")
def test_an_invalid_answer_is_an_error(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_lfs, "available", lambda: False)
    upstream.commit({"data/model.bin": store.add(BIG)})
    want(fetcher, upstream.url)
    for answer in (b"<html>", b"[" * 100_000, b"[1]", b'{"objects": [1, {}]}'):
        store.answer = answer
        assert fetcher.code() == 1
        assert fetcher.files() == {}


def test_the_content_in_a_repository_on_this_machine_is_copied(
    fetcher: Fetcher, tmp_path: Path
) -> None:
    made = repository(tmp_path / "made", {"data/model.bin": pointer(BIG)})
    fetcher.settings[SETTING] = "true"
    want(fetcher, str(made))
    assert fetcher.code() == 1
    assert f"git -C {made} lfs fetch --all" in fetcher.error
    oid = pointer(BIG).partition("sha256:")[2][:64]
    stored = made / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"wrong")
    assert fetcher.code() == 4
    stored.write_bytes(BIG)
    assert fetcher.code() == 0
    assert fetcher.files()["data/model.bin"] == BIG


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
def test_git_lfs_fetches_what_the_batch_api_does_not(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer, sealed: Path
) -> None:
    """Only the configuration of git-lfs has the password here."""

    upstream.commit({"data/model.bin": store.add(BIG)})
    store.login = ("me", "pw")
    want(fetcher, upstream.url)
    assert fetcher.code() == 1
    url = f"{upstream.url.replace('://', '://me:pw@')}/info/lfs"
    with (sealed / ".gitconfig").open("a") as config:
        config.write(f"[lfs]\n\turl = {url}\n")
    assert fetcher.code() == 0
    assert fetcher.files()["data/model.bin"] == BIG


def test_the_address_in_the_users_configuration_is_used(
    fetcher: Fetcher, upstream: Upstream, store: LfsServer, sealed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(git_lfs, "available", lambda: False)
    upstream.commit({"data/model.bin": store.add(BIG)})
    with (sealed / ".gitconfig").open("a") as config:
        config.write(f'[url "{upstream.url}"]\n\tinsteadOf = ssh://git@host.invalid/data\n')
    want(fetcher, "ssh://git@host.invalid/data")
    assert fetcher.code() == 0
    assert fetcher.files()["data/model.bin"] == BIG


def test_a_url_that_serves_a_pointer_is_an_error_with_the_remedy(
    fetcher: Fetcher, web: Scripted
) -> None:
    text = pointer(BIG).encode()
    fetcher.write_asset("x", url=web.on("/x", Answer(text)))
    assert fetcher.code() == 1
    assert "Git LFS pointer" in fetcher.error
    assert "replace 'url' by 'git'" in fetcher.error
    (fetcher.root / "local").write_bytes(text)
    fetcher.write_asset("x", url="local")
    assert fetcher.code() == 1
    assert "hint: git lfs pull" in fetcher.error
    assert "x" not in fetcher.files()


def test_the_remedy_for_a_raw_file_of_github_names_its_repository() -> None:
    from git_spacy.assets.sources.http import _lfs_hint

    for url in (
        "https://raw.githubusercontent.com/o/r/main/a/b.bin?token=secret",
        "https://github.com/o/r/raw/main/a/b.bin",
    ):
        source = "git: {repo: https://github.com/o/r, branch: main, path: a/b.bin}"
        assert _lfs_hint(url).endswith(source)


@pytest.mark.skipif(bool(shutil.which("git-lfs")), reason="git-lfs uses SSH by itself")
@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("https://host/o/r", "https://host/o/r.git/info/lfs/objects/batch"),
        ("https://me:pw@host:8443/o/r.git/", "https://me:pw@host:8443/o/r.git/info/lfs/objects/batch"),
        ("ssh://git@host:22/o/r.git", "https://host/o/r.git/info/lfs/objects/batch"),
        ("git@host:o/r", "https://host/o/r.git/info/lfs/objects/batch"),
        ("git://host/o/r", ""),
    ],
)  # fmt: skip
def test_the_lfs_server_is_derived_from_the_address(address: str, endpoint: str) -> None:
    assert git_lfs.endpoint(parse_address(address, None, trusted=True)) == endpoint


# Submodules


class Parent:
    """A served repository with a submodule in `ext`, which has a submodule in `deep`."""

    def __init__(self, folder: Path, server: GitServer, store: LfsServer) -> None:
        self.folder, self.server = folder, server
        deep = repository(folder / "deep", {"d.txt": "deep"})
        git(deep, "branch", "-q", "other")
        serve(deep, folder / "served", "deep")
        inner = repository(folder / "inner", {"sub/i.txt": "inner", "big": store.add(BIG)})
        self._add(inner, "../deep.git", "deep", deep)
        serve(inner, folder / "served", "inner")
        self.work = repository(folder / "parent", {"data/p.txt": "parent"})
        self._add(self.work, f"{server.url}/inner.git", "data/ext", inner)
        self.url = server.url + serve(self.work, folder / "served", "parent")

    def _add(self, work: Path, url: str, path: str, source: Path) -> None:
        modules = f'[submodule "x"]\n\tpath = {path}\n\turl = {url}\n'
        (work / ".gitmodules").write_text(modules)
        git(work, "add", ".gitmodules")
        head = git(source, "rev-parse", "HEAD")
        git(work, "update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
        git(work, "commit", "-qm", "submodule")


@pytest.fixture
def parent(tmp_path: Path, git_server: GitServer, store: LfsServer) -> Parent:
    return Parent(tmp_path, git_server, store)


def test_submodules_are_fetched_at_their_commits(fetcher: Fetcher, parent: Parent) -> None:
    inner = {"sub/": "", "sub/i.txt": b"inner", "big": BIG, "deep/": "", "deep/d.txt": b"deep"}
    for path, expected in (
        ("data", {"p.txt": b"parent", "ext/": "", **{f"ext/{n}": c for n, c in inner.items()}}),
        ("data/ext/sub", {"i.txt": b"inner"}),
        ("data/ext/deep", {"d.txt": b"deep"}),
    ):
        want(fetcher, parent.url, path)
        assert fetcher.code() == 0, fetcher.error
        files = {n.removeprefix("data/"): c for n, c in fetcher.files().items() if n != "data/"}
        assert {n: c for n, c in files.items() if ".gitmodules" not in n} == expected
    want(fetcher, parent.url, "data/ext/nowhere")
    assert fetcher.code() == 2


@pytest.mark.threat("hostile-repositories", commands="assets")
def test_a_submodule_with_an_unsafe_address_is_an_error(
    fetcher: Fetcher, tmp_path: Path, git_server: GitServer
) -> None:
    work = repository(tmp_path / "work", {"secret.txt": "secret"})
    head = git(work, "rev-parse", "HEAD")
    url = git_server.url + serve(work, tmp_path / "served", "parent")
    fetcher.settings[SETTING] = "true"  # for addresses in project.yml, not for those of servers
    want(fetcher, url, "ext")
    for address in (str(work), work.as_uri(), "ext::sh -c x", "-x", None):
        text = f'[submodule "x"]\npath = ext\nurl = {address}\n' if address else ""
        (work / ".gitmodules").write_text(text)
        git(work, "add", ".gitmodules")
        git(work, "update-index", "--add", "--cacheinfo", f"160000,{head},ext")
        git(work, "commit", "-qm", "another address")
        git(work, "push", "-q", str(tmp_path / "served/parent.git"), "HEAD")
        assert fetcher.code() == (3 if address else 2)
        assert fetcher.files() == {}


@pytest.mark.threat("template-links", commands="assets")
def test_links_through_a_submodule_stay_inside(fetcher: Fetcher, tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", {"a": "a"})
    os.symlink(".", inner / "here")
    commit(inner, {})
    outer = repository(tmp_path / "outer", {"a": "a"})
    os.symlink("ext/here/../../secret", outer / "link")
    (tmp_path / "secret").write_text("secret")
    commit(outer, {".gitmodules": f'[submodule "x"]\npath = ext\nurl = {inner}\n'})
    head = git(inner, "rev-parse", "HEAD")
    git(outer, "update-index", "--add", "--cacheinfo", f"160000,{head},ext")
    git(outer, "commit", "-qm", "submodule")
    fetcher.settings[SETTING] = "true"
    want(fetcher, str(outer), "")
    assert fetcher.code() == 3
    assert "data" not in fetcher.files()


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://h/x", "https://a/b", "https://h/x"),
        ("../x.git", "https://h/o/r.git/", "https://h/o/x.git"),
        ("../../p/x", "https://h/o/r", "https://h/p/x"),
        ("./x", "https://h/o/r", "https://h/o/r/x"),
        ("../x", "git@h:o/r", "git@h:o/x"),
        ("../x", "git@h:r", "git@h:x"),
        ("../x", "/srv/r", "/srv/x"),
    ],
)
def test_relative_urls_of_submodules_are_resolved(url: str, base: str, expected: str) -> None:
    assert resolve_url(url, base) == expected


def test_the_addresses_of_submodules_are_read_without_includes() -> None:
    text = (
        "[include]\n  path = /etc/passwd\n  url = x\n"
        '[submodule "a b"]\n\tpath = a/b\n\turl = "https://h/x"\n\tbranch = main\n'
        '[submodule "c"]\n\tpath = c\n'
    )
    assert parse_submodules(text) == {"a/b": "https://h/x"}
