"""Corners of `git spacy clone`: where it lands, what a failure leaves, and what may be typed."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from git_spacy import clone as core
from git_spacy.clone import CloneRequest, CloneResult
from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, hostile, repository, serve, templates


def cloned(name: str, dest: str | None = None, **more: str) -> CloneResult:
    wanted = CloneRequest(name, Path(dest) if dest else None, **more)  # type: ignore[arg-type]
    return core.clone(wanted, {}, Path.cwd(), prompt=False, warn=lambda _: None)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = templates(tmp_path / "source")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return made


@pytest.mark.usefixtures("backend")
def test_into_the_empty_folder_where_one_stands(source: Path, tmp_path: Path) -> None:
    before = os.stat(tmp_path / "here").st_ino
    done = cloned("ner_fashion_brands", ".", repo=str(source))
    assert os.path.exists("project.yml"), "the shell's own folder has the files"
    assert os.stat(tmp_path / "here").st_ino == before
    assert done.made_repository
    assert git(tmp_path / "here", "status", "--porcelain") == ""
    assert sorted(os.listdir()) == [".git", "README.md", "link.md", "project.yml", "scripts"]


def test_a_failure_while_moving_in_leaves_the_folder_empty(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here/dest").mkdir()
    rename = os.rename

    def failing(old: Path, new: Path) -> None:
        if new.name == "project.yml":
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        cloned("ner_fashion_brands", "dest", repo=str(source))
    assert os.listdir("dest") == []
    assert os.listdir() == ["dest"]


@pytest.mark.usefixtures("backend")
def test_a_failure_takes_the_parents_it_made_away(tmp_path: Path, source: Path) -> None:
    hostile(tmp_path / "evil", "120000 blob {../../x}\tl\n100644 blob {x}\tproject.yml\n")
    with pytest.raises(Refused):
        cloned(f"{tmp_path}/evil", "new/deep/dest")
    with pytest.raises(InvalidInput):
        cloned("nowhere", "new/deep/dest", repo=str(source))
    assert os.listdir() == []


@pytest.mark.usefixtures("backend")
def test_an_interruption_leaves_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(core.first_commit, "create_repository", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cloned("ner_fashion_brands", "new/dest", repo=str(source))
    assert os.listdir() == []


@pytest.mark.usefixtures("backend")
def test_the_tree_of_the_first_commit_is_the_templates_own(source: Path) -> None:
    done = cloned("tutorials/ner_fashion_brands", repo=str(source))
    original = git(source, "rev-parse", "HEAD:tutorials/ner_fashion_brands")
    assert git(done.dest, "rev-parse", "HEAD^{tree}") == original


@pytest.mark.usefixtures("backend")
def test_credentials_are_not_recorded(source: Path, git_server: GitServer, tmp_path: Path) -> None:
    git_server.password = ("somebody", "s3cret")
    url = git_server.url + serve(source, git_server.root)
    done = cloned("ner_fashion_brands", repo=url.replace("//", "//somebody:s3cret@"))
    assert git(done.dest, "log", "--format=%(trailers:key=Template-URL,valueonly)").strip() == url
    recorded = [path for path in done.dest.rglob("*") if path.is_file()]
    for path in recorded:
        assert b"s3cret" not in path.read_bytes(), path
    assert "s3cret" not in repr(done)


@pytest.mark.threat("option-injection", commands="clone")
@pytest.mark.parametrize(
    "name", ["ext::sh -c 'touch ran'", "-x:path", "git@-oProxyCommand=x:r", "a\nb://host/r"]
)
def test_a_name_that_git_could_misread(source: Path, name: str) -> None:
    with pytest.raises(GitSpacyError) as caught:
        cloned(name)
    assert caught.value.exit_code == 3
    assert os.listdir() == []


def test_a_scp_like_address_is_a_name_too(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.testing.repositories import fake_ssh

    program = fake_ssh(tmp_path / "ssh")
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(program)))
    done = cloned(f"somebody@example.com:{source}//tutorials/ner_fashion_brands")
    assert (done.dest / "project.yml").is_file()
    assert done.dest.name == "ner_fashion_brands"


@pytest.mark.usefixtures("backend")
def test_a_template_with_lfs_and_a_filter_that_is_not_installed(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    made = repository(tmp_path / "r", {"t/project.yml": "title: x\n", "t/m.bin": pointer})
    commit(made, {"t/.gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    for name in ("clean", "smudge", "process"):
        git(tmp_path, "config", "--global", f"filter.lfs.{name}", "git-lfs-is-not-here")
    git(tmp_path, "config", "--global", "filter.lfs.required", "true")
    done = cloned(f"{made}//t", str(tmp_path / "out"))
    assert done.placed.lfs_pointers == ("m.bin",)
    assert git(done.dest, "cat-file", "blob", "HEAD:m.bin") == pointer.strip()


def test_a_hooks_GIT_DIR_says_nothing_about_where_we_clone_to(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    monkeypatch.setenv("GIT_DIR", str(users / ".git"))
    done = cloned("ner_fashion_brands", repo=str(source))
    assert done.made_repository
    assert (done.dest / ".git").is_dir()
