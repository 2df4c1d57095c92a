"""Threat model: embedded-repositories, in every command: a bare repository among the files of a template, whose
configuration names programs for Git to run. None of them runs, whatever is typed there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.testing.projects import SCRIPTS, TWO_STEPS, Spacy, on_path, project
from tests.testing.projects import process as as_process
from tests.testing.repositories import GIT, commit, git, repository, write
from tests.testing.terminal import at_terminal, wait_for_exit
from tests.threats.inputs import OTHERS, READS

# every setting by which a repository makes git start a program
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
# `run` runs what the project says, and is refused like the rest
COMMANDS = (
    "", *READS, *(words for words in OTHERS if words != "diff"), "init", "init --yes", "init --dry", "notes pull",
    "notes push", "config", "cache status", "diff HEAD HEAD",
)  # fmt: skip


def embedded(tmp_path: Path, shape: str) -> tuple[Path, Path]:
    """A template's folder in a repository, with a bare repository in it that is a project, too;
    and the file that any of its programs would leave."""

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
def test_no_command_runs_a_program_that_a_repository_among_the_files_names(
    tmp_path: Path, spacy: Spacy, shape: str
) -> None:
    inner, ran = embedded(tmp_path, shape)
    allowed = ("schema", "config")  # they ask nothing of a repository
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
def test_nor_on_a_terminal_where_results_are_paged(tmp_path: Path, shape: str, words: str) -> None:
    inner, ran = embedded(tmp_path, shape)
    _, seen = wait_for_exit(*at_terminal(inner, *words.split()))
    assert not ran.exists(), (seen, ran.read_text())


def test_nor_does_a_hook_s_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_spacy import hook

    inner, ran = embedded(tmp_path, "bare")
    monkeypatch.chdir(inner)
    assert hook.main(["all"]) == 3
    assert not ran.exists()


@pytest.mark.parametrize("words", ["log", "graph", "config", "status", ""])
def test_nor_with_a_git_that_is_too_old_to_refuse_such_a_repository(
    tmp_path: Path, words: str
) -> None:
    """Before Git 2.38 there is no safe.bareRepository: here is one that is not told of it."""

    inner, ran = embedded(tmp_path, "bare")
    write(tmp_path / "bin", {"git*": f"#!/bin/sh\nunset GIT_CONFIG_COUNT\nexec '{GIT}' \"$@\"\n"})
    environ = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    _, seen = wait_for_exit(*at_terminal(inner, *words.split(), environ=environ))
    assert not ran.exists(), (seen, ran.read_text())


def test_who_names_a_bare_repository_may_read_its_log(
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
    assert hint == f"git --git-dir={bare} spacy log"
    assert "prepare" in git(tmp_path, *hint.split()[1:])
    assert "prepare" in git(bare, "--git-dir=.", "spacy", "log")


def test_a_folder_that_only_resembles_a_repository_is_none(tmp_path: Path, spacy: Spacy) -> None:
    """As for git: it has no refs, or its HEAD is no reference."""

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
