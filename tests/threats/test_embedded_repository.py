"""A bare repository in a template, whose config names programs, runs none of them.

Threat `embedded-repositories`, for every command.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from tests.testing.projects import SCRIPTS, TWO_STEPS, Spacy, on_path, project
from tests.testing.projects import process as as_process
from tests.testing.repositories import GIT, commit, git, repository, write
from tests.testing.terminal import at_terminal, wait_for_exit
from tests.threats.inputs import OTHERS, READS

# every setting that makes git start a program
PROGRAMS = """\
[core]
	{shape}
	pager = {program}
	fsmonitor = {program}
	hooksPath = {hooks}
	editor = {program}
	askPass = {program}
	sshCommand = {program}
	gitProxy = {program}
	alternateRefsCommand = {program}
	attributesFile = {attributes}
[pager]
	log = {program}
	spacy = {program}
[log]
	showSignature = true
[gpg]
	program = {program}
[gpg "ssh"]
	program = {program}
[credential]
	helper = !{program}
[diff]
	external = {program}
[diff "x"]
	command = {program}
	textconv = {program}
[filter "x"]
	clean = {program}
	smudge = {program}
	process = {program}
	required = true
[merge "x"]
	driver = {program}
[alias]
	log = !{program}
	notes = !{program}
	status = !{program}
[remote "origin"]
	url = ext::{program}
	fetch = +refs/heads/*:refs/remotes/origin/*
	uploadpack = {program}
	receivepack = {program}
[protocol "ext"]
	allow = always
[protocol]
	allow = always
[uploadpack]
	packObjectsHook = {program}
[commit]
	gpgSign = true
[interactive]
	diffFilter = {program}
[spacy]
	python = {program}
"""
SHAPES = {"bare": "bare = true", "with a work tree": "bare = false\n\tworktree = .."}
# `run` is refused like the others, although it may run programs
COMMANDS = (
    "", *READS, *(words for words in OTHERS if words != "diff"), "init", "init --yes", "init --dry", "notes pull",
    "notes push", "config", "cache status", "diff HEAD HEAD",
)  # fmt: skip


def embedded(tmp_path: Path, shape: str) -> tuple[Path, Path]:
    """Create a bare repository, which is also a project, in the worktree of another repository.

    Returns its path, and the path of a file that any of its programs would create.
    """

    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{ran}'\n")
    program.chmod(0o755)
    source = repository(tmp_path / "source", {"project.yml": TWO_STEPS, **SCRIPTS, "a": "1\n"})
    commit(source, {"a": "2\n"})
    outer = repository(tmp_path / "outer", {"README.md": "a template\n"})
    inner = outer / "data"
    git(tmp_path, "clone", "-q", "--bare", "source", str(inner))
    project(inner, TWO_STEPS, SCRIPTS)
    shutil.rmtree(inner / "hooks")
    for name in ("pre-commit", "reference-transaction", "post-index-change", "pre-push"):
        write(inner, {f"hooks/{name}*": program.read_text()})
    write(inner, {"attributes": "* diff=x filter=x merge=x\n"})
    words = {"program": program, "hooks": inner / "hooks", "attributes": inner / "attributes"}
    (inner / "config").write_text(PROGRAMS.format(shape=SHAPES[shape], **words))
    return inner, ran


@pytest.mark.threat("embedded-repositories", commands="graph log show status")
@pytest.mark.parametrize("shape", SHAPES)
def test_no_command_runs_a_program_of_an_embedded_repository(
    tmp_path: Path, spacy: Spacy, shape: str
) -> None:
    inner, ran = embedded(tmp_path, shape)
    allowed = ("schema", "config")  # these do not need a repository
    folder = inner if shape == "bare" else inner / "scripts"
    for words in COMMANDS:
        done = spacy(*words.split(), cwd=folder)
        assert not ran.exists(), (words, ran.read_text())
        assert done.code == 3 or words.startswith(allowed), (words, done)
        if done.code == 3:
            assert "git --git-dir=" in done.err
    assert not (inner / "corpus").exists()


@pytest.mark.threat("embedded-repositories", commands="graph log show")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("words", ["", "log", "graph", "show", "diff", "status", "config", "check"])
def test_no_program_runs_on_a_terminal_with_a_pager(tmp_path: Path, shape: str, words: str) -> None:
    inner, ran = embedded(tmp_path, shape)
    _, output = wait_for_exit(*at_terminal(inner, *words.split()))
    assert not ran.exists(), (output, ran.read_text())


def test_no_program_runs_in_a_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_spacy import hook

    inner, ran = embedded(tmp_path, "bare")
    monkeypatch.chdir(inner)
    assert hook.main(["all"]) == 3
    assert not ran.exists()


@pytest.mark.parametrize("words", ["log", "graph", "config", "status", ""])
def test_no_program_runs_with_a_git_before_safe_bareRepository(tmp_path: Path, words: str) -> None:
    """Simulate Git before 2.38, which does not know safe.bareRepository."""

    inner, ran = embedded(tmp_path, "bare")
    write(tmp_path / "bin", {"git*": f"#!/bin/sh\nunset GIT_CONFIG_COUNT\nexec '{GIT}' \"$@\"\n"})
    environ = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    _, output = wait_for_exit(*at_terminal(inner, *words.split(), environ=environ))
    assert not ran.exists(), (output, ran.read_text())


def test_log_of_a_bare_repository_works_with_git_dir(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    made = repository(tmp_path / "p", {"project.yml": TWO_STEPS, **SCRIPTS})
    assert spacy("run", "prepare", cwd=made).code == 0
    git(tmp_path, "clone", "-q", "--mirror", "p", "bare.git")
    bare = tmp_path / "bare.git"
    done = as_process("log", cwd=bare)
    assert done.code == 3
    hint = done.err.rpartition("hint: ")[2].split(": ")[-1].strip()
    assert hint == f"git --git-dir={shlex.quote(str(bare))} spacy log"
    assert "prepare" in git(tmp_path, *shlex.split(hint)[1:])
    assert "prepare" in git(bare, "--git-dir=.", "spacy", "log")


def test_folder_that_only_resembles_a_repository_is_ignored(tmp_path: Path, spacy: Spacy) -> None:
    """Git ignores it as well: it has no refs, or its HEAD is not a reference."""

    outer = repository(tmp_path / "outer")
    for name, head, folders in (
        ("no refs", "ref: refs/heads/main\n", ("objects",)),
        ("no reference", "main\n", ("objects", "refs")),
    ):
        inner = project(outer / name, TWO_STEPS, {"HEAD": head, **SCRIPTS})
        for folder in folders:
            (inner / folder).mkdir()
        assert git(inner, "rev-parse", "--show-toplevel") == str(outer)
        assert spacy("status", cwd=inner).code == 0
        assert spacy("log", cwd=inner).code == 0
