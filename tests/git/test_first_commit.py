"""The first commit of a cloned folder has all its files, byte for byte, and runs no programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.git import first_commit
from tests.testing.repositories import git


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "sub/.git-like").mkdir(parents=True)
    (folder / "project.yml").write_text("title: x\n")
    (folder / "windows.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / ".gitattributes").write_text("* filter=evil text eol=lf ident\n")
    (folder / ".gitignore").write_text("*\n")
    (folder / "sub/run.sh").write_text("#!/bin/sh\n")
    (folder / "sub/run.sh").chmod(0o755)
    (folder / 'sub/näme "with\\quotes"\n').write_text("odd")
    (folder / "sub/empty").write_text("")
    (folder / "link").symlink_to("sub")
    return folder


@pytest.mark.usefixtures("backend")
def test_commit_contains_every_file_byte_for_byte(folder: Path) -> None:
    first_commit.create_repository(folder, "Subject\n\nTemplate-URL: x\n")
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
def test_worktree_is_clean_afterwards(folder: Path) -> None:
    (folder / ".gitattributes").unlink()
    first_commit.create_repository(folder, "x\n")
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.threat("embedded-repositories", commands="clone")
@pytest.mark.usefixtures("backend")
def test_no_filters_hooks_or_signing_programs_run(folder: Path, tmp_path: Path) -> None:
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
    first_commit.create_repository(folder, "x\n")
    assert not (tmp_path / "ran").exists()
    git(tmp_path, "config", "--global", "--unset", "core.fsmonitor")
    assert git(folder, "log", "--format=%an <%ae> %G?") == "A U Thor <author@example.com> N"


@pytest.mark.usefixtures("backend")
def test_fallback_identity_is_used_if_none_is_set(folder: Path, sealed: Path) -> None:
    (sealed / ".gitconfig").write_text("")
    first_commit.create_repository(folder, "x\n")
    idents = git(folder, "log", "--format=%an <%ae> %cn <%ce>")
    assert idents == "git-spacy <git-spacy@localhost> git-spacy <git-spacy@localhost>"


@pytest.mark.usefixtures("backend")
def test_identity_in_the_environment_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", role)
        monkeypatch.setenv(f"GIT_{role}_EMAIL", f"{role}@example.com")
    first_commit.create_repository(folder, "x\n")
    idents = git(folder, "log", "--format=%an <%ae> %cn <%ce>")
    assert idents == "AUTHOR <AUTHOR@example.com> COMMITTER <COMMITTER@example.com>"


@pytest.mark.threat("git-environment", commands="clone")
@pytest.mark.usefixtures("backend")
def test_repository_of_a_running_hook_is_not_touched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "users")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "users/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "users/.git/index"))
    first_commit.create_repository(folder, "x\n")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(folder, "rev-list", "--count", "HEAD") == "1"
    assert not (tmp_path / "users/.git/index").exists()
    assert os.listdir(tmp_path / "users/.git/refs/heads") == []
