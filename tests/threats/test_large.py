"""Handle many files and a large file with less than 150 MB of memory.

Threat model: large-outputs, for every command that reads outputs. GIT_SPACY_STRESS sets 200,000 files
and 3 GB.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.storage.conftest import run_measured
from tests.testing.projects import project
from tests.testing.repositories import git

IS_LONG = "GIT_SPACY_STRESS" in os.environ
FILES, BYTES = (200_000, 3 << 30) if IS_LONG else (4_000, 200 << 20)
MANY = f"""\
import os
for folder in range({FILES // 1000}):
    os.makedirs(f"model/{{folder}}", exist_ok=True)
    for name in range(1000):
        open(f"model/{{folder}}/{{name}}", "w").close()
"""
LARGE = f"""\
import os
os.makedirs("model", exist_ok=True)
with open("model/large", "wb") as stream:
    stream.truncate({BYTES})
"""
COMMANDS = (
    "run all", "status", "run all", "check", "run all --dry", "graph", "ignore", "lock record all", "push",
    "pull", "pull", "run all --restore", "run all --force --restore", "restore", "restore --force",
    "cache verify", "cache gc",
)  # fmt: skip


@pytest.mark.threat(
    "large-outputs", commands="cache check graph ignore lock pull push restore run status"
)
@pytest.mark.slow
@pytest.mark.parametrize("make", [MANY, LARGE], ids=["many files", "a large file"])
def test_large_outputs_take_little_memory(tmp_path: Path, make: str) -> None:
    text = (
        f"remotes: {{default: {tmp_path / 'remote'}}}\n"
        "commands: [{name: all, script: [python make.py], deps: [make.py], outputs: [model]}]\n"
    )
    root = project(tmp_path / "p", text, {"make.py": make, ".gitignore": "/model/\n"})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    peaks = {}
    for number, words in enumerate(COMMANDS):
        if words == "pull" and COMMANDS[number - 1] == "push":
            shutil.rmtree(root / "model")
        code, peaks[words], _, err = run_measured(*words.split(), cwd=root, patience=590.0)
        assert code == 0, (words, err)
    assert {words: peak for words, peak in peaks.items() if peak >= 150} == {}
