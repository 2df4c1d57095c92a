"""Tests of assets from Git repositories."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
from pathlib import Path
from urllib.parse import quote

import pytest
from weasel.util.hashing import get_checksum

from git_spacy.assets.events import FetchFinished, FetchSkipped
from tests.testing.fetching import Fetcher
from tests.testing.git_server import GitServer
from tests.testing.projects import Spacy
from tests.testing.repositories import commit, git, repository, serve
from tests.testing.sshd import SSHD, sshd

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


@pytest.mark.skipif(not SSHD, reason="there is no sshd (Debian: openssh-server)")
def test_an_ssh_server_is_not_asked_for_more_logins_than_it_accepts(
    fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sshd has MaxStartups 10:30:100: of more than ten logins at once it rejects some."""

    work = repository(tmp_path / "work", dict(FILES))
    bare = tmp_path / "served" / serve(work, tmp_path / "served", "data").lstrip("/")
    with sshd(tmp_path / "sshd", tmp_path / "key", "MaxStartups 10:100:10") as server:
        (tmp_path / "known").write_text(server.known)
        options = {"IdentityFile": tmp_path / "key", "UserKnownHostsFile": tmp_path / "known"}
        quoted = (f'{name}="{path}"' for name, path in options.items())
        words = " ".join(f"-o {shlex.quote(option)}" for option in quoted)
        monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh {words}")
        source = f"{{repo: '{server.address(Path(quote(str(bare))))}', path: data/a.txt}}"
        fetcher.write(
            "assets:\n" + "".join(f"  - {{dest: {n}.txt, git: {source}}}\n" for n in range(20))
        )
        assert fetcher.code() == 0, fetcher.error
    assert set(fetcher.files().values()) == {b"a\n"}


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


@pytest.mark.threat("overwritten-work")
@pytest.mark.parametrize("change", ["edit", "edit and add", "file"])
def test_edits_are_not_overwritten(fetcher: Fetcher, upstream: Upstream, change: str) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    if change == "file":
        (fetcher.root / "data").rename(fetcher.root / "elsewhere")
        (fetcher.root / "data").write_text("mine\n")
    else:
        (fetcher.root / "data/a.txt").write_text("mine\n")
    if change == "edit and add":
        (fetcher.root / "data/mine.txt").write_text("mine\n")
    before = fetcher.files()
    assert fetcher.code() == 3
    assert "--force" in fetcher.error
    assert "a.txt" in fetcher.error or change == "file"
    assert fetcher.files() == before
    assert fetcher.code(force=True) == 0
    more = {"data/mine.txt": b"mine\n"} if change == "edit and add" else {}
    assert {name: content for name, content in fetcher.files().items() if "else" not in name} == {
        **PLACED, **more
    }  # fmt: skip


@pytest.mark.threat("overwritten-work")
@pytest.mark.parametrize("force", [False, True])
def test_files_of_the_user_in_the_folder_stay(
    fetcher: Fetcher, upstream: Upstream, force: bool
) -> None:
    (fetcher.root / "data/empty").mkdir(parents=True)
    mine = fetcher.root / "data/mine.txt"
    mine.write_text("mine\n")
    mine.chmod(0o640)
    want(fetcher, upstream.url)
    assert fetcher.code(force=force) == 0
    (fetcher.root / "data/b/own").mkdir(0o700)
    (fetcher.root / "data/b/own/file").write_text("own\n")
    (fetcher.root / "data/b/link").symlink_to("../nowhere")
    (fetcher.root / "data/a.txt").rename(fetcher.root / "data/renamed.txt")
    kept = {
        "data/empty/": "", "data/mine.txt": b"mine\n", "data/renamed.txt": b"a\n",
        "data/b/own/": "", "data/b/own/file": b"own\n", "data/b/link": "../nowhere",
    }  # fmt: skip
    assert fetcher.code(force=force) == 0
    assert fetcher.files() == {**PLACED, **kept}
    want(fetcher, upstream.url, "data/b")
    assert fetcher.code(force=force) == 0
    moved = {"data/": "", "data/c.txt": b"c\n", "data/run.sh": b"#!/bin/sh\n", "data/b/": ""}
    assert fetcher.files() == {**moved, **kept}
    assert mine.stat().st_mode & 0o777 == 0o640
    assert (fetcher.root / "data/b/own").stat().st_mode & 0o777 == 0o700


