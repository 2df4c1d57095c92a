"""Tests of assets from Git repositories."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from weasel.util.hashing import get_checksum

from git_spacy.assets.events import FetchFinished, FetchNotice, FetchSkipped
from tests.testing.fetching import Fetcher
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, repository, serve

FILES: dict[str, str | bytes] = {
    "data/a.txt": "a\n",
    "data/b/c.txt": "c\n",
    "data/b/run.sh*": "#!/bin/sh\n",
    "other.txt": "other\n",
}
PLACED = {"data/": "", "data/a.txt": b"a\n", "data/b/": "", "data/b/c.txt": b"c\n",
          "data/b/run.sh": b"#!/bin/sh\n"}  # fmt: skip


class Upstream:
    """A served repository and its URL."""

    def __init__(self, folder: Path, server: GitServer) -> None:
        self.work = repository(folder / "work", dict(FILES))
        self.bare = folder / "served" / "data.git"
        self.url = server.url + serve(self.work, folder / "served", "data")
        self.server = server

    def commit(self, files: dict[str, str | bytes]) -> None:
        commit(self.work, files)
        git(self.work, "push", "-q", str(self.bare), "HEAD")


@pytest.fixture
def upstream(tmp_path: Path, git_server: GitServer) -> Upstream:
    return Upstream(tmp_path, git_server)


def want(fetcher: Fetcher, url: str, path: str = "data", dest: str = "data", **more: str) -> None:
    branch = f", branch: {more.pop('branch')}" if "branch" in more else ""
    keys = "".join(f"    {key}: {value!r}\n" for key, value in more.items())
    source = f"{{repo: {url!r}, path: {path!r}{branch}}}"
    fetcher.write(f"assets:\n  - dest: {dest}\n    git: {source}\n{keys}")


def test_a_folder_or_a_file_can_be_fetched(fetcher: Fetcher, upstream: Upstream) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    assert fetcher.files() == PLACED
    assert os.access(fetcher.root / "data/b/run.sh", os.X_OK)
    assert "commit" in fetcher.events_of(FetchFinished)[0].detail
    want(fetcher, upstream.url, "data/a.txt", "deep/file.txt")
    assert fetcher.code() == 0
    assert fetcher.files()["deep/file.txt"] == b"a\n"


def test_an_unmodified_asset_is_skipped_without_a_request(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    upstream.server.requests.clear()
    assert fetcher.code() == 0
    assert (
        fetcher.events_of(FetchSkipped)[0].reason
        == "already present, unchanged since it was fetched"
    )
    assert not upstream.server.requests


def test_the_checksum_of_a_git_asset_is_that_of_weasel(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    want(fetcher, upstream.url, checksum=get_checksum(upstream.work / "data"))
    assert fetcher.code() == 0
    assert "md5 verified" in fetcher.events_of(FetchFinished)[0].detail
    assert fetcher.code() == 0
    assert fetcher.events_of(FetchSkipped)[0].reason == "already present, md5 verified"


def test_a_wrong_checksum_leaves_the_old_state(fetcher: Fetcher, upstream: Upstream) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    want(fetcher, upstream.url, checksum="0" * 32)
    assert fetcher.code() == 4
    assert fetcher.files() == PLACED
    want(fetcher, upstream.url, "data/a.txt", "a", checksum="sha256:" + "0" * 64)
    assert fetcher.code() == 4
    digest = hashlib.sha256(b"a\n").hexdigest()
    want(fetcher, upstream.url, "data/a.txt", "a", checksum="sha256:" + digest)
    assert fetcher.code() == 0


def test_a_new_source_replaces_an_unmodified_asset(fetcher: Fetcher, upstream: Upstream) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    want(fetcher, upstream.url, "data/b")
    assert fetcher.code() == 0
    assert fetcher.files() == {
        "data/": "", "data/c.txt": b"c\n", "data/run.sh": b"#!/bin/sh\n"
    }  # fmt: skip


def test_a_branch_can_be_named(fetcher: Fetcher, upstream: Upstream) -> None:
    git(upstream.work, "checkout", "-q", "-b", "next")
    upstream.commit({"data/a.txt": "next\n"})
    want(fetcher, upstream.url, "data/a.txt", "a", branch="next")
    assert fetcher.code() == 0
    want(fetcher, upstream.url, "data/a.txt", "b")
    assert fetcher.code() == 0
    assert fetcher.files() == {"a": b"next\n", "b": b"a\n"}
    want(fetcher, upstream.url, "data/a.txt", "c", branch="nowhere")
    assert fetcher.code() == 2


@pytest.mark.parametrize("change", ["edit", "add", "rename", "file"])
def test_edits_are_not_overwritten(fetcher: Fetcher, upstream: Upstream, change: str) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    if change == "edit":
        (fetcher.root / "data/a.txt").write_text("mine\n")
    elif change == "add":
        (fetcher.root / "data/mine.txt").write_text("mine\n")
    elif change == "rename":
        (fetcher.root / "data/a.txt").rename(fetcher.root / "data/aa.txt")
    else:
        (fetcher.root / "data").rename(fetcher.root / "elsewhere")
        (fetcher.root / "data").write_text("mine\n")
    before = fetcher.files()
    assert fetcher.code() == 3
    assert "--force" in fetcher.error
    assert fetcher.files() == before
    assert fetcher.code(force=True) == 0
    assert {**fetcher.files(), **PLACED} == fetcher.files()


def test_a_folder_that_was_not_fetched_is_not_overwritten(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    (fetcher.root / "data").mkdir()
    want(fetcher, upstream.url)
    (fetcher.root / "data/mine.txt").write_text("mine\n")
    assert fetcher.code() == 3
    upstream.server.broken = (500, "text/plain", b"")
    assert fetcher.code() == 3
    assert fetcher.files() == {"data/": "", "data/mine.txt": b"mine\n"}


def test_the_same_content_is_recognised_without_a_record(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    from git_spacy.git.state_dir import state_dir

    (state_dir(fetcher.root) / "index").unlink()
    inode = (fetcher.root / "data").stat().st_ino
    assert fetcher.code() == 0
    assert "identical" in fetcher.events_of(FetchSkipped)[0].reason
    assert (fetcher.root / "data").stat().st_ino == inode
    assert fetcher.code() == 0
    assert (
        fetcher.events_of(FetchSkipped)[0].reason
        == "already present, unchanged since it was fetched"
    )


def test_an_edit_during_the_fetch_is_not_overwritten(
    fetcher: Fetcher, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.assets.sources import git as source

    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    want(fetcher, upstream.url, "data/b")
    original = source.fetch

    def slow(*arguments: object) -> object:
        (fetcher.root / "data/a.txt").write_text("mine\n")
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "fetch", slow)
    assert fetcher.code() == 3
    assert fetcher.files()["data/a.txt"] == b"mine\n"


def test_a_path_missing_from_the_repository_gets_a_suggestion(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    want(fetcher, upstream.url, "dat", "x")
    assert fetcher.code() == 2
    assert "did you mean 'data'" in fetcher.error


def test_an_lfs_pointer_is_reported(fetcher: Fetcher, upstream: Upstream) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    upstream.commit({"lfs/x.bin": pointer})
    want(fetcher, upstream.url, "lfs", "x")
    assert fetcher.code() == 0
    assert "LFS" in fetcher.events_of(FetchNotice)[0].text


@pytest.mark.parametrize("path", ["-x", "/etc", "../x", "a/../../x", "a\x1bb"])
def test_an_unsafe_path_in_a_repository_is_refused(fetcher: Fetcher, path: str) -> None:
    fetcher.write(
        f"assets:\n  - dest: x\n    git:\n      repo: https://example.com/o/r\n"
        f'      path: "{path}"\n'.replace("\x1b", "\\e")
    )
    assert fetcher.code() == 3
