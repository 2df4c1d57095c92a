"""Each run is recorded on its base commit, without private data, and recording never fails a run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from git_spacy.run.events import RunReporter
from git_spacy.run.executor import Execution, JobResult
from git_spacy.run.parallel import ParallelExecutor
from tests.cli.test_json import validate
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
GITIGNORE = ".gitignore"


def records_of(folder: Path, revision: str = "HEAD") -> list[dict[str, Any]]:
    """Return the run records on a commit, read with `git notes`, and those before a full note."""

    shown = git(folder, "notes", "--ref=spacy", "show", revision)
    documents = [json.loads(line) for line in shown.splitlines()]
    sealed = [document["before"] for document in documents if "before" in document][-1:]
    return [
        *(record for id in sealed for record in records_of(folder, id)),
        *(document for document in documents if "before" not in document),
    ]


def has_notes(folder: Path) -> bool:
    return "refs/notes" in git(folder, "for-each-ref")


def measured_project(folder: Path) -> Path:
    root = project(folder, MEASURED, {"measure.py": MEASURE})
    repository(root, {GITIGNORE: "result/\n*.json\n"})
    return root


def test_a_run_is_recorded_on_the_commit_it_started_from(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "a secret of mine")
    root = measured_project(tmp_path / "r")
    done = spacy("run", "measure", cwd=root)
    assert done.code == 0, done.err
    (record,) = records_of(root)
    assert record.pop("time").endswith("Z")
    assert 0 < record.pop("seconds") < 60
    versions = record.pop("versions")
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["git-spacy"]
    outs = record.pop("outs")
    assert [out["path"] for out in outs] == ["result", "metrics.json", "large.json", "list.json"]
    assert outs[0]["size"] == 3
    assert len(outs[0]["names"]) == 32
    size = (root / "measure.py").stat().st_size
    md5 = subprocess.check_output(("md5sum", root / "measure.py"), text=True).split()[0]
    assert record == {
        "v": 1,
        "how": "run",
        "project": "",
        "command": "measure",
        "script": ["python measure.py 3 ${env.who}"],
        "deps": [{"md5": md5, "path": "measure.py", "size": size}],
        "tree": git(root, "rev-parse", "HEAD^{tree}"),
        "dirty": False,
        "exit": 0,
        "vars": {},
        "metrics": {"metrics.json": {"score": 1 / 3, "per_type.BRAND.f": 0.5}},
    }
    assert git(root, "status", "--porcelain") == "?? project.lock"


def test_a_record_contains_no_host_name_no_absolute_path_and_no_environment_value(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "a secret of mine")
    root = measured_project(tmp_path / "r")
    url = "https://me:hunter2@example.org/x?token=t0ken"
    spacy("run", "measure", "--set", f"url={url}", "--vars.size=4", cwd=root)
    (record,) = records_of(root)
    assert record["vars"] == {"url": "https://***@example.org/x?***", "size": 4}
    everything = git(root, "log", "-p", "refs/notes/spacy")
    for private in ("a secret of mine", "hunter2", "t0ken", str(tmp_path), os.environ["HOME"]):
        assert private not in everything
    assert socket.gethostname() not in everything


def test_a_script_can_name_its_run_in_another_tool(tmp_path: Path, spacy: Spacy) -> None:
    script = """\
import os, sys
open("a", "w").write(os.environ["GIT_SPACY_TIME"])
with open(os.environ["GIT_SPACY_LINKS"], "a") as links:
    links.write("wandb me/ner/abc123\\nbad\\n\\x1b[31m red\\nmlflow https://me:secret@example.org/7\\n")
