"""Setting outputs aside, with crashes at every step and journals that somebody else wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy.state import set_aside
from git_spacy.state.set_aside import PreviousOutput
from tests.testing.projects import snapshot
from tests.testing.repositories import repository, write

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.threat("torn-writes", commands="run")
def test_outputs_are_old_or_new_whenever_a_run_or_the_command_after_it_is_killed(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "tests.state.killing", tmp_path), cwd=REPOSITORY,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


@pytest.mark.threat("hostile-values", commands="run status")
@pytest.mark.parametrize(
    "change",
    [
        {"outputs": [["../victim", [], True, False]]}, {"outputs": [["/tmp", [], True, False]]},
        {"outputs": [["out", ["../../x"], True, False]]}, {"outputs": "out"}, {"phase": "x"},
        {"outputs": [[".git", [], True, False]]}, {"command": 1}, {"outputs": [["out"]]},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_journal_moves_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    root = repository(tmp_path / "p")
    write(root, {"out/a": "a", "../victim/x": "x"})
    record, _ = set_aside.set_aside(root, "make", [PreviousOutput("out")])
    assert record
    (journal,) = (root / ".git/spacy/aside").glob("*.json")
    journal.write_text(json.dumps(json.loads(journal.read_text()) | change))
    before = snapshot(tmp_path)
    assert list(set_aside.recover(root)) == []
    assert snapshot(tmp_path) == before


def test_paths_outside_the_project_are_never_set_aside(tmp_path: Path) -> None:
    root = repository(tmp_path / "p")
    write(tmp_path, {"data/x": "x"})
    for path in (f"{tmp_path}/data", "../data", ".git/hooks", ".", ""):
        assert set_aside.set_aside(root, "make", [PreviousOutput(path)]) == (None, [])
    assert (tmp_path / "data/x").exists()


def test_outputs_on_another_file_system_than_git_are_moved_within_the_project(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a linked worktree on another disk. What cannot be moved at all stays."""

    root = repository(tmp_path / "p")
    write(root, {"out/a": "a", "file": "f"})
    monkeypatch.setattr(set_aside, "state_dir", lambda _: disk / "state")
    outputs = [PreviousOutput("out", is_recorded=False), PreviousOutput("file")]
    record, immovable = set_aside.set_aside(root, "make", outputs)
    assert record
    assert immovable == []
    assert sorted(path.name for path in root.iterdir()) == [".git", ".git-spacy", "README.md"]
    assert [done.are_back for done in set_aside.recover(root)] == [True]
    assert sorted(path.name for path in root.iterdir()) == [".git", "README.md", "file", "out"]
    write(root, {".git-spacy/.gitignore": "x"})  # a leftover does not matter
    record, _ = set_aside.set_aside(root, "make", outputs)
    assert record
    kept = record.drop()
    assert kept
    assert (kept / "out/a").read_text() == "a"
    assert kept.is_relative_to(root)


@pytest.mark.threat("template-links", commands="run")
@pytest.mark.parametrize("name", ["", "/failed", "/kept", "/aside"])
def test_nothing_is_moved_or_deleted_behind_a_link_in_the_project(
    tmp_path: Path, disk: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that is used if the Git folder is on another file system may be in a template."""

    root = repository(tmp_path / "p")
    write(tmp_path, {"victim/failed/make/x": "x", "victim/make/x": "x", "p/out/a": "a"})
    link = root / f".git-spacy{name}"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "victim")
    before = snapshot(tmp_path)
    monkeypatch.setattr(set_aside, "state_dir", lambda _: disk / "state")
    with pytest.raises(NotADirectoryError, match="It is a link"):
        set_aside.set_aside(root, "make", [PreviousOutput("out", is_recorded=False)])
    assert list(set_aside.recover(root)) == []
    assert snapshot(tmp_path) == before


@pytest.mark.threat("only-copies", commands="run")
@pytest.mark.parametrize("phase", ["moving", "running"])
@pytest.mark.parametrize("blocked_by", ["a file", "a file at its place", "a link"])
def test_an_output_that_cannot_come_back_is_kept(
    tmp_path: Path, phase: str, blocked_by: str
) -> None:
    """So the commands after it do not stop at it: e.g. the user moved a folder to another disk
    since then, and linked it."""

    root = repository(tmp_path / "p")
    write(root, {"in/out/a": "a"})
    record, _ = set_aside.set_aside(root, "make", [PreviousOutput("in/out")])
    assert record
    (root / "in").rmdir()
    if blocked_by == "a link":
        (tmp_path / "disk").mkdir()
        (root / "in").symlink_to(tmp_path / "disk")
    else:
        write(root, {"in" if blocked_by == "a file" else "in/out": "new"})
    (journal,) = (root / ".git/spacy/aside").glob("*.json")
    journal.write_text(json.dumps(json.loads(journal.read_text()) | {"phase": phase}))
    (done,) = set_aside.recover(root)
    assert not set_aside.is_pending(root)
    if done.are_back:  # what was in its place has been moved instead
        assert (phase, blocked_by) == ("running", "a file at its place")
        assert (root / "in/out/a").read_text() == "a"
    else:
        assert done.kept
        assert (done.kept / "in/out/a").read_text() == "a"
