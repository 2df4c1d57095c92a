"""The first commit of a folder: all of it, as it is, and nobody's program runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.git import first_commit
from tests.testing.repositories import git


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    (made / "sub/.git-like").mkdir(parents=True)
    (made / "project.yml").write_text("title: x\n")
    (made / "windows.txt").write_bytes(b"one\r\ntwo\r\n")
    (made / ".gitattributes").write_text("* filter=evil text eol=lf ident\n")
    (made / ".gitignore").write_text("*\n")
    (made / "sub/run.sh").write_text("#!/bin/sh\n")
    (made / "sub/run.sh").chmod(0o755)
    (made / 'sub/näme "with\\quotes"\n').write_text("odd")
    (made / "sub/empty").write_text("")
    (made / "link").symlink_to("sub")
    return made


@pytest.mark.usefixtures("backend")
def test_everything_is_in_it_byte_for_byte(folder: Path) -> None:
    first_commit.make(folder, "Subject\n\nTemplate-URL: x\n")
    listed = git(folder, "ls-tree", "-rz", "HEAD").split("\0")[:-1]
    assert {f"{line.split()[0]} " + line.partition("\t")[2] for line in listed} == {
        "100644 project.yml",
        "100644 windows.txt",
        "100644 .gitattributes",
        "100644 .gitignore",
        "100755 sub/run.sh",
        '100644 sub/näme "with\\quotes"\n',
        "100644 sub/empty",
        "120000 link",
    }
    size = git(folder, "cat-file", "-s", "HEAD:windows.txt")
    assert size == str(len(b"one\r\ntwo\r\n"))
    assert git(folder, "cat-file", "blob", "HEAD:link") == "sub"
    assert git(folder, "fsck", "--strict") == ""
    assert git(folder, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert git(
        folder, "interpret-trailers", "--parse", input=git(folder, "log", "--format=%B")
    ) == ("Template-URL: x")


@pytest.mark.usefixtures("backend")
def test_nothing_waits_to_be_committed(folder: Path) -> None:
    (folder / ".gitattributes").unlink()
    first_commit.make(folder, "x\n")
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.threat("embedded-repositories", commands="clone")
@pytest.mark.usefixtures("backend")
def test_no_filter_hook_or_signature_of_the_user_runs(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "hooks/evil"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\ncat\nexit 1\n")
    program.chmod(0o755)
    for name in ("pre-commit", "post-commit", "commit-msg", "reference-transaction",
                 "post-index-change", "prepare-commit-msg"):  # fmt: skip
        (program.parent / name).symlink_to("evil")
    for key, value in {
        "core.hooksPath": str(program.parent),
        "init.templateDir": str(program.parent),
        "core.fsmonitor": str(program),
        "filter.evil.clean": str(program),
        "filter.evil.process": str(program),
        "filter.evil.required": "true",
        "commit.gpgSign": "true",
        "gpg.program": str(program),
        "core.autocrlf": "true",
    }.items():
        git(tmp_path, "config", "--global", key, value)
    first_commit.make(folder, "x\n")
    assert not (tmp_path / "ran").exists()
    git(tmp_path, "config", "--global", "--unset", "core.fsmonitor")
    assert git(folder, "log", "--format=%an <%ae> %G?") == "A U Thor <author@example.com> N"


@pytest.mark.usefixtures("backend")
def test_whoever_has_no_name_gets_ours(folder: Path, sealed: Path) -> None:
    (sealed / ".gitconfig").write_text("")
    first_commit.make(folder, "x\n")
    known = git(folder, "log", "--format=%an <%ae> %cn <%ce>")
    assert known == "git-spacy <git-spacy@localhost> git-spacy <git-spacy@localhost>"


@pytest.mark.usefixtures("backend")
def test_a_name_in_the_environment_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", role)
        monkeypatch.setenv(f"GIT_{role}_EMAIL", f"{role}@example.com")
    first_commit.make(folder, "x\n")
    known = git(folder, "log", "--format=%an <%ae> %cn <%ce>")
    assert known == "AUTHOR <AUTHOR@example.com> COMMITTER <COMMITTER@example.com>"


@pytest.mark.threat("git-environment", commands="clone")
@pytest.mark.usefixtures("backend")
def test_a_hooks_repository_is_not_touched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "users")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "users/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "users/.git/index"))
    first_commit.make(folder, "x\n")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(folder, "rev-list", "--count", "HEAD") == "1"
    assert not (tmp_path / "users/.git/index").exists()
    assert os.listdir(tmp_path / "users/.git/refs/heads") == []