sys.exit(len(sys.argv) - 1)
"""
    text = "commands: [{name: a, script: [python x.py], outputs: [a]}, {name: b, script: [python x.py 1]}, {name: c, script: ['true']}]"
    root = project(tmp_path / "r", text, {"x.py": script})
    repository(root)
    for name in "abc":
        spacy("run", name, cwd=root)
    first, failed, without = records_of(root)
    links = {"wandb": "me/ner/abc123", "mlflow": "https://***@example.org/7"}
    assert first["links"] == failed["links"] == links
    assert "links" not in without
    assert failed["time"] == (root / "a").read_text()
    assert "\n          wandb me/ner/abc123\n" in spacy("show", cwd=root).out
    assert not list((root / ".git/spacy").glob("links-*"))


def test_skipped_commands_and_dry_runs_are_not_recorded(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path / "r")
    repository(root, {GITIGNORE: "corpus/\nmodel/\n"})
    spacy("run", "all", "--dry", cwd=root)
    assert not has_notes(root)
    spacy("run", "all", cwd=root)
    spacy("run", "all", cwd=root)
    assert [record["command"] for record in records_of(root)] == ["prepare", "train"]


def test_files_written_by_the_run_itself_do_not_make_the_record_dirty(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path / "r")
    repository(root)
    spacy("run", "all", cwd=root)
    commit(root, {}, "with outputs and lock")
    spacy("run", "all", "-F", "--vars.word", "else", cwd=root)
    assert [(record["command"], record["dirty"]) for record in records_of(root)] == [
        ("prepare", False),
        ("train", False),
    ]
    copy = root / "scripts/copy.py"
    copy.write_text(copy.read_text() + "\n")
    spacy("run", "train", cwd=root)
    assert records_of(root)[-1]["dirty"] is True


def test_a_record_names_the_folder_of_the_project(tmp_path: Path, spacy: Spacy) -> None:
    top = repository(tmp_path / "r")
    root = two_steps(top / "ner" / "fashion")
    commit(top, {})
    (top / "README.md").write_text("an edit elsewhere")
    spacy("run", "prepare", cwd=root)
    (record,) = records_of(top)
    assert record["project"] == "ner/fashion"
    assert record["tree"] == git(top, "rev-parse", "HEAD:ner/fashion")
    assert record["dirty"] is False


def test_a_failure_is_recorded_with_its_exit_code(tmp_path: Path, spacy: Spacy) -> None:
    text = "commands: [{name: bad, script: ['sh -c \"exit 7\"'], deps: [README.md], outputs: [x]}]"
    root = project(tmp_path / "r", text)
    repository(root)
    assert spacy("run", "bad", cwd=root).code == 7
    (record,) = records_of(root)
    assert record["exit"] == 7
    assert record["outs"] == [{"md5": None, "path": "x", "size": None}]
    assert not (root / "project.lock").exists()


def test_a_missing_output_is_recorded_as_missing(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path / "r", "commands: [{name: bad, script: ['true'], outputs: [x, y]}]", {"y": ""}
    )
    repository(root)
    assert spacy("run", "bad", cwd=root).code == 1
    (record,) = records_of(root)
    assert record["exit"] == 1
    assert [out["size"] for out in record["outs"]] == [None, 0]


@pytest.mark.parametrize("value", ["false", "0", "off"])
def test_spacy_notes_false_turns_recording_off(tmp_path: Path, spacy: Spacy, value: str) -> None:
    root = two_steps(tmp_path / "r")
    repository(root)
    git(root, "config", "spacy.notes", value)
    assert spacy("run", "all", cwd=root).code == 0
    assert not has_notes(root)
    assert not list((root / ".git/spacy").glob("pending*"))


def test_a_commit_made_by_the_script_does_not_get_the_record(tmp_path: Path, spacy: Spacy) -> None:
    text = "commands: [{name: c, script: ['git commit -q --allow-empty -m meanwhile', 'touch x'], outputs: [x]}]"
    root = project(tmp_path / "r", text)
    repository(root)
    assert spacy("run", "c", cwd=root).code == 0
    assert [record["command"] for record in records_of(root, "HEAD~1")] == ["c"]


def test_a_run_on_a_cluster_has_its_own_time_apart_from_that_in_the_queue(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor is one for this machine that reports as if it were a cluster; tests/run/test_ray.py
    has a real one."""

    wait, node = ParallelExecutor.wait, "5bd61bd5c1e0" + "a" * 44
    execution = Execution(1.5004, 80.25, node, {"CPU": 2, "GPU": 0.5})

    def wait_as_on_a_cluster(executor: ParallelExecutor, report: RunReporter) -> JobResult:
        return wait(executor, report)._replace(execution=execution)

    text = "commands: [{name: a, script: ['true']}, {name: b, script: ['false']}]\nworkflows: {all: [a, b]}"
    root = repository(project(tmp_path / "r", text))
    spacy("run", "a", cwd=root)
    with monkeypatch.context() as patched:
        patched.setattr(ParallelExecutor, "wait", wait_as_on_a_cluster)
        done = spacy("run", "all", "--jobs", "2", "--keep-going", "--force", cwd=root)
    assert "==> a: done in 1.5 s" in done.err
    local, *records = records_of(root)
    assert not {"queued", "node", "resources"} & set(local)
    assert {record["command"]: record["exit"] for record in records} == {"a": 0, "b": 1}
    for record in records:
        assert (record["seconds"], record["queued"], record["node"]) == (1.5, 80.25, node)
        assert record["resources"] == {"CPU": 2, "GPU": 0.5}
    shown = spacy("show", cwd=root)
    assert ", took 1.5 s" in shown.out
    assert "on node 5bd61bd5c1e0 with 2 CPU, 0.5 GPU, after 1 min 20 s in the queue" in shown.out
    validate(json.loads(spacy("show", "--json", cwd=root).out), "show")
    validate(json.loads(spacy("log", "--json", cwd=root).out), "log")
