"""Tests of what a run records in project.lock."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.testing.projects import Spacy, on_path, project
from tests.testing.repositories import git
from tests.testing.waiting import PATIENCE

GATED = """\
vars: {n: N}
commands:
  - name: evaluate
    script: ["python evaluate.py ${vars.n}"]
    deps: [evaluate.py]
    outputs: [out.txt]
    outputs_no_cache: [metrics.json]
  - name: gate
    script: ["python gate.py"]
    deps: [metrics.json, gate.py]
workflows: {all: [evaluate, gate]}
"""
FILES: dict[str, str | bytes] = {
    "evaluate.py": (
        "import json, sys\n"
        "open('out.txt', 'w').write(sys.argv[1])\n"
        "json.dump({'acc': 1 / int(sys.argv[1])}, open('metrics.json', 'w'))\n"
    ),
    "gate.py": "import json, sys\nsys.exit(json.load(open('metrics.json'))['acc'] < 0.3)\n",
    ".gitignore": "out.txt\n",
}


def gated(root: Path, spacy: Spacy, count: int = 2) -> Path:
    """Create a repository of `count` commits. The command `gate`, which has no outputs, fails since
    the fourth; its entry in project.lock is of the first."""

    project(root, GATED, FILES)
    git(root, "init", "-q")
    for number in range(1, count + 1):
        (root / "project.yml").write_text(GATED.replace("N}", f"{number}}}"))
        assert spacy("run", "all" if number == 1 else "evaluate", cwd=root).code == 0
        git(root, "add", "-A")
        git(root, "commit", "-qm", f"n is {number}")
        git(root, "tag", f"c{number}")
    return root


def test_git_bisect_runs_a_workflow_that_ends_with_a_command_without_outputs(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run rewrote the entry of `gate`, so that Git refused to check out the next commit.

    These are the lines of docs/how-to/ci.md with other commits.
    """

    root = gated(tmp_path / "gated", spacy, 5)
    on_path(tmp_path / "bin", monkeypatch)
    git(root, "bisect", "start", "c5", "c1")
    done = subprocess.run(
        ("git", "bisect", "run", "git", "spacy", "run", "all"), cwd=root, capture_output=True,
        text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    first_bad = git(root, "rev-parse", "c4")
    assert f"{first_bad} is the first bad commit" in done.stdout.replace("'", "")
    assert git(root, "status", "--porcelain") == ""


def test_only_a_run_that_changes_a_tracked_file_records_a_command_without_outputs(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = gated(tmp_path, spacy)
    for _ in range(2):
        assert spacy("run", "all", cwd=root).code == 0
        assert git(root, "status", "--porcelain") == ""
    assert spacy("check", "--strict", cwd=root).code == 0
    assert spacy("lock", "record", "gate", cwd=root).code == 0, "what the user asks for is written"
    assert git(root, "status", "--porcelain") == " M project.lock"
    git(root, "checkout", "-q", "project.lock")
    (root / "gate.py").write_text("# as before\n" + (root / "gate.py").read_text())
    assert "ran 1, skipped 1" in spacy("run", "all", cwd=root).err
    assert git(root, "status", "--porcelain") == " M gate.py\n M project.lock"


def test_an_entry_with_another_script_is_replaced_even_if_nothing_else_changed(
    tmp_path: Path, spacy: Spacy
) -> None:
    """Otherwise `check` would complain of the script, and its hint would change nothing."""

    root = gated(tmp_path, spacy)
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("python gate.py", "python gate.py --strict"))
    git(root, "commit", "-qam", "without a run")
    done = spacy("check", cwd=root)
    assert done.code == 1
    assert "hint: git spacy run gate" in done.err + done.out
    assert spacy("run", "gate", cwd=root).code == 0
    assert git(root, "status", "--porcelain") == " M project.lock"
    assert spacy("check", cwd=root).code == 0


def test_the_entry_of_a_command_without_outputs_may_be_missing(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = gated(tmp_path, spacy, 1)
    text = (root / "project.lock").read_text()
    (root / "project.lock").write_text(text.partition("gate:")[0])
    git(root, "commit", "-qam", "only evaluate was run")
    assert spacy("run", "all", cwd=root).code == 0
    assert git(root, "status", "--porcelain") == ""
    assert spacy("check", "--strict", cwd=root).code == 0
