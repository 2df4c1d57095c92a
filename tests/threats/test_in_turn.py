"""Commands that write wait for a run; commands that only read do not.

Threat model: concurrent-runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy import cli
from git_spacy.lock import lock_format
from tests.testing.projects import process, project
from tests.testing.repositories import git

TEXT = """\
remotes: {default: REMOTE}
assets: [{dest: fetched, url: make.py}]
commands:
  - {name: slow, script: ["python wait.py"], deps: [wait.py], outputs: [slow.txt]}
  - {name: all, script: ["python make.py"], deps: [make.py], outputs: [model]}
workflows: {every: [slow, all]}
"""
WAIT = """\
import pathlib, time
pathlib.Path("begun").touch()
while not pathlib.Path("go").exists(): time.sleep(0.02)
pathlib.Path("slow.txt").write_text("made")
"""
WAITING = (
    "run all", "run all -j 2", "run all --restore", "run all --force", "run all --executor ray", "assets",
    "push", "pull", "restore", "lock record all", "cache gc",
)  # fmt: skip
READING = (
    "status",
    "check",
    "log",
    "graph",
    "resolved",
    "ignore",
    "document",
    "dvc",
    "run all --dry",
    "cache status",
    "doctor",
)


def start(root: Path, words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "git_spacy", *words.split()), cwd=root, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )  # fmt: skip


@pytest.mark.threat("concurrent-runs")
@pytest.mark.slow
def test_commands_that_write_wait_for_a_run_and_commands_that_read_do_not(tmp_path: Path) -> None:
    make = "import os\nos.makedirs('model', exist_ok=True)\nopen('model/a', 'w').write('x')\n"
    text = TEXT.replace("REMOTE", str(tmp_path / "remote"))
    root = project(tmp_path / "p", text, {"wait.py": WAIT, "make.py": make})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    for words in ("run all --restore", "push"):
        assert process(*words.split(), cwd=root).code == 0
    slow = start(root, "run slow")
    while not (root / "begun").exists():
        assert slow.poll() is None
        time.sleep(0.02)
    waiting = {words: start(root, words) for words in WAITING}
    for words in READING:
        done = process(*words.split(), cwd=root)
        assert done.code in (0, 1), (words, done.err)
        assert "Waiting" not in done.err
    for words in ("run all --no-wait", "assets --no-wait"):
        done = process(*words.split(), cwd=root)
        assert done.code == 75, (words, done)
        assert "hint: " in done.err
    # each prints that it waits, and none has ended
    for words, command in waiting.items():
        assert command.stderr is not None
        line = command.stderr.readline()
        while line and "Waiting" not in line:
            line = command.stderr.readline()
        assert line, words
        assert command.poll() is None, words
    (root / "go").touch()
    for words, command in {"run slow": slow, **waiting}.items():
        _, err = command.communicate(timeout=120)
        assert command.returncode == 0, (words, err)
    assert sorted(lock_format.read(root)) == ["all", "slow"]
    assert (root / "slow.txt").read_text() == "made"
