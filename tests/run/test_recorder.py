"""Each run leaves a record on the commit that it began on; nothing private, and never a failure."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import commit, git, repository

MEASURED = """\
vars:
  size: 3
  url: ""
env:
  who: WHO
commands:
  - name: measure
    script:
      - "python measure.py ${vars.size} ${env.who}"
    deps: [measure.py]
    outputs: [result]
    outputs_no_cache: [metrics.json, large.json, list.json]
"""
MEASURE = """\
import json, os, sys
size = int(sys.argv[1])
os.makedirs("result", exist_ok=True)
open("result/b.txt", "w").write("b" * size)
json.dump({"score": 1 / size, "per_type": {"BRAND": {"f": 0.5}}}, open("metrics.json", "w"))
json.dump({str(n): "x" * 100 for n in range(1000)} | {"n": 1}, open("large.json", "w"))
json.dump([1, 2], open("list.json", "w"))
"""
IGNORED = ".gitignore"


def noted(folder: Path, revision: str = "HEAD") -> list[dict[str, Any]]:
    """The records on a commit, as git itself shows them."""

    shown = git(folder, "notes", "--ref=spacy", "show", revision)
    return [json.loads(line) for line in shown.splitlines()]


def has_notes(folder: Path) -> bool:
    return "refs/notes" in git(folder, "for-each-ref")


def measured(folder: Path) -> Path:
    made = project(folder, MEASURED, {"measure.py": MEASURE})
    repository(made, {IGNORED: "result/\n*.json\n"})
    return made


def test_a_run_is_noted_on_the_commit_that_it_began_on(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "a secret of mine")
    made = measured(tmp_path / "r")
    done = spacy("run", "measure", cwd=made)
    assert done.code == 0, done.err
    (found,) = noted(made)
    assert found.pop("time").endswith("Z")
    assert 0 < found.pop("seconds") < 60
    versions = found.pop("versions")
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["git-spacy"]
    outs = found.pop("outs")
    assert [out["path"] for out in outs] == ["result", "metrics.json", "large.json", "list.json"]
    assert outs[0]["size"] == 3
    assert len(outs[0]["names"]) == 32
    size = (made / "measure.py").stat().st_size
    md5 = subprocess.check_output(("md5sum", made / "measure.py"), text=True).split()[0]
    assert found == {
        "v": 1,
        "how": "run",
        "project": "",
        "command": "measure",
        "script": ["python measure.py 3 ${env.who}"],
        "deps": [{"md5": md5, "path": "measure.py", "size": size}],
        "tree": git(made, "rev-parse", "HEAD^{tree}"),
        "dirty": False,
        "exit": 0,
        "vars": {},
        "metrics": {"metrics.json": {"score": 1 / 3, "per_type.BRAND.f": 0.5}},
    }
    assert git(made, "status", "--porcelain") == "?? project.lock"


def test_a_record_names_no_machine_no_path_of_it_and_no_environment_value(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "a secret of mine")
    made = measured(tmp_path / "r")
    url = "https://me:hunter2@example.org/x?token=abc"
    spacy("run", "measure", "--set", f"url={url}", "--vars.size=4", cwd=made)
    (found,) = noted(made)
    assert found["vars"] == {"url": "https://***@example.org/x?***", "size": 4}
    everything = git(made, "log", "-p", "refs/notes/spacy")
    for private in ("a secret of mine", "hunter2", "abc", str(tmp_path), os.environ["HOME"]):
        assert private not in everything
    assert socket.gethostname() not in everything


def test_what_is_skipped_or_would_run_leaves_no_record(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path / "r")
    repository(made, {IGNORED: "corpus/\nmodel/\n"})
    spacy("run", "all", "--dry", cwd=made)
    assert not has_notes(made)
    spacy("run", "all", cwd=made)
    spacy("run", "all", cwd=made)
    assert [one["command"] for one in noted(made)] == ["prepare", "train"]


def test_the_work_tree_differs_or_not_whatever_the_run_itself_writes(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = two_steps(tmp_path / "r")
    repository(made)
    spacy("run", "all", cwd=made)
    commit(made, {}, "with outputs and lock")
    spacy("run", "all", "-F", "--vars.word", "else", cwd=made)
    assert [(one["command"], one["dirty"]) for one in noted(made)] == [
        ("prepare", False),
        ("train", False),
    ]
    copy = made / "scripts/copy.py"
    copy.write_text(copy.read_text() + "\n")
    spacy("run", "train", cwd=made)
    assert noted(made)[-1]["dirty"] is True


def test_a_project_in_a_folder_is_known_by_it(tmp_path: Path, spacy: Spacy) -> None:
    top = repository(tmp_path / "r")
    made = two_steps(top / "ner" / "fashion")
    commit(top, {})
    (top / "README.md").write_text("an edit elsewhere")
    spacy("run", "prepare", cwd=made)
    (found,) = noted(top)
    assert found["project"] == "ner/fashion"
    assert found["tree"] == git(top, "rev-parse", "HEAD:ner/fashion")
    assert found["dirty"] is False


def test_a_failure_is_recorded_with_its_exit_code(tmp_path: Path, spacy: Spacy) -> None:
    text = "commands: [{name: bad, script: ['sh -c \"exit 7\"'], deps: [README.md], outputs: [x]}]"
    made = project(tmp_path / "r", text)
    repository(made)
    assert spacy("run", "bad", cwd=made).code == 7
    (found,) = noted(made)
    assert found["exit"] == 7
    assert found["outs"] == [{"md5": None, "path": "x", "size": None}]
    assert not (made / "project.lock").exists()


def test_an_output_that_was_not_made_is_recorded_as_such(tmp_path: Path, spacy: Spacy) -> None:
    made = project(
        tmp_path / "r", "commands: [{name: bad, script: ['true'], outputs: [x, y]}]", {"y": ""}
    )
    repository(made)
    assert spacy("run", "bad", cwd=made).code == 1
    (found,) = noted(made)
    assert found["exit"] == 1
    assert [out["size"] for out in found["outs"]] == [None, 0]


@pytest.mark.parametrize("value", ["false", "0", "off"])
def test_a_setting_turns_it_off(tmp_path: Path, spacy: Spacy, value: str) -> None:
    made = two_steps(tmp_path / "r")
    repository(made)
    git(made, "config", "spacy.notes", value)
    assert spacy("run", "all", cwd=made).code == 0
    assert not has_notes(made)
    assert not list((made / ".git/spacy").glob("pending*"))


def test_before_the_first_commit_records_are_kept_back_for_it(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path / "r")
    git(made, "init", "-q")
    spacy("run", "prepare", cwd=made)
    assert not has_notes(made)
    first = commit(made, {})
    commit(made, {}, "another")
    spacy("run", "train", cwd=made)
    assert [one["command"] for one in noted(made, first)] == ["prepare"]
    assert [one["command"] for one in noted(made)] == ["train"]
    assert not (made / ".git/spacy/pending").exists()


def test_outside_a_repository_records_wait_until_it_is_one(tmp_path: Path, spacy: Spacy) -> None:
    top = tmp_path / "r"
    made = two_steps(top / "inside")
    spacy("run", "prepare", cwd=made)
    git(top, "init", "-q")
    commit(top, {})
    done = spacy("log", cwd=made)
    assert "prepare" in done.out
    (found,) = noted(top)
    assert (found["project"], found["tree"]) == ("inside", "")


def test_without_a_git_program_records_wait_for_their_own_commit(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = two_steps(tmp_path / "r")
    repository(made)
    second = commit(made, {}, "second")
    path = os.environ["PATH"]
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert spacy("run", "prepare", cwd=made).code == 0
    monkeypatch.setenv("PATH", path)
    commit(made, {}, "third")
    spacy("log", cwd=made)
    assert [one["command"] for one in noted(made, second)] == ["prepare"]


def test_where_it_cannot_be_noted_the_run_succeeds_and_nothing_is_lost(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = two_steps(tmp_path / "r")
    repository(made)
    blocking = made / ".git/refs/notes/spacy/in-the-way"  # a ref of that name cannot be
    blocking.parent.mkdir(parents=True)
    blocking.write_text(git(made, "rev-parse", "HEAD") + "\n")
    done = spacy("run", "all", cwd=made)
    assert done.code == 0, done.err
    assert done.err.count("warning: ") == 1
    assert "run not recorded: " in done.err
    blocking.unlink()
    blocking.parent.rmdir()
    spacy("log", cwd=made)
    assert [one["command"] for one in noted(made)] == ["prepare", "train"]


def test_a_commit_made_while_a_command_runs_has_no_part_in_it(tmp_path: Path, spacy: Spacy) -> None:
    text = "commands: [{name: c, script: ['git commit -q --allow-empty -m meanwhile', 'touch x'], outputs: [x]}]"
    made = project(tmp_path / "r", text)
    repository(made)
    assert spacy("run", "c", cwd=made).code == 0
    assert [one["command"] for one in noted(made, "HEAD~1")] == ["c"]


def test_in_a_linked_work_tree_the_notes_are_the_repository_s(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path / "r")
    repository(made)
    git(made, "worktree", "add", "-q", str(tmp_path / "w"))
    commit(tmp_path / "w", {}, "on a branch")
    spacy("run", "prepare", cwd=tmp_path / "w")
    assert [one["command"] for one in noted(made, "w")] == ["prepare"]
