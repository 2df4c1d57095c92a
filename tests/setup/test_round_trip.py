"""`git spacy init` and `--undo` on all kinds of repositories: undo restores every byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.conftest import KINDS, make_stale
from tests.testing.projects import Done, Spacy
from tests.testing.repositories import GIT, git

State = dict[str, tuple[int, bytes | str]]


def full_state(*folders: Path) -> State:
    """Return the mode and content of every file, symlink and folder below `folders`."""

    state: State = {}
    for top in folders:
        for path in sorted((top, *top.rglob("*"))):
            mode = path.lstat().st_mode
            if path.is_symlink():
                state[str(path)] = (mode, os.readlink(path))
            else:
                state[str(path)] = (mode, path.read_bytes() if path.is_file() else "")
    return state


def try_commit(folder: Path) -> Done:
    done = subprocess.run(
        (GIT, "commit", "-m", "x"), cwd=folder, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("kind", KINDS)
def test_init_is_idempotent_and_undo_restores_every_byte(
    tmp_path: Path, spacy: Spacy, kind: str
) -> None:
    root = KINDS[kind](tmp_path / "project")
    home = Path(os.environ["HOME"])
    git(root, "status")  # refreshes the index
    before = full_state(tmp_path, home)

    shown = spacy("init", "--dry", cwd=root)
    assert shown.code == 0
    refused = spacy("init", cwd=root)
    assert (refused.code, refused.out) == (2, shown.out)
    assert refused.err.endswith("hint: git spacy init --yes\n")
    assert full_state(tmp_path, home) == before

    done = spacy("init", "--yes", cwd=root)
    assert done.code == 0, done.err
    assert done.out == shown.out
    assert git(root, "config", "--get-all", "notes.rewriteRef").endswith("refs/notes/spacy")
    assert git(root, "config", "notes.rewriteMode") == "cat_sort_uniq"
    set_up = full_state(tmp_path, home)
    assert set_up != before
    again = spacy("init", "--yes", cwd=root)
    assert (again.code, again.out) == (0, "")
    pending = "commits are not checked yet: pre-commit is configured, but not installed"
    expected = pending if kind == "with_pre_commit" else "already set up; nothing to do\n"
    assert expected in again.err
    assert full_state(tmp_path, home) == set_up

    assert spacy("init", "--undo", cwd=root).code == 2
    assert full_state(tmp_path, home) == set_up
    undone = spacy("init", "--undo", "--yes", cwd=root)
    assert undone.code == 0, undone.err
    assert full_state(tmp_path, home) == before
    assert spacy("init", "--undo", "--yes", cwd=root).err == "nothing to undo\n"


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("kind", "ran_before"),
    [
        ("ordinary", []),
        ("several", []),
        ("linked", []),
        ("submodule", []),
        ("with_hooks", ["pre-commit.before-git-spacy ran"]),
        ("with_husky_9", []),
        ("with_husky_8", []),
        ("with_committed_hooks", ["pre-commit.before-git-spacy ran"]),
        ("with_global_hooks", ["my hooks/pre-commit ran"]),
    ],
)
def test_commits_with_a_stale_lock_are_refused_and_earlier_hooks_still_run(
    tmp_path: Path, spacy: Spacy, kind: str, ran_before: list[str]
) -> None:
    top = KINDS[kind](tmp_path / "project")
    root = top / "one" if kind == "several" else top
    assert spacy("init", "--yes", cwd=top).code == 0
    assert spacy("run", "all", cwd=root).code == 0
    git(top, "add", "-A")
    good = try_commit(top)
    assert good.code == 0, good.err
    for line in ran_before:
        assert line in good.err
    if kind == "with_global_hooks":
        assert "my hooks/commit-msg ran" in good.err
    make_stale(root)
    bad = try_commit(top)
    assert bad.code == 1
    assert "project.lock:3:3: error: 'prepare': script changed" in bad.err + bad.out


@pytest.mark.usefixtures("programs")
def test_pre_commit_runs_our_checks(tmp_path: Path, spacy: Spacy) -> None:
    pytest.importorskip("pre_commit")
    root = KINDS["with_pre_commit"](tmp_path / "project")
    assert spacy("run", "all", cwd=root).code == 0
    done = spacy("init", "--yes", cwd=root)
    assert done.err.endswith(
        "warning: commits are not checked yet: pre-commit is configured, but not installed in this"
        " clone\nhint: pre-commit install\n"
    )
    assert not (root / ".git/hooks/pre-commit").exists()
    make_stale(root)

    completed = subprocess.run(
        (sys.executable, "-m", "pre_commit", "run"),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert "theirs" in completed.stdout
    assert "project.lock:3:3: error: 'prepare': script changed" in completed.stdout


def test_hooks_that_did_not_run_before_still_do_not(tmp_path: Path, spacy: Spacy) -> None:
    """Those in .git/hooks did not run, since core.hooksPath is another folder."""

    root = KINDS["with_committed_hooks"](tmp_path / "project")
    assert spacy("init", "--yes", cwd=root).code == 0
    assert (
        (root / ".githooks/pre-merge-commit.before-git-spacy")
        .read_text()
        .endswith("git-spacy's.\n")
    )
