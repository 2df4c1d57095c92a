"""Locks of past commits are found in run records, whoever made them and wherever they are."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands.test_lock import made, table, without_lock
from tests.cli.commands.test_log import keep, resize
from tests.testing.projects import Spacy
from tests.testing.repositories import git

__all__ = ["made"]


def test_an_ignored_lock_is_rebuilt_from_run_records(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    without_lock(made)
    (made / "project.lock").unlink()
    done = spacy("lock", "rebuild", cwd=made)
    assert done.code == 0, done.err
    assert table(done.out) == {"prepare": "rebuilt", "score": "rebuilt", "count": "rebuilt"}
    assert (made / "project.lock").read_bytes() == before
    assert spacy("run", "all", cwd=made).err.endswith("ran 0, skipped 3\n")


def test_each_commit_gets_its_own_lock(made: Path, spacy: Spacy) -> None:
    """There are several experiments on one commit, whose locks were never committed."""

    without_lock(made)
    locks = {}
    for size in (5, 6, 7):
        resize(made, size)
        spacy("run", "all", cwd=made)
        locks[size] = (made / "project.lock").read_bytes()
    for size in (6, 5, 7):
        resize(made, size)
        keep(made, f"size {size}")
    for revision, size in (("HEAD~2", 6), ("HEAD~1", 5), ("HEAD", 7)):
        assert spacy("lock", "rebuild", revision, cwd=made).code == 0
        assert (made / "project.lock").read_bytes() == locks[size], revision


def test_a_lock_is_rebuilt_from_records_of_a_teammate(
    made: Path, tmp_path: Path, spacy: Spacy
) -> None:
    without_lock(made)
    git(tmp_path, "clone", "-q", str(made), "clone")
    clone = tmp_path / "clone"
    refused = spacy("lock", "rebuild", cwd=clone)
    assert refused.code == 1
    assert "git spacy notes pull" in refused.err
    assert not (clone / "project.lock").exists()
    spacy("notes", "pull", cwd=clone)
    assert spacy("lock", "rebuild", cwd=clone).code == 0
    assert (clone / "project.lock").read_bytes() == (made / "project.lock").read_bytes()
    assert spacy("check", "lock", cwd=clone).code == 0


def test_a_lock_is_rebuilt_from_records_of_a_squashed_branch(made: Path, spacy: Spacy) -> None:
    """They belong to commits that are not in the history of the squashed commit."""

    without_lock(made)
    git(made, "checkout", "-q", "-b", "topic")
    resize(made, 9)
    keep(made, "Larger")
    spacy("run", "all", cwd=made)
    before = (made / "project.lock").read_bytes()
    keep(made, "Its results")
    git(made, "checkout", "-q", "main")
    git(made, "merge", "-q", "--squash", "topic")
    keep(made, "Larger, in one commit")
    git(made, "branch", "-qD", "topic")
    (made / "project.lock").unlink(missing_ok=True)
    done = spacy("lock", "rebuild", cwd=made)
    assert done.code == 0, done.err
    assert table(done.out) == {"prepare": "rebuilt", "score": "rebuilt", "count": "rebuilt"}
    assert (made / "project.lock").read_bytes() == before