@pytest.mark.threat("overwritten-work")
def test_a_file_of_the_user_where_the_source_has_a_folder_is_an_error(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    (fetcher.root / "data").mkdir()
    (fetcher.root / "data/b").write_text("mine\n")
    want(fetcher, upstream.url)
    before = fetcher.files()
    for force in (False, True):
        assert fetcher.code(force=force) == 3
        assert "'b'" in fetcher.error
        assert "mv data data.old" in fetcher.error
        assert fetcher.files() == before
    want(fetcher, upstream.url, "data/a.txt")  # a single file where the user has a folder
    assert fetcher.code(force=True) == 3
    assert fetcher.files() == before


def test_a_fetched_folder_is_replaced_by_a_file_and_back(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    want(fetcher, upstream.url, "data/a.txt")
    assert fetcher.code() == 0
    assert fetcher.files() == {"data": b"a\n"}
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    assert fetcher.files() == PLACED


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


@pytest.mark.threat("overwritten-work")
def test_an_edit_during_the_fetch_is_not_overwritten(
    fetcher: Fetcher, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.assets.sources import git as source

    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    upstream.commit({"data/b/a.txt": "new\n", "data/b/c.txt": "new\n"})
    want(fetcher, upstream.url, "data/b", branch="main")
    original = source.fetch

    def slow(*arguments: object) -> object:
        (fetcher.root / "data/a.txt").write_text("mine\n")
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "fetch", slow)
    assert fetcher.code() == 3
    assert fetcher.files()["data/a.txt"] == b"mine\n"


NESTED = """
assets:
  - {dest: data/inner, git: {repo: '%(url)s', path: data/b}, extra: true}
  - {dest: data/b/more.txt, url: local.txt}
  - {dest: data/, git: {repo: '%(url)s', path: '%(path)s', branch: main}}
commands:
  - {name: make, script: [make], outputs: [data/out]}
"""


def test_assets_inside_the_folder_of_another_one_are_fetched_after_it(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    """As in experimental/coref of explosion/projects, where weasel depends on their order."""

    upstream.commit({"data/inner/hidden.txt": "x", "data/out/seed.txt": "seed"})
    fetcher.write(NESTED % {"url": upstream.url, "path": "data"})
    (fetcher.root / "local.txt").write_text("local")
    more = {"local.txt": b"local", "data/b/more.txt": b"local", "data/out/": ""}
    inner = {
        "data/inner/": "", "data/inner/c.txt": b"c\n", "data/inner/run.sh": b"#!/bin/sh\n"
    }  # fmt: skip
    assert fetcher.code() == 0
    seed = {"data/out/seed.txt": b"seed"}
    assert fetcher.files() == {**PLACED, **more, **seed}
    assert fetcher.code(extra=True) == 0
    assert fetcher.files() == {**PLACED, **more, **seed, **inner}
    upstream.server.requests.clear()
    assert fetcher.code(extra=True) == 0
    assert not upstream.server.requests
    # the output of a command and the inner assets stay
    (fetcher.root / "data/out/seed.txt").unlink()
    (fetcher.root / "data/out/model").write_text("trained")
    (fetcher.root / "data/inner/c.txt").write_text("mine")
    kept = {**inner, "data/inner/c.txt": b"mine", "data/out/model": b"trained"}
    assert fetcher.code() == 0
    assert not upstream.server.requests
    upstream.commit({"data/a.txt": "new\n"})
    assert fetcher.code("data", force=True) == 0
    assert fetcher.files() == {**PLACED, **more, **kept, "data/a.txt": b"new\n"}
    fetcher.write(NESTED % {"url": upstream.url, "path": "data/b"})
    assert fetcher.code() == 0
    moved = {
        "data/": "", "data/b/": "", "data/c.txt": b"c\n", "data/run.sh": b"#!/bin/sh\n"
    }  # fmt: skip
    assert fetcher.files() == {**moved, **more, **kept}


def test_files_are_copied_where_there_are_no_hard_links(
    fetcher: Fetcher, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fetcher.root / "data").mkdir()
    mine = fetcher.root / "data/mine.txt"
    mine.write_text("mine")
    mine.chmod(0o740)
    os.utime(mine, ns=(10**18, 10**18))
    (fetcher.root / "data/link").symlink_to("nowhere")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    want(fetcher, upstream.url)
    assert fetcher.code() == 0
    assert fetcher.files() == {**PLACED, "data/mine.txt": b"mine", "data/link": "nowhere"}
    assert (mine.stat().st_mode & 0o777, mine.stat().st_mtime_ns) == (0o740, 10**18)


def test_a_nested_asset_is_fetched_although_the_outer_one_fails(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    fetcher.write(NESTED % {"url": upstream.url, "path": "nowhere"})
    (fetcher.root / "local.txt").write_text("local")
    assert fetcher.code() == 2
    assert fetcher.files()["data/b/more.txt"] == b"local"
    fetcher.write(NESTED % {"url": upstream.url, "path": "data"})
    assert fetcher.code() == 0
    assert fetcher.files() == {**PLACED, "local.txt": b"local", "data/b/more.txt": b"local"}


def test_the_checksum_of_a_folder_with_other_files_inside_is_that_of_its_own(
    fetcher: Fetcher, upstream: Upstream, spacy: Spacy
) -> None:
    own = get_checksum(upstream.work / "data")
    text = NESTED.replace("branch: main}", f"branch: main}}, checksum: {own}")
    fetcher.write(text % {"url": upstream.url, "path": "data"})
    (fetcher.root / "local.txt").write_text("local")
    assert fetcher.code() == 0
    (fetcher.root / "data/mine.txt").write_text("mine")
    assert fetcher.code() == 0
    assert "asset\tverified\tdata/\t" in spacy("status", "--porcelain", cwd=fetcher.root).out
    assert spacy("check", "assets", cwd=fetcher.root).code == 0
    everything = get_checksum(fetcher.root / "data")  # weasel hashes all files
    fetcher.write(text.replace(own, everything) % {"url": upstream.url, "path": "data"})
    assert fetcher.code() == 0
    (fetcher.root / "data/a.txt").write_text("mine")
    assert fetcher.code() == 3
    status = spacy("status", "--porcelain", cwd=fetcher.root).out
    assert "asset\tchecksum_mismatch\tdata/\t" in status
    assert "git spacy assets --force data/" in spacy("check", "assets", cwd=fetcher.root).out


def test_a_path_missing_from_the_repository_gets_a_suggestion(
    fetcher: Fetcher, upstream: Upstream
) -> None:
    want(fetcher, upstream.url, "dat", "x")
    assert fetcher.code() == 2
    assert "did you mean 'data'" in fetcher.error


@pytest.mark.parametrize("path", ["-x", "/etc", "../x", "a/../../x", "a\x1bb"])
def test_an_unsafe_path_in_a_repository_is_refused(fetcher: Fetcher, path: str) -> None:
    fetcher.write(
        f"assets:\n  - dest: x\n    git:\n      repo: https://example.com/o/r\n"
        f'      path: "{path}"\n'.replace("\x1b", "\\e")
    )
    assert fetcher.code() == 3
