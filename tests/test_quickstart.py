"""Run scripts/quickstart, and compare its output with docs/tutorial/train-a-model.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.testing.console import fences
from tests.testing.projects import Spacy
from tests.testing.repositories import git

REPOSITORY = Path(__file__).parents[1]
TUTORIAL = REPOSITORY / "docs" / "tutorial/train-a-model.md"


def normalize(text: str) -> list[str]:
    """Return the lines without colours and without what differs from run to run."""

    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    # Durations, and scores, which differ slightly between kinds of processors.
    duration = r"\d+(\.\d+)?( min \d+)? s"
    text = re.sub(rf"{duration}(?:$| +)|\d+\.\d+", "…", text, flags=re.MULTILINE)
    # Commits and dates.
    text = re.sub(r"^[0-9a-f]{7,} |\d{4}-\d\d-\d\d \d\d:\d\d", "…", text, flags=re.MULTILINE)
    return [line.rstrip() for line in text.splitlines()]


def transcript() -> list[str]:
    """Return the lines of all sessions in the tutorial."""

    return normalize("".join(text for language, text in fences(TUTORIAL) if language == "console"))


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run scripts/quickstart once; return the folder of its project and what it printed."""

    folder = tmp_path_factory.mktemp("quickstart")
    environ = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "PATH"))}
    done = subprocess.run(
        (str(REPOSITORY / "scripts/quickstart"), str(folder / "work")),
        env={**environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (folder / "out").write_text(done.stdout)
    return folder / "work" / "ner_fashion", done.stdout + done.stderr


@pytest.mark.slow
def test_the_quickstart_trains_a_model_with_a_good_score(quickstart: tuple[Path, str]) -> None:
    folder, _ = quickstart
    metrics = json.loads((folder / "metrics/metrics.json").read_text())
    assert metrics["ents_f"] > 0.75
    assert list(lock_format.read(folder)) == ["preprocess", "train", "evaluate", "package"]


@pytest.mark.slow
def test_the_quickstart_prints_what_the_tutorial_shows(quickstart: tuple[Path, str]) -> None:
    printed = set(normalize(quickstart[1]))
    lines = [line for line in transcript() if line not in ("", "...")]
    assert len(lines) > 20
    assert [line for line in lines if line not in printed] == []


@pytest.mark.slow
def test_a_clone_without_data_passes_the_checks_until_a_file_changes(
    quickstart: tuple[Path, str], tmp_path: Path, spacy: Spacy
) -> None:
    folder, _ = quickstart
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "run")
    git(tmp_path, "clone", "-q", str(folder), "clone")
    clone = tmp_path / "clone"
    assert not (clone / "training").exists()
    assert not (clone / "assets/comments_train.jsonl").exists()
    assert spacy("check", "--strict", cwd=clone) == (0, "", "")
    assert spacy("check", "--strict", "--staged", cwd=clone) == (0, "", "")
    (clone / "configs/config.cfg").write_text((folder / "configs/config.cfg").read_text() + "\n")
    assert spacy("check", cwd=clone).out.splitlines() == [
        "project.lock:27:7: error: 'train': dependency 'configs/config.cfg' changed",
        "hint: git spacy assets assets/comments_train.jsonl assets/comments_dev.jsonl"
        " && git spacy run preprocess train evaluate package",
    ]
