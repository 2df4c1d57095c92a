"""`git spacy show --log`: what runs printed."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from git_spacy.cli import completion
from git_spacy.history import run_logs
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git, repository
from tests.testing.terminal import at_terminal, wait_for_exit

PROJECT = """\
commands:
  - {name: train, script: ["python train.py"], deps: [train.py], outputs: [model.txt]}
  - {name: "data:make", script: ["echo made"], outputs: []}
  - {name: later, script: ["python -c pass"]}
workflows:
  all: [data:make, train]
"""


def script(text: str) -> str:
    return f"open('model.txt', 'w').write({text!r})\nprint('printed', {text!r})\n"


@pytest.fixture
def root(tmp_path: Path, spacy: Spacy) -> Path:
    """Create a project with two commits, each with a result of `train`."""

    root = project(tmp_path / "p", PROJECT, {".gitignore": "model.txt\n"})
    repository(root)
    for text in ("one", "two"):
        (root / "train.py").write_text(script(text))
        assert spacy("run", "train", cwd=root).code == 0
        git(root, "add", "-A")
        git(root, "commit", "-qm", text)
    return root


def hint_of(err: str) -> list[str]:
    return shlex.split(err.rpartition("hint: git spacy ")[2])


def test_a_log_is_found_by_command_commit_and_run(root: Path, spacy: Spacy) -> None:
    def shown(*arguments: str) -> list[str]:
        done = spacy("show", *arguments, cwd=root)
        assert (done.code, done.err) == (0, "")
        return [line for line in done.out.splitlines() if line.startswith(("printed", "made"))]

    one, two = ["printed one"], ["printed two"]
    assert shown("--log", "train") == shown("train", "--log") == shown("--log") == two
    assert shown("--log", "HEAD:train") == shown("--log", "HEAD") == two
    assert shown("--log", "HEAD~1:train") == shown("HEAD~1", "--log") == one
    git(root, "branch", "train", "HEAD~1")  # the command comes first
    assert shown("--log", "train") == two
    assert shown("--log", "train:train") == shown("--log", "heads/train") == one
    ids = re.findall(r"run-[0-9a-f]{40}", " ".join(os.listdir(run_logs.log_folder(root))))
    assert sorted(shown("--log", ids[0][:12]) + shown("--log", ids[1])) == [*one, *two]
    assert spacy("run", "data:make", cwd=root).code == 0
    assert shown("--log", "data:make") == shown("--log") == ["made"]
    assert shown("--log", "all") == ["made", *two]
    (root / "project.yml").write_text("commands: {}")  # not even valid
    assert shown("--log", "train") == two


def test_logs_of_other_worktrees_are_found_by_commit(root: Path, spacy: Spacy) -> None:
    other = root.parent / "other"
    git(root, "worktree", "add", "-q", str(other), "HEAD")
    assert "printed two" in spacy("show", "--log", "HEAD:train", cwd=other).out
    done = spacy("show", "--log", "train", cwd=other)  # its own last run
    assert done.code == 1
    assert spacy(*hint_of(done.err), cwd=other).code == 0
    assert "printed two" in spacy("show", "--log", "train", cwd=other).out
    assert len(os.listdir(run_logs.log_folder(root))) == 2


def test_a_project_without_logs_gets_a_hint_that_makes_one(root: Path, spacy: Spacy) -> None:
    other = root.parent / "other"
    git(root, "worktree", "add", "-q", str(other), "HEAD")
    done = spacy("show", "--log", cwd=other)
    assert done.code == 1
    assert spacy(*hint_of(done.err), cwd=other).code == 0
    assert "printed" in spacy("show", "--log", cwd=other).out


def test_a_missing_log_is_reported_with_a_hint_that_helps(root: Path, spacy: Spacy) -> None:
    done = spacy("show", "--log", "later", cwd=root)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: no run of 'later' is logged in this worktree\n")
    assert spacy(*hint_of(done.err), cwd=root).code == 0
    assert spacy("show", "--log", "later", cwd=root).code == 0
    done = spacy("show", "--log", "HEAD:later", cwd=root)  # has no result in HEAD
    assert done.code == 1
    assert "'later'" in done.err
    assert spacy(*hint_of(done.err), cwd=root).code == 0
    for path in run_logs.log_folder(root).iterdir():
        path.unlink()
    done = spacy("show", "--log", "HEAD:train", cwd=root)
    assert (done.code, done.err.splitlines()[0]) == (
        1, "error: what 'train' printed in that run is not logged here, or not any more",
    )  # fmt: skip
    assert spacy(*hint_of(done.err), cwd=root).code == 0
    assert spacy("show", "--log", cwd=root).code == 1
    for name in ("trian", "trian:train", ":train", "HEAD..HEAD"):
        done = spacy("show", "--log", name, cwd=root)
        assert (done.code, "is neither a command, nor a commit or a run" in done.err) == (2, True)
    assert spacy("show", "--log", "--json", cwd=root).code == 2


@pytest.mark.threat("logged-output", "terminal-escapes", commands="show")
def test_a_log_cannot_control_the_terminal(root: Path, spacy: Spacy) -> None:
    (root / "train.py").write_text(
        script("x") + "print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07 10%\\r99% é')\n"
    )
    assert spacy("run", "train", cwd=root).code == 0
    environ = {**os.environ, "GIT_PAGER": "cat", "PYTHONUTF8": "1"}
    code, shown = wait_for_exit(*at_terminal(root, "show", "--log", "train", environ=environ))
    assert code == 0
    assert "printed x\r\n99% é\r\n" in shown
    (root / "train.py").write_text(
        script("y") + "print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07')\n"
    )
    assert spacy("run", "train", cwd=root).code == 0
    code, shown = wait_for_exit(*at_terminal(root, "show", "--log", "train", environ=environ))
    assert "printed y\r\nred \\x1b]0;title\\x07\r\n" in shown
    assert "\x1b" not in shown


def test_names_of_logs_are_completed(root: Path) -> None:
    names = [name for name, _ in completion.candidates(["show", "--log", ""], root)]
    assert {"train", "data:make", "all", "HEAD"} <= set(names)
    names = [name for name, _ in completion.candidates(["show", ""], root)]
    assert "train" not in names
