"""Records wait until they can be attached to their commit, and follow its files to other commits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from git_spacy.git import sealed_notes
from git_spacy.history.run_index import digest_line
from tests.cli.commands.test_log import MAKE, SCORE, SCORED, keep, resize, rows, scored
from tests.run.test_recorder import has_notes, records_of
from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import commit, git, repository, write

__all__ = ["scored"]


def without_lock(folder: Path) -> None:
    """Ignore the lock, as many teams do: then a commit has the runs that began on it."""

    write(folder, {".gitignore": "/data/\nmetrics.json\nproject.lock\n"})
    keep(folder, "Ignore the lock")


def test_before_the_first_commit_records_wait_for_it(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path / "r")
    git(root, "init", "-q")
    spacy("run", "prepare", cwd=root)
    assert not has_notes(root)
    first = commit(root, {})
    commit(root, {}, "another")
    spacy("run", "train", cwd=root)
    assert [record["command"] for record in records_of(root, first)] == ["prepare"]
    assert [record["command"] for record in records_of(root)] == ["train"]
    assert not (root / ".git/spacy/pending").exists()


@pytest.mark.parametrize(("old", "new"), [("old", "deep/new"), ("old", ""), ("", "new")])
def test_records_that_wait_for_the_first_commit_follow_a_folder_that_is_moved(
    tmp_path: Path, spacy: Spacy, old: str, new: str
) -> None:
    top = tmp_path / "r"
    two_steps(top / old)
    two_steps(top / "other")
    git(top, "init", "-q")
    for name in (old, "other"):
        spacy("run", "prepare", cwd=top / name)
    git(top, "add", "-A")
    (top / new).mkdir(parents=True, exist_ok=True)
    for path in sorted((top / old).iterdir()):
        if path.name not in (".git", "other", "new"):
            path.rename(top / new / path.name)
    first = commit(top, {})
    assert "prepare" in spacy("log", cwd=top / new).out
    assert [record["project"] for record in records_of(top, first)] == [new]
    spacy("log", cwd=top / "other")
    assert {record["project"] for record in records_of(top, first)} == {new, "other"}


def test_outside_a_repository_records_wait_for_git_init(tmp_path: Path, spacy: Spacy) -> None:
    top = tmp_path / "r"
    root = two_steps(top / "inside")
    spacy("run", "prepare", cwd=root)
    git(top, "init", "-q")
    commit(top, {})
    done = spacy("log", cwd=root)
    assert "prepare" in done.out
    (record,) = records_of(top)
    assert (record["project"], record["tree"]) == ("inside", "")


def test_without_git_records_wait_and_are_attached_to_their_own_commit(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_steps(tmp_path / "r")
    repository(root)
    second = commit(root, {}, "second")
    path = os.environ["PATH"]
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert spacy("run", "prepare", cwd=root).code == 0
    monkeypatch.setenv("PATH", path)
    commit(root, {}, "third")
    spacy("log", cwd=root)
    assert [record["command"] for record in records_of(root, second)] == ["prepare"]


def test_if_the_record_cannot_be_written_the_run_succeeds_and_the_record_waits(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path / "r")
    repository(root)
    blocking = root / ".git/refs/notes/spacy/in-the-way"  # blocks a ref with the name of its parent
    blocking.parent.mkdir(parents=True)
    blocking.write_text(git(root, "rev-parse", "HEAD") + "\n")
    done = spacy("run", "all", cwd=root)
    assert done.code == 0, done.err
    assert done.err.count("warning: ") == 1
    assert "run not recorded: " in done.err
    blocking.unlink()
    blocking.parent.rmdir()
    spacy("log", cwd=root)
    assert [record["command"] for record in records_of(root)] == ["prepare", "train"]


def test_in_a_linked_worktree_records_are_shared_with_the_repository(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path / "r")
    repository(root)
    git(root, "worktree", "add", "-q", str(tmp_path / "w"))
    commit(tmp_path / "w", {}, "on a branch")
    spacy("run", "prepare", cwd=tmp_path / "w")
    assert [record["command"] for record in records_of(root, "w")] == ["prepare"]


def test_after_a_squash_a_commit_finds_the_records_of_the_same_files(
    scored: Path, spacy: Spacy
) -> None:
    without_lock(scored)
    git(scored, "checkout", "-q", "-b", "work")
    resize(scored, 6)
    first = keep(scored, "wip")
    spacy("run", "all", cwd=scored)
    write(scored, {"notes.txt": "one"})
    keep(scored, "more wip")
    git(scored, "rm", "-q", "notes.txt")
    wip = keep(scored, "less wip")
    spacy("run", "-F", "score", cwd=scored)
    git(scored, "checkout", "-q", "-f", "main")
    git(scored, "merge", "-q", "--squash", "work")
    git(scored, "commit", "-q", "-m", "Larger (#1)")
    keep(scored, "An empty one on top")
    git(scored, "branch", "-q", "-D", "work")
    ids = git(scored, "log", "--format=%h").split()
    assert git(scored, "notes", "--ref=spacy", "list", wip)
    printed = rows(spacy("log", cwd=scored).out)
    assert printed[0] == f"{ids[1]} Larger (#1)"
    assert [line for line in printed if line.startswith("same ")] == [
        f"same tree: recorded on {id[:7]}" for id in (wip, first, first)
    ]
    assert [line.split()[0] for line in printed if line.startswith(("score", "prepare"))] == [
        "score", "score", "prepare",
    ]  # fmt: skip
    shown = json.loads(spacy("show", "--json", "HEAD~1", cwd=scored).out)
    assert {run["recorded_on"] for run in shown} >= {wip}


def test_records_of_the_same_tree_are_found_for_a_project_in_a_folder(
    tmp_path: Path, spacy: Spacy
) -> None:
    top = repository(tmp_path / "r", {".gitignore": "data/\nmetrics.json\nproject.lock\n"})
    made = project(top / "sub", SCORED, {"make.py": MAKE, "score.py": SCORE})
    git(top, "checkout", "-q", "-b", "work")
    keep(top, "project")
    spacy("run", "all", cwd=made)
    git(top, "checkout", "-q", "main")
    keep(top, "elsewhere")
    git(top, "cherry-pick", "work")
    git(top, "branch", "-q", "-D", "work")
    printed = rows(spacy("log", cwd=made).out)
    assert [line for line in printed if line.startswith("same tree")]


def test_records_follow_amended_and_rebased_commits(scored: Path, spacy: Spacy) -> None:
    without_lock(scored)
    git(scored, "config", "notes.rewriteRef", "refs/notes/spacy")
    git(scored, "config", "notes.rewriteMode", "cat_sort_uniq")
    git(scored, "checkout", "-q", "-b", "work")
    keep(scored, "work")
    spacy("run", "all", cwd=scored)
    git(scored, "commit", "-q", "--allow-empty", "--amend", "-m", "work, amended")
    assert rows(spacy("log", cwd=scored).out)[1:] == [
        "score score 0.25",
        "first run",
        "prepare first run",
    ]
    git(scored, "checkout", "-q", "main")
    write(scored, {"README.md": "elsewhere"})
    keep(scored, "elsewhere")
    git(scored, "rebase", "-q", "--keep-empty", "main", "work")
    printed = rows(spacy("log", cwd=scored).out)
    assert printed[0].endswith("work, amended")
    assert not [line for line in printed if "same tree" in line]


def test_runs_in_sealed_notes_are_found_by_each_command_and_in_a_clone(
    scored: Path, spacy: Spacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_notes, "MAX_OPEN_LINES", 2)
    head = git(scored, "rev-parse", "HEAD")
    for size in range(1, 6):
        resize(scored, size)
        spacy("run", "all", cwd=scored)
    shown = git(scored, "notes", "--ref=spacy", "show").split("\n")
    assert len([line for line in shown if '"before"' not in line]) <= 4, "a part of the records"
    assert len(records_of(scored)) == 10
    everything = json.loads(spacy("log", "--all", "--json", cwd=scored).out)
    assert len([run for found in everything for run in found["runs"]]) == 10
    first = next(run for run in records_of(scored) if run["command"] == "score")
    name = "run-" + digest_line(json.dumps(first, sort_keys=True, separators=(",", ":")))
    assert f"commit {head}" in spacy("show", name, cwd=scored).out
    resize(scored, 1)
    spacy("run", "all", cwd=scored)
    lock = (scored / "project.lock").read_bytes()
    keep(scored, "The first again")
    git(tmp_path, "clone", "-q", "--bare", "r", "bare.git")
    git(scored, "remote", "add", "origin", str(tmp_path / "bare.git"))
    assert "12 records" in spacy("notes", "push", cwd=scored).err
    git(tmp_path, "clone", "-q", "bare.git", "clone")
    clone = tmp_path / "clone"
    assert "12" in spacy("notes", "pull", cwd=clone).err
    assert "score" in spacy("show", cwd=clone).out
    (clone / "project.lock").unlink()
    spacy("lock", "rebuild", cwd=clone)
    assert (clone / "project.lock").read_bytes() == lock
