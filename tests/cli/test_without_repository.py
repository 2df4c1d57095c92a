"""Commands that need a repository report a missing one in the same words, with the same exit code.

The hook is tested beside them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy import hook
from tests.testing.projects import Spacy, two_steps
from tests.testing.repositories import git

NEED_A_REPOSITORY = {
    "check --staged": "leave out --staged",
    "check --notes": "git init",
    "diff HEAD": "git init",
    "ignore": "git init",
    "init --yes": "git init && git spacy init",
    "lock rebuild": "git init",
    "log": "git init",
    "log --table": "git init",
    "notes pull": "git init",
    "notes push": "git init",
    "notes status": "git init",
    "restore": "git init",
    "show": "git init",
}
"""The command lines, and the hints that they print outside a repository."""
NEED_A_WORKTREE = ("check --staged", "ignore", "init --yes")
BARE = (
    "error: this repository is bare: it has no working tree\n"
    "hint: change to a clone or a worktree of it\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return two_steps(tmp_path / "p")


@pytest.mark.parametrize("command", NEED_A_REPOSITORY)
def test_outside_a_repository_all_commands_report_the_same_error(
    root: Path, spacy: Spacy, command: str
) -> None:
    hint = NEED_A_REPOSITORY[command]
    message = f"error: not a Git repository: '{root}'\nhint: {hint}\n"
    assert spacy(*command.split(), cwd=root) == (2, "", message)
    git(root, "init", "-q")
    assert "not a Git repository" not in spacy(*command.split(), cwd=root).err


@pytest.mark.parametrize("command", NEED_A_WORKTREE)
def test_in_a_bare_repository_all_commands_that_need_files_report_the_same_error(
    root: Path, spacy: Spacy, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(root, "init", "-q", "--bare", str(root / "bare"))
    monkeypatch.setenv("GIT_DIR", str(root / "bare"))
    assert spacy(*command.split(), cwd=root) == (2, "", BARE)


def test_the_hook_reports_these_errors_in_the_same_words(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert hook.main(["all"]) == 2
    message = f"error: not a Git repository: '{root}'\nhint: git spacy check\n"
    assert capsys.readouterr() == ("", message)
    git(root, "init", "-q", "--bare", "bare")
    monkeypatch.setenv("GIT_DIR", "bare")
    assert hook.main(["all"]) == 2
    assert capsys.readouterr() == ("", BARE)
