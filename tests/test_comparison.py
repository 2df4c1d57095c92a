"""Hold the comparison with weasel and DVC in the README, by running both.

Rows that link to a measurement or to docs/explanation/security.md are held by what writes those.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.repositories import git, write

README = (Path(__file__).parents[1] / "README.md").read_text()
PERFORMANCE = (Path(__file__).parents[1] / "docs/explanation/performance.md").read_text()
SECURITY = (Path(__file__).parents[1] / "docs/explanation/security.md").read_text()
STAGES = """\
stages:
  copy:
    cmd: {command}
    deps: [a]
    outs: [b]
"""


def row(title: str) -> list[str]:
    """Return the cells of git-spacy, weasel and DVC in a row, without links."""

    (line,) = re.findall(rf"^\| {re.escape(title)} \| (.*) \|$", README, re.MULTILINE)
    return re.sub(r"\[(.*?)\]\([^)]*\)", r"\1", line).split(" | ")


def run_tool(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run weasel or DVC."""

    return subprocess.run(
        (sys.executable, "-m", *words), cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def dvc_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a repository with DVC and its hooks, and a stage that is up to date."""

    pytest.importorskip("dvc")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    folder = tmp_path / "p"
    folder.mkdir()
    git(folder, "init", "-q")
    write(folder, {"a": "1\n", "dvc.yaml": STAGES.format(command="cp a b")})
    for words in (("init", "-q"), ("install", "-q"), ("repro", "-q")):
        done = run_tool(folder, "dvc", *words)
        assert done.returncode == 0, done.stderr
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Run it")
    return folder


def test_dvcs_hook_prints_the_status_of_a_stale_stage_and_commits(dvc_project: Path) -> None:
    assert row("Committing a stale lock")[2] == "`dvc install` prints the status and commits"
    write(dvc_project, {"a": "2\n"})
    done = subprocess.run(
        ("git", "commit", "-am", "x"),
        cwd=dvc_project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "changed deps" in done.stdout + done.stderr


def test_dvc_refuses_an_output_that_the_script_did_not_write(dvc_project: Path) -> None:
    assert row("An output that the script did not write")[2] == "error"
    write(dvc_project, {"dvc.yaml": STAGES.format(command="'true'")})
    done = run_tool(dvc_project, "dvc", "repro")
    assert done.returncode != 0
    assert "does not exist" in done.stderr


def test_dvc_runs_only_experiments_in_parallel(tmp_path: Path) -> None:
    pytest.importorskip("dvc")
    assert row("Commands in parallel")[2] == "experiments only"
    assert "--jobs" not in run_tool(tmp_path, "dvc", "repro", "--help").stdout
    assert "--jobs" in run_tool(tmp_path, "dvc", "exp", "run", "--help").stdout


def test_dvc_has_no_option_for_a_checksum(tmp_path: Path) -> None:
    pytest.importorskip("dvc")
    assert row("An asset with the wrong checksum")[2] == "no checksums to declare"
    text = run_tool(tmp_path, "dvc", "import-url", "--help").stdout.lower()
    assert "usage: dvc import-url" in text
    assert not re.search(r"--\S*(checksum|hash|md5)", text)


def test_weasel_has_no_hooks_no_history_and_no_parallel_runs() -> None:
    cli = pytest.importorskip("weasel.cli.main")
    typer = pytest.importorskip("typer.main")
    assert row("Committing a stale lock")[1] == "not noticed"
    assert row("Commands in parallel")[1] == row("Run history")[1] == "no"
    commands = typer.get_command(cli.app).commands
    assert set(commands) == {"assets", "clone", "document", "dvc", "pull", "push", "run"}
    assert "jobs" not in {parameter.name for parameter in commands["run"].params}


@pytest.mark.parametrize(
    ("title", "ours", "theirs", "column"),
    [
        ("Getting 1 of 60 templates", "clone", "weasel clone", 1),
        ("Nothing to do: 20,000 files and 1 GiB", "run all", "weasel run all", 1),
        ("Nothing to do: 20,000 files and 1 GiB", "run all", "dvc repro", 2),
    ],
)
def test_measurements_are_those_of_the_last_benchmark(
    title: str, ours: str, theirs: str, column: int
) -> None:
    unit = "B" if "clone" in ours else "s"
    number = rf"([\d.]+) ([mkM]?{unit})"
    cases = re.findall(rf"\| {ours}: {number} \| {theirs}: {number} \|", PERFORMANCE)
    first, first_unit, second, second_unit = cases[0]
    assert rounded(first, first_unit) == row(title)[0]
    assert rounded(second, second_unit) == row(title)[column]


def rounded(number: str, unit: str) -> str:
    """Return a measurement with two digits, in the units that the README uses."""

    if unit == "ms":
        return f"{float(number) / 1000:.1f} s"
    return f"{float(number):.{0 if unit.endswith('B') else 1}f} {unit}"


def test_weasel_accepts_what_git_spacy_refuses() -> None:
    for title, threat in (
        ("An output that the script did not write", "missing-outputs"),
        ("An asset with the wrong checksum", "wrong-checksums"),
    ):
        ours, theirs = re.findall(rf"^\| {threat} \|.*\| (.*) \| (.*) \|$", SECURITY, re.MULTILINE)[
            0
        ]
        assert ours in ("exit 1", "exit 4")
        assert theirs.endswith("(exit 0)")
        assert row(title)[1] in ("recorded as complete", "kept")
