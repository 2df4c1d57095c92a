"""A fresh clone says once what it lacks of what the team uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.setup.conftest import KINDS
from tests.testing.projects import Spacy, two_steps
from tests.testing.repositories import commit, git, repository, write

BOTH = (
    "This clone is not set up: its hooks and merge driver are missing;"
    " run 'git spacy init' (git spacy doctor lists the details)\n"
)
DRIVER = BOTH.replace("hooks and merge driver are", "merge driver is")
HOOKS = BOTH.replace("hooks and merge driver are", "hooks are")


@pytest.fixture
def clone(tmp_path: Path, spacy: Spacy, programs: Path) -> Path:
    """A clone of a repository that was set up."""

    origin = KINDS["ordinary"](tmp_path / "origin")
    assert spacy("init", "--yes", cwd=origin).code == 0
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "--no-verify", "-m", "set up")
    git(tmp_path, "clone", "-q", str(origin), "clone")
    return tmp_path / "clone"


@pytest.mark.parametrize("words", ["status", ""])
def test_the_first_status_in_a_clone_says_what_is_missing_and_the_second_does_not(
    clone: Path, spacy: Spacy, words: str
) -> None:
    assert spacy(*words.split(), cwd=clone).err == BOTH
    for again in ("status", ""):
        assert spacy(*again.split(), cwd=clone / "scripts").err == ""


def test_it_is_not_said_in_ci_nor_to_programs(
    clone: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ("status --json", "status --porcelain", "check", "run --dry all", "log"):
        assert "not set up" not in spacy(*words.split(), cwd=clone).err
    monkeypatch.setenv("CI", "true")
    assert spacy("status", cwd=clone).err == ""
    monkeypatch.delenv("CI")
    assert spacy("status", cwd=clone).err == BOTH


def test_only_what_is_missing_is_named(clone: Path, spacy: Spacy) -> None:
    assert spacy("init", "hooks", "--yes", cwd=clone).code == 0
    assert spacy("status", cwd=clone).err == DRIVER


def test_after_init_nothing_is_said(clone: Path, spacy: Spacy) -> None:
    assert spacy("init", "--yes", cwd=clone).code == 0
    assert spacy("status", cwd=clone).err == ""


def test_a_global_merge_driver_and_a_folder_of_hooks_count(clone: Path, spacy: Spacy) -> None:
    git(clone, "config", "--global", "merge.spacy-lock.driver", "git spacy lock merge-driver %O")
    git(clone, "config", "core.hooksPath", "hooks")
    assert spacy("status", cwd=clone).err == ""


@pytest.mark.parametrize("file", [".pre-commit-config.yaml", ".husky/pre-commit", "lefthook.yml"])
def test_hooks_that_a_hook_manager_runs_show_that_the_team_uses_them(
    tmp_path: Path, spacy: Spacy, file: str
) -> None:
    root = repository(two_steps(tmp_path / "p"))
    git(root, "config", "merge.spacy-lock.driver", "x")
    commit(root, {file: "git-spacy-hook all\n"})
    assert spacy("status", cwd=root).err == HOOKS


def test_a_repository_that_does_not_use_them_hears_nothing(tmp_path: Path, spacy: Spacy) -> None:
    root = repository(two_steps(tmp_path / "p"))
    write(root, {".gitattributes": "*.bin binary\n", ".pre-commit-config.yaml": "repos: []\n"})
    assert spacy("status", cwd=root).err == ""
    assert spacy("status", cwd=two_steps(tmp_path / "outside")).err == ""


def test_worktrees_of_a_clone_share_what_was_said(clone: Path, spacy: Spacy) -> None:
    git(clone, "worktree", "add", "-q", "../tree")
    assert spacy("status", cwd=clone.parent / "tree").err == BOTH
    assert spacy("status", cwd=clone).err == ""
