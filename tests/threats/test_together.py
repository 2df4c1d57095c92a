"""Many processes at once in one repository lose nothing and do not deadlock."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy import cli
from git_spacy.history import run_history
from git_spacy.lock import lock_format
from git_spacy.storage.cache_store import CacheStore
from tests.testing.projects import project
from tests.testing.repositories import git

COUNT = 6  # of projects, and of commands in each
FEWEST = 24  # processes, however long they take; for a number of seconds, more are started
SECONDS = float(os.environ.get("GIT_SPACY_STRESS", "0"))
WORK = """\
import pathlib, sys
path = pathlib.Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(sys.argv[2])
"""
COMMANDS = (
    ("run", "all"), ("run", "all", "-j", "3"), ("run", "all", "--force"), ("run", "c1", "--restore"),
    ("assets",), ("assets", "--force"), ("check",), ("check", "--staged"), ("status",),
    ("log", "-n", "3"), ("notes", "status"), ("ignore",), ("document",), ("lock", "record", "all"),
    ("push",), ("pull",), ("cache", "verify"),
)  # fmt: skip


@pytest.mark.threat("concurrent-runs")
@pytest.mark.slow
def test_concurrent_commands_lose_no_entry_record_or_file(tmp_path: Path) -> None:
    top = tmp_path / "r"
    # each project has its own sources; otherwise one could pull the outputs of another, and would
    # have no run of its own
    commands = "".join(
        f"  - {{name: c{n}, script: ['python work.py out/{n} {n}'], deps: [work.py, source], outputs: [out/{n}]}}\n"
        for n in range(COUNT)
    )
    names = ", ".join(f"c{n}" for n in range(COUNT))
    text = f"assets: [{{dest: assets/x, url: source}}]\ncommands:\n{commands}workflows: {{all: [{names}]}}\n"
    roots = [
        project(top / f"p{n}", text, {"work.py": WORK, "source": f"data {n}"}) for n in range(COUNT)
    ]
    (tmp_path / "remote").mkdir()  # a pull may be first
    git(top, "init", "-q")
    git(top, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    git(top, "add", "-A")
    git(top, "commit", "-qm", "x")
    environ = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    rng = random.Random(20)
    deadline = time.monotonic() + SECONDS
    running: list[tuple[tuple[str, ...], subprocess.Popen[str]]] = []
    ended: list[tuple[tuple[str, ...], int, str]] = []
    while True:
        is_over = time.monotonic() >= deadline and len(running) + len(ended) >= FEWEST
        if is_over and not running:
            break
        if len(running) < 20 and not is_over:
            words = rng.choice(COMMANDS)
            running.append((words, subprocess.Popen(
                (sys.executable, "-m", "git_spacy", *words), cwd=rng.choice(roots), text=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ,
            )))  # fmt: skip
            continue
        words, process = running.pop(0)
        _, err = process.communicate(timeout=120)  # times out on a deadlock
        ended.append((words, process.returncode, err))
    for words, code, err in ended:
        # 1: a check that found problems, or an output to record that does not exist yet
        assert code in (0, 1), (words, code, err)
        assert "Traceback" not in err
        assert "internal error" not in err, err
    assert len(ended) >= 20
    successes = sum(words[:2] == ("run", "all") and code == 0 for words, code, _ in ended)
    assert successes > 0
    for number, root in enumerate(roots):
        done = subprocess.run(
            (sys.executable, "-m", "git_spacy", "run", "all"),
            cwd=root, env=environ, check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert "error" not in done.stderr
        assert sorted(lock_format.read(root)) == [f"c{n}" for n in range(COUNT)]
        assert [(root / f"out/{n}").read_text() for n in range(COUNT)] == [
            str(n) for n in range(COUNT)
        ]
        recorded = [record.command for record in run_history.all_records(root)]
        assert set(recorded) == {f"c{n}" for n in range(COUNT)}, number
        left = [path.name for path in root.rglob(".*git-spacy-*")]
        assert left == []
    forced = sum(words == ("run", "all", "--force") and code == 0 for words, code, _ in ended)
    assert sum(1 for root in roots for _ in run_history.all_records(root)) >= forced * COUNT
    assert CacheStore.open_for(roots[0]).verify() == []
    assert "dangling" not in git(top, "fsck", "--no-dangling")
