"""`git spacy init` and `--undo` on repositories of all kinds: shown first, done once, and gone
without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.conftest import KINDS, stale
from tests.testing.projects import Done, Spacy
from tests.testing.repositories import GIT, git

World = dict[str, tuple[int, bytes | str]]


def world(*folders: Path) -> World:
    """Every file, link and folder below `folders` with its permissions, Git's own and all."""

    found: World = {}
    for top in folders:
        for path in sorted((top, *top.rglob("*"))):
            mode = path.lstat().st_mode
            if path.is_symlink():
                found[str(path)] = (mode, os.readlink(path))
            else:
                found[str(path)] = (mode, path.read_bytes() if path.is_file() else "")
    return found


def committing(folder: Path) -> Done:
    done = subprocess.run(
        (GIT, "commit", "-m", "x"), cwd=folder, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("kind", KINDS)
def test_twice_changes_nothing_and_undo_leaves_every_byte_as_it_was(
    tmp_path: Path, spacy: Spacy, kind: str
) -> None:
    made = KINDS[kind](tmp_path / "project")
    home = Path(os.environ["HOME"])
    git(made, "status")  # the index is as Git likes it
    before = world(tmp_path, home)

    shown = spacy("init", "--dry", cwd=made)
    assert shown.code == 0
    refused = spacy("init", cwd=made)
    assert (refused.code, refused.out) == (2, shown.out)
    assert refused.err.endswith("hint: git spacy init --yes\n")
    assert world(tmp_path, home) == before

    done = spacy("init", "--yes", cwd=made)
    assert done.code == 0, done.err
    assert done.out == shown.out
    assert git(made, "config", "--get-all", "notes.rewriteRef").endswith("refs/notes/spacy")
    assert git(made, "config", "notes.rewriteMode") == "cat_sort_uniq"
    set_up = world(tmp_path, home)
    assert set_up != before
    again = spacy("init", "--yes", cwd=made)
    assert (again.code, again.out) == (0, "")
    assert again.err == "already set up; nothing to do\n"
    assert world(tmp_path, home) == set_up

    assert spacy("init", "--undo", cwd=made).code == 2
    assert world(tmp_path, home) == set_up
    undone = spacy("init", "--undo", "--yes", cwd=made)
    assert undone.code == 0, undone.err
    assert world(tmp_path, home) == before
    assert spacy("init", "--undo", "--yes", cwd=made).err == "nothing to undo\n"


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
        ("with_hooks_of_the_team", ["pre-commit.before-git-spacy ran"]),
        ("with_global_hooks", ["my hooks/pre-commit ran"]),
    ],
)
def test_then_a_stale_lock_is_refused_and_what_ran_before_still_runs(
    tmp_path: Path, spacy: Spacy, kind: str, ran_before: list[str]
) -> None:
    made = KINDS[kind](tmp_path / "project")
    root = made / "one" if kind == "several" else made
    assert spacy("init", "--yes", cwd=made).code == 0
    assert spacy("run", "all", cwd=root).code == 0
    git(made, "add", "-A")
    good = committing(made)
    assert good.code == 0, good.err
    for told in ran_before:
        assert told in good.err
    if kind == "with_global_hooks":
        assert "my hooks/commit-msg ran" in good.err
    stale(root)
    bad = committing(made)
    assert bad.code == 1
    assert "project.lock:3:3: error: 'prepare': script changed" in bad.err + bad.out


@pytest.mark.usefixtures("programs")
def test_pre_commit_runs_our_checks_by_the_entry(tmp_path: Path, spacy: Spacy) -> None:
    pytest.importorskip("pre_commit")
    made = KINDS["with_pre_commit"](tmp_path / "project")
    assert spacy("run", "all", cwd=made).code == 0
    done = spacy("init", "--yes", cwd=made)
    assert done.err.endswith("To have pre-commit run the hook: pre-commit install\n")
    assert not (made / ".git/hooks/pre-commit").exists()
    stale(made)

    ran = subprocess.run(
        (sys.executable, "-m", "pre_commit", "run"),
        cwd=made,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "theirs" in ran.stdout
    assert "project.lock:3:3: error: 'prepare': script changed" in ran.stdout


def test_the_hooks_of_the_repository_that_did_not_run_still_do_not(
    tmp_path: Path, spacy: Spacy
) -> None:
    """(core.hooksPath was elsewhere all the time.)"""

    made = KINDS["with_hooks_of_the_team"](tmp_path / "project")
    assert spacy("init", "--yes", cwd=made).code == 0
    assert (
        (made / ".githooks/pre-merge-commit.before-git-spacy")
        .read_text()
        .endswith("git-spacy's.\n")
    )
