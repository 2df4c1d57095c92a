"""Tests of `git spacy assets` with local files, Git repositories and private assets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy import files, real_paths
from git_spacy.project import loader
from git_spacy.state.hashing import fingerprint
from tests.assets.conftest import md5
from tests.testing.git_server import GitServer
from tests.testing.misbehaving import Misbehaving
from tests.testing.projects import Spacy, process, project, snapshot
from tests.testing.repositories import commit, git, repository, serve
from tests.testing.waiting import PATIENCE, wait_until

DATA = b'{"text": "hello"}\n' * 100


def allow(home: Path, setting: str) -> None:
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[spacy]\n\t{setting} = true\n")


# Local files


def test_a_file_of_the_project_is_copied_and_verified(tmp_path: Path, spacy: Spacy) -> None:
    made = project(
        tmp_path,
        f"assets: [{{dest: assets/a, url: data/a, checksum: {md5(DATA)}}}]",
        {"data/a": DATA},
    )
    done = spacy("assets", cwd=made)
    assert done.code == 0
    assert (made / "assets/a").read_bytes() == DATA
    assert "fetched  assets/a (1.8 kB, md5 verified)" in done.err


def test_a_file_elsewhere_in_the_repository_may_be_named(tmp_path: Path, spacy: Spacy) -> None:
    repository(tmp_path, {"shared.txt": "x"})
    made = project(tmp_path / "p", "assets: [{dest: assets/a, url: ../shared.txt}]")
    assert spacy("assets", cwd=made).code == 0


@pytest.mark.parametrize("url", ["../secret", "{tmp}/secret", "file://{tmp}/secret", "link"])
def test_a_path_outside_the_repository_needs_a_setting(
    tmp_path: Path, spacy: Spacy, sealed: Path, url: str
) -> None:
    (tmp_path / "secret").write_text("x")
    made = project(
        tmp_path / "p", f"assets: [{{dest: assets/a, url: '{url.format(tmp=tmp_path)}'}}]"
    )
    (made / "link").symlink_to(tmp_path / "secret")
    done = spacy("assets", cwd=made)
    assert done.code == 3
    assert "git config spacy.allowLocalPath true" in done.err
    assert not (made / "assets/a").exists()
    allow(sealed, "allowLocalPath")
    assert spacy("assets", cwd=made).code == 0


@pytest.mark.parametrize("scheme", ["s3", "ftp", "gs", "data", "git"])
def test_an_unsupported_scheme_is_refused(tmp_path: Path, spacy: Spacy, scheme: str) -> None:
    made = project(tmp_path, f"assets: [{{dest: assets/a, url: '{scheme}://x/y'}}]")
    done = spacy("assets", cwd=made)
    assert done.code == 3
    assert f"'{scheme}:'" in done.err


@pytest.mark.parametrize("kind", ["nothing", "folder", "fifo"])
def test_a_source_that_is_not_a_file_is_an_error(tmp_path: Path, spacy: Spacy, kind: str) -> None:
    made = project(tmp_path, "assets: [{dest: assets/a, url: source}]")
    if kind == "folder":
        (made / "source").mkdir()
    elif kind == "fifo":
        os.mkfifo(made / "source")
    done = spacy("assets", cwd=made)
    assert done.code == 4
    assert "project.yml:1" in done.err


# Private assets


def test_a_private_asset_is_missing_then_wrong_then_verified(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path, f"assets: [{{dest: assets/a, checksum: {md5(DATA)}}}]")
    missing = spacy("assets", cwd=made)
    assert missing.code == 1
    assert "add it by hand" in missing.err
    (made / "assets").mkdir()
    (made / "assets/a").write_text("wrong")
    wrong = spacy("assets", cwd=made)
    assert wrong.code == 1
    assert "does not match checksum" in wrong.err
    (made / "assets/a").write_bytes(DATA)
    assert spacy("assets", cwd=made).code == 0


# Git repositories


@pytest.fixture
def source(tmp_path: Path, git_server: GitServer) -> tuple[Path, str]:
    made = repository(tmp_path / "source", {"data/a.txt": "a", "data/b.txt": "b", "other": "o"})
    return made, git_server.url + serve(made, tmp_path / "served", "source")


def git_project(folder: Path, url: str, path: str = "data", more: str = "") -> Path:
    entry = f"{{dest: assets/data, git: {{repo: '{url}', path: '{path}'}}{more}}}"
    return project(folder, f"assets: [{entry}]")


def test_a_folder_of_a_repository_is_fetched_once(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str], git_server: GitServer
) -> None:
    made = git_project(tmp_path / "p", source[1])
    assert spacy("assets", cwd=made).code == 0
    assert (made / "assets/data/b.txt").read_text() == "b"
    asked = len(git_server.requests)
    done = spacy("assets", cwd=made)
    assert "skipped  assets/data (already present, unchanged since it was fetched)" in done.err
    assert len(git_server.requests) == asked


def test_a_file_of_a_repository_is_fetched(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str]
) -> None:
    made = git_project(tmp_path / "p", source[1], "./data/a.txt", f", checksum: {md5(b'a')}")
    assert spacy("assets", cwd=made).code == 0
    assert (made / "assets/data").read_text() == "a"


def test_the_checksum_of_a_folder_is_that_of_weasel(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str]
) -> None:
    hashing = pytest.importorskip("weasel.util.hashing")
    right = hashing.get_checksum(source[0] / "data")
    made = git_project(tmp_path / "p", source[1], "data", f", checksum: {right}")
    assert spacy("assets", cwd=made).code == 0
    wrong = git_project(tmp_path / "q", source[1], "data", f", checksum: '{'0' * 32}'")
    done = spacy("assets", cwd=wrong)
    assert done.code == 4
    assert not (wrong / "assets/data").exists()


def test_a_new_branch_in_project_yml_replaces_the_content(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str]
) -> None:
    made = git_project(tmp_path / "p", source[1])
    assert spacy("assets", cwd=made).code == 0
    git(source[0], "checkout", "-q", "-b", "new")
    commit(source[0], {"data/a.txt": "newer"})
    git(source[0], "push", "-q", str(tmp_path / "served/source.git"), "new")
    text = (made / "project.yml").read_text().replace("path: 'data'", "path: data, branch: new")
    (made / "project.yml").write_text(text)
    done = spacy("assets", cwd=made)
    assert done.code == 0, done.err
    assert (made / "assets/data/a.txt").read_text() == "newer"


@pytest.mark.threat("overwritten-work")
@pytest.mark.parametrize("edit", ["an edit", "an unrelated folder"])
def test_edits_are_not_overwritten_without_force(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str], edit: str
) -> None:
    made = git_project(tmp_path / "p", source[1])
    folder = made / "assets/data"
    if edit == "an unrelated folder":
        folder.mkdir(parents=True)
    else:
        assert spacy("assets", cwd=made).code == 0
    (folder / "a.txt").write_text("edited")
    (folder / "mine.txt").write_text("mine")
    before = snapshot(made)
    done = spacy("assets", cwd=made)
    assert done.code == 3
    assert "git spacy assets --force assets/data" in done.err
    assert snapshot(made) == before
    assert spacy("assets", "--force", "assets/data", cwd=made).code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt", "mine.txt"]
    assert (folder / "a.txt").read_text() == "a"


@pytest.mark.threat("overwritten-work")
def test_a_fetch_that_fails_leaves_the_old_folder(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str], git_server: GitServer
) -> None:
    made = git_project(tmp_path / "p", source[1])
    assert spacy("assets", cwd=made).code == 0
    before = snapshot(made)
    git_server.broken = (500, "text/plain", b"")
    assert spacy("assets", "--force", cwd=made).code == 4
    assert snapshot(made) == before


@pytest.mark.threat("hostile-repositories", commands="assets")
def test_a_local_repository_in_project_yml_needs_a_setting(
    tmp_path: Path, spacy: Spacy, source: tuple[Path, str], sealed: Path
) -> None:
    # relative, since TMPDIR may have a space, which an address in project.yml must not
    made = git_project(tmp_path / "p", os.path.relpath(source[0], tmp_path / "p"))
    done = spacy("assets", cwd=made)
    assert done.code == 3
    assert "git config spacy.allowLocalRepository true" in done.err
    allow(sealed, "allowLocalRepository")
    assert spacy("assets", cwd=made).code == 0


@pytest.mark.threat("hostile-repositories", commands="assets")
@pytest.mark.parametrize("url", ["ext::sh -c 'touch {tmp}/ran'", "ssh://-oProxyCommand=x/y", "-x"])
def test_a_hostile_repository_url_runs_no_program(tmp_path: Path, spacy: Spacy, url: str) -> None:
    made = project(
        tmp_path / "p",
        f'assets: [{{dest: assets/d, git: {{repo: "{url.format(tmp=tmp_path)}", path: ""}}}}]',
    )
    assert spacy("assets", cwd=made).code == 3
    assert not (tmp_path / "ran").exists()


@pytest.mark.threat("template-links", commands="assets")
def test_links_of_a_git_asset_stay_inside(tmp_path: Path, spacy: Spacy, sealed: Path) -> None:
    evil = repository(tmp_path / "evil", {"data/a": "a"})
    os.symlink("/etc/passwd", evil / "data/l")
    commit(evil, {})
    allow(sealed, "allowLocalRepository")
    made = git_project(tmp_path / "p", str(evil))
    assert spacy("assets", cwd=made).code == 3
    assert not (made / "assets/data").exists()


# Untrusted project folders


@pytest.mark.parametrize("url", ["data/a", "http"])
def test_a_destination_below_a_link_that_leaves_the_project_is_refused(
    tmp_path: Path, spacy: Spacy, url: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    made = project(tmp_path / "p", "assets: [{dest: assets/a, url: data/a}]", {"data/a": "x"})
    (made / "assets").symlink_to(outside)
    done = spacy("assets", cwd=made)
    assert done.code == 3
    assert list(outside.iterdir()) == []


def test_a_destination_that_is_a_link_out_of_the_project_is_refused(
    tmp_path: Path, spacy: Spacy
) -> None:
    (tmp_path / "victim").write_text("old")
    made = project(tmp_path / "p", "assets: [{dest: a, url: data/a}]", {"data/a": "x"})
    (made / "a").symlink_to(tmp_path / "victim")
    assert spacy("assets", "--force", cwd=made).code == 3
    assert (tmp_path / "victim").read_text() == "old"


@pytest.mark.threat("links-outside", commands="assets")
@pytest.mark.parametrize("check", ["staged", "writable"])
def test_a_link_created_between_check_and_write_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spacy: Spacy, check: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    made = project(tmp_path / "p", "assets: [{dest: assets/a, url: data/a}]", {"data/a": "x"})
    (made / "assets").mkdir()
    real = getattr(real_paths, check)

    def swapping(root: Path, relative: str) -> object:
        found = real(root, relative)
        if relative == "assets/a" and not (made / "assets").is_symlink():
            (made / "assets").rmdir()
            (made / "assets").symlink_to(outside)
        return found

    monkeypatch.setattr(real_paths, check, swapping)
    assert spacy("assets", cwd=made).code == 3
    assert (made / "assets").is_symlink()
    assert list(outside.iterdir()) == []


def test_a_link_inside_the_project_may_be_followed(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path / "p", "assets: [{dest: assets/a, url: data/a}]", {"data/a": "x"})
    (made / "real").mkdir()
    (made / "assets").symlink_to("real")
    assert spacy("assets", cwd=made).code == 0
    assert (made / "real/a").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_local_failure(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path / "p", "assets: [{dest: assets/a, url: data/a}]", {"data/a": "x"})
    (made / "assets").mkdir(mode=0o500)
    assert spacy("assets", cwd=made).code == 5


def test_a_disk_that_is_full_leaves_the_old_file(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(tmp_path / "p", "assets: [{dest: a, url: data/a}]", {"data/a": DATA, "a": "old"})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = spacy("assets", "--force", cwd=made)
    assert done.code == 5
    assert "No space left" in done.err
    assert (made / "a").read_text() == "old"
    assert sorted(snapshot(made)) == ["a", "data/", "data/a", "project.yml"]


# Killed fetches


def test_the_next_fetch_removes_files_of_a_killed_fetch(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path, "assets: [{dest: assets/a, url: data/a}]", {"data/a": "new"})
    (made / "assets").mkdir()
    (made / "assets/.a.git-spacy-new").write_text("hal")
    assert spacy("assets", cwd=made).code == 0
    assert [path.name for path in (made / "assets").iterdir()] == ["a"]


@pytest.mark.threat("killed-downloads", commands="assets")
def test_a_kill_between_the_two_renames_of_a_folder_is_recovered(tmp_path: Path) -> None:
    (tmp_path / ".data.git-spacy-old").mkdir()
    (tmp_path / ".data.git-spacy-old/x").write_text("old")
    with files.staging(tmp_path, "data"):
        assert (tmp_path / "data/x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def running(word: str) -> list[str]:
    """Wait up to 5 s for processes with `word` on their command line to end; return those left."""

    found: list[str] = []
    for _ in range(100):
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            found += [line] if word in line else []
        if not found:
            break
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("kind", ["url", "git"])
def test_a_signal_ends_a_fetch_at_once_without_a_partial_file(
    tmp_path: Path, number: int, code: int, kind: str
) -> None:
    with Misbehaving() as server:
        server.paths["/data"] = lambda exchange: exchange.stall(DATA, after=100)
        server.paths["/data/info/refs"] = server.paths["/data"]
        url = f"{server.url}/data"
        source = f"url: '{url}'" if kind == "url" else f"git: {{repo: '{url}', path: ''}}"
        made = project(tmp_path, f"assets: [{{dest: assets/a, {source}}}]")
        child = subprocess.Popen(
            (sys.executable, "-m", "git_spacy", "assets"), cwd=made, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
        )  # fmt: skip
        wait_until(lambda: server.asked, "a request")
        child.send_signal(number)
        _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == code, err
    assert b"Traceback" not in err
    assert sorted(snapshot(made)) == ["assets/", "project.yml"]
    assert running(url) == [], "git is still running"


# The command line


def test_extra_assets_are_named_and_fetched_on_request(tmp_path: Path, spacy: Spacy) -> None:
    made = project(
        tmp_path,
        "assets:\n  - {dest: a, url: data/a}\n  - {dest: b, url: data/a, extra: true}\n",
        {"data/a": "x"},
    )
    assert "1 more with --extra" in spacy("assets", cwd=made).err
    assert not (made / "b").exists()
    assert spacy("assets", "--extra", cwd=made).code == 0
    assert (made / "b").exists()


def test_assets_runs_in_a_subfolder_and_with_a_folder_argument(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = project(tmp_path / "p", "assets: [{dest: assets/a, url: data/a}]", {"data/a": "x"})
    assert spacy("assets", cwd=made / "data").code == 0
    (made / "assets/a").unlink()
    assert spacy("assets", "p", cwd=tmp_path).code == 0
    assert (made / "assets/a").exists()


def test_variables_in_assets_can_be_overridden(tmp_path: Path, spacy: Spacy) -> None:
    made = project(
        tmp_path, "vars: {n: a}\nassets: [{dest: 'assets/${vars.n}', url: 'data/${vars.n}'}]",
        {"data/a": "A", "data/b": "B"},
    )  # fmt: skip
    assert spacy("assets", "--vars.n", "b", cwd=made).code == 0
    assert (made / "assets/b").read_text() == "B"


def test_the_directories_of_the_project_are_created(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path, "directories: [corpus, a/b]\n")
    done = spacy("assets", cwd=made)
    assert done.code == 0
    assert (made / "a/b").is_dir()


def test_the_hash_of_a_folder_is_that_of_weasel(tmp_path: Path) -> None:
    hashing = pytest.importorskip("weasel.util.hashing")
    project(tmp_path, "title: x", {"d/a/z": "1", "d/a.txt": "2", "d/b/c/d": "3", "d/B": "4"})
    os.symlink("a.txt", tmp_path / "d/link")
    os.symlink("a", tmp_path / "d/folder-link")
    found = fingerprint(tmp_path, "d")
    assert found is not None
    assert found.digest == hashing.get_checksum(tmp_path / "d")


def test_assets_works_in_a_new_process(tmp_path: Path) -> None:
    made = project(tmp_path, "assets: [{dest: assets/a, url: data/a}]", {"data/a": "x"})
    assert process("assets", cwd=made).code == 0
