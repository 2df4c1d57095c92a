"""Edge cases of `git spacy clone`: destinations, failures and unusual names."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.setup import clone as core
from git_spacy.setup.clone import CloneRequest, CloneResult
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, hostile, repository, serve, templates


def clone(name: str, dest: str | None = None, **options: str) -> CloneResult:
    wanted = CloneRequest(name, Path(dest) if dest else None, **options)  # type: ignore[arg-type]
    return core.clone(wanted, {}, Path.cwd(), prompt=False, warn=lambda _: None)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = templates(tmp_path / "source")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


@pytest.mark.usefixtures("backend")
def test_the_destination_may_be_the_current_folder_if_empty(source: Path, tmp_path: Path) -> None:
    before = os.stat(tmp_path / "here").st_ino
    done = clone("ner_fashion_brands", ".", repo=str(source))
    assert os.path.exists("project.yml"), "the files are in the current folder"
    assert os.stat(tmp_path / "here").st_ino == before
    assert done.created_repository
    assert git(tmp_path / "here", "status", "--porcelain") == ""
    assert sorted(os.listdir()) == [".git", "README.md", "link.md", "project.yml", "scripts"]


def test_a_failure_while_moving_files_leaves_the_folder_empty(
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
        clone("ner_fashion_brands", "dest", repo=str(source))
    assert os.listdir("dest") == []
    assert os.listdir() == ["dest"]


@pytest.mark.usefixtures("backend")
def test_a_failure_removes_the_parents_that_were_created(tmp_path: Path, source: Path) -> None:
    hostile(tmp_path / "evil", "120000 blob {../../x}\tl\n100644 blob {x}\tproject.yml\n")
    with pytest.raises(Refused):
        clone(f"{tmp_path}/evil", "new/deep/dest")
    with pytest.raises(InvalidInput):
        clone("nowhere", "new/deep/dest", repo=str(source))
    assert os.listdir() == []


@pytest.mark.usefixtures("backend")
def test_an_interrupt_leaves_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(core.first_commit, "create_repository", interrupt)
    with pytest.raises(KeyboardInterrupt):
        clone("ner_fashion_brands", "new/dest", repo=str(source))
    assert os.listdir() == []


@pytest.mark.usefixtures("backend")
def test_the_tree_of_the_first_commit_is_that_of_the_template(source: Path) -> None:
    done = clone("tutorials/ner_fashion_brands", repo=str(source))
    original = git(source, "rev-parse", "HEAD:tutorials/ner_fashion_brands")
    assert git(done.dest, "rev-parse", "HEAD^{tree}") == original


@pytest.mark.usefixtures("backend")
def test_credentials_are_not_recorded(source: Path, git_server: GitServer, tmp_path: Path) -> None:
    git_server.password = ("somebody", "s3cret")
    url = git_server.url + serve(source, git_server.root)
    done = clone("ner_fashion_brands", repo=url.replace("//", "//somebody:s3cret@"))
    assert git(done.dest, "log", "--format=%(trailers:key=Template-URL,valueonly)").strip() == url
    recorded = [path for path in done.dest.rglob("*") if path.is_file()]
    for path in recorded:
        assert b"s3cret" not in path.read_bytes(), path
    assert "s3cret" not in repr(done)


@pytest.mark.threat("option-injection", commands="clone")
@pytest.mark.parametrize(
    "name", ["ext::sh -c 'touch ran'", "-x:path", "git@-oProxyCommand=x:r", "a\nb://host/r"]
)
def test_a_name_that_git_could_misread_is_refused(source: Path, name: str) -> None:
    with pytest.raises(GitSpacyError) as caught:
        clone(name)
    assert caught.value.exit_code == 3
    assert os.listdir() == []


def test_a_name_may_be_an_scp_like_address(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.testing.repositories import fake_ssh

    program = fake_ssh(tmp_path / "ssh")
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(program)))
    done = clone(f"somebody@example.com:{source}//tutorials/ner_fashion_brands")
    assert (done.dest / "project.yml").is_file()
    assert done.dest.name == "ner_fashion_brands"


@pytest.mark.usefixtures("backend")
def test_a_template_with_lfs_and_a_filter_that_is_not_installed(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    source = repository(tmp_path / "r", {"t/project.yml": "title: x\n", "t/m.bin": pointer})
    commit(source, {"t/.gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    for name in ("clean", "smudge", "process"):
        git(tmp_path, "config", "--global", f"filter.lfs.{name}", "git-lfs-is-not-installed")
    git(tmp_path, "config", "--global", "filter.lfs.required", "true")
    done = clone(f"{source}//t", str(tmp_path / "out"))
    assert done.checkout.lfs_pointers == ("m.bin",)
    assert git(done.dest, "cat-file", "blob", "HEAD:m.bin") == pointer.strip()


def test_the_GIT_DIR_of_a_hook_does_not_affect_the_destination(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    monkeypatch.setenv("GIT_DIR", str(users / ".git"))
    done = clone("ner_fashion_brands", repo=str(source))
    assert done.created_repository
    assert (done.dest / ".git").is_dir()
