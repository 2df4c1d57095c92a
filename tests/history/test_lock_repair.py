"""A lock is rebuilt entry by entry, and a conflict is settled by what the project needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.cli.commands.test_lock import (
    TWO,
    both_changed_next_to_each_other,
    edit,
    made,
    merge,
    table,
)
from tests.cli.commands.test_log import keep, resize
from tests.testing.projects import Spacy, write_lock
from tests.testing.repositories import git

__all__ = ["made"]


def test_commands_without_a_matching_run_are_stale_or_unknown(made: Path, spacy: Spacy) -> None:
    git(made, "rm", "-q", "project.lock")
    edit(made, "score.py", "changed")
    text = TWO.replace("workflows:", "  - {name: new, script: [touch n], outputs: [n]}\nworkflows:")
    (made / "project.yml").write_text(text)
    keep(made, "No lock, another score")
    done = spacy("lock", "rebuild", cwd=made)
    assert table(done.out) == {
        "prepare": "rebuilt", "score": "stale", "count": "rebuilt", "new": "unknown"
    }  # fmt: skip
    assert spacy("run", "all", "--dry", cwd=made).err.endswith("would run 1, skipped 2\n")


@pytest.mark.threat("broken-lock", commands="lock")
def test_a_broken_lock_is_rebuilt_and_a_valid_one_is_unchanged(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    for text in (b"", b"<<<<<<< ours\n", b"\x00\xff", b"[]"):
        (made / "project.lock").write_bytes(text)
        assert spacy("lock", "rebuild", cwd=made).code == 0
        assert (made / "project.lock").read_bytes() == before
    git(made, "update-ref", "-d", "refs/notes/spacy")
    done = spacy("lock", "rebuild", cwd=made)
    assert table(done.out) == {"prepare": "unchanged", "score": "unchanged", "count": "unchanged"}
    assert (made / "project.lock").read_bytes() == before


def test_the_order_of_the_committed_lock_is_kept(made: Path, spacy: Spacy) -> None:
    entries = lock_format.read(made)
    backwards = {name: entries[name] for name in reversed(entries)}
    write_lock(made, backwards)
    keep(made, "Another order")
    write_lock(made, entries)
    assert spacy("lock", "rebuild", cwd=made).code == 0
    assert list(lock_format.read(made)) == list(backwards)


def test_the_dialect_of_the_lock_is_kept(made: Path, spacy: Spacy) -> None:
    old = (
        (made / "project.lock")
        .read_text()
        .replace("python -m weasel run", "python -m spacy project run")
    )
    (made / "project.lock").write_text(old)
    keep(made, "In spaCy's own dialect")
    edit(made, "score.py", "changed")
    spacy("run", "all", cwd=made)
    new = (made / "project.lock").read_bytes()
    keep(made, "Another score")
    git(made, "checkout", "-q", "HEAD~1", "--", "project.lock")
    assert spacy("lock", "rebuild", "HEAD", cwd=made).code == 0
    assert (made / "project.lock").read_bytes() == new
    assert b"python -m spacy project run score" in new


@pytest.mark.parametrize("fresher", ["ours", "theirs"])
def test_the_side_that_matches_the_project_is_taken(made: Path, spacy: Spacy, fresher: str) -> None:
    for branch, word in (("ours", "one"), ("theirs", "other")):
        git(made, "checkout", "-q", "-b", branch, "main")
        edit(made, "count.py", word)
        spacy("run", "count", cwd=made)
        keep(made, word)
    git(made, "checkout", "-q", "ours")
    assert merge(made, "theirs") == 1
    git(made, "checkout", "-q", f"--{fresher}", "--", "count.py")
    git(made, "add", "count.py")
    done = spacy("lock", "resolve", cwd=made)
    assert done.err.splitlines()[0] == f"count: took {fresher}"
    git(made, "commit", "-q", "-m", "merged")
    (made / "counted.txt").unlink()
    git(made, "stash", "-q", "--include-untracked") if git(made, "status", "--porcelain") else None
    assert spacy("check", "lock", cwd=made).code == 0


def test_a_lock_committed_with_conflict_markers_is_resolved(made: Path, spacy: Spacy) -> None:
    both_changed_next_to_each_other(made, spacy)
    merge(made, "side")
    ours, theirs = (
        lock_format.parse(git(made, "show", f"{side}:project.lock").encode())
        for side in ("main", "side")
    )
    texts = [lock_format.text({"count": side["count"]}).decode() for side in (ours, theirs)]
    marked = f"<<<<<<< HEAD\n{texts[0]}=======\n{texts[1]}>>>>>>> side\n"
    rest = lock_format.text({name: theirs[name] for name in ("prepare", "score")}).decode()
    (made / "project.lock").write_text(rest + marked)
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "merged badly")
    done = spacy("lock", "resolve", cwd=made)
    assert done.err.splitlines() == ["count: took ours"]
    assert spacy("check", "lock", cwd=made).code == 0


def test_without_a_conflict_nothing_is_resolved(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    done = spacy("lock", "resolve", cwd=made)
    assert (done.code, done.err) == (0, "project.lock has no conflicts\n")
    assert (made / "project.lock").read_bytes() == before


def test_conflicts_in_project_yml_must_be_resolved_first(made: Path, spacy: Spacy) -> None:
    for branch, size in (("ours", 8), ("theirs", 9)):
        git(made, "checkout", "-q", "-b", branch, "main")
        resize(made, size)
        spacy("run", "all", cwd=made)
        keep(made, branch)
    git(made, "checkout", "-q", "ours")
    assert merge(made, "theirs") == 1
    before = (made / "project.lock").read_bytes()
    done = spacy("lock", "resolve", cwd=made)
    assert done.code == 2
    assert "project.yml" in done.err
    assert (made / "project.lock").read_bytes() == before
    git(made, "checkout", "-q", "--theirs", "--", "project.yml")
    assert spacy("lock", "resolve", cwd=made).err.splitlines()[:2] == [
        "prepare: took theirs",
        "score: took theirs",
    ]


def test_a_side_that_removed_the_lock_is_ignored(made: Path, spacy: Spacy) -> None:
    git(made, "checkout", "-q", "-b", "without")
    git(made, "rm", "-q", "project.lock")
    keep(made, "No lock")
    git(made, "checkout", "-q", "main")
    edit(made, "count.py", "changed")
    spacy("run", "count", cwd=made)
    keep(made, "Count")
    expected = (made / "project.lock").read_bytes()
    assert merge(made, "without") == 1
    assert spacy("lock", "resolve", cwd=made).code == 0
    assert (made / "project.lock").read_bytes() == expected
    assert git(made, "status", "--porcelain") == ""
