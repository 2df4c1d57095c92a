"""The README's first command, for real, and the README's transcript of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from git_spacy.state import lock
from tests.testing.console import fences
from tests.testing.projects import Spacy
from tests.testing.repositories import git

REPOSITORY = Path(__file__).parents[1]


def plain(text: str) -> list[str]:
    """Lines without colours, and without what differs from run to run."""

    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    # durations, and scores, which differ a little from one kind of processor to another
    text = re.sub(r"\d+ s$|\d+(\.\d+)? +s +|\d+\.\d+", "…", text, flags=re.MULTILINE)
    # commits and times
    text = re.sub(r"^[0-9a-f]{7,} |\d{4}-\d\d-\d\d \d\d:\d\d", "…", text, flags=re.MULTILINE)
    return [line.rstrip() for line in text.splitlines()]


def transcript() -> list[str]:
    blocks = [text for _, text in fences(REPOSITORY / "README.md")]
    (block,) = [block for block in blocks if block.startswith("$ git spacy clone")]
    return plain(block)


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that scripts/quickstart made, and what it printed."""

    folder = tmp_path_factory.mktemp("quickstart")
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "PATH"))}
    done = subprocess.run(
        (str(REPOSITORY / "scripts/quickstart"), str(folder / "work")),
        env={**kept, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (folder / "out").write_text(done.stdout)
    return folder / "work" / "ner_fashion", done.stdout + done.stderr


@pytest.mark.slow
def test_the_quickstart_trains_a_model_that_learned_something(quickstart: tuple[Path, str]) -> None:
    folder, _ = quickstart
    metrics = json.loads((folder / "metrics/metrics.json").read_text())
    assert metrics["ents_f"] > 0.75
    assert list(lock.read(folder)) == ["preprocess", "train", "evaluate", "package"]


@pytest.mark.slow
def test_the_transcript_in_the_readme_is_the_scripts_own(quickstart: tuple[Path, str]) -> None:
    printed = set(plain(quickstart[1]))
    for line in transcript():
        if line not in ("", "..."):
            assert line in printed, "the README shows what the script does not print"


@pytest.mark.slow
def test_a_clone_of_it_without_any_data_is_found_fresh(
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
        "project.lock:26:7: error: 'train': dependency 'configs/config.cfg' changed",
        "hint: git spacy run train evaluate package",
    ]
