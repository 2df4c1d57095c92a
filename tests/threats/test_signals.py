"""Threat model: killed-downloads, torn-writes, signals-in-a-run, double-signals: SIGINT and SIGTERM at any time, in every verb that writes.

The times are random but the same each time; GIT_SPACY_STRESS_ROUNDS makes more of them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy import cli
from tests.threats.test_every_system_call import (
    CASES,
    Case,
    case,
    fresh,
    is_between,
    left_over,
    ours,
    pristine,
    rerun,
)

__all__ = ["case", "pristine"]
ROUNDS = int(os.environ.get("GIT_SPACY_STRESS_ROUNDS", "3"))
PACKAGE = Path(cli.__file__).parents[1]
# it says when Python has started and is about to call us: until then a signal is Python's to complain of
START = """
import sys
from git_spacy.__main__ import main
sys.argv[0] = "git-spacy"
print("started", flush=True)
main()
"""


@pytest.mark.threat("killed-downloads")
@pytest.mark.threat(
    "torn-writes",
    commands="assets cache check document dvc graph ignore lock pull push restore run schema",
)
@pytest.mark.threat("double-signals", commands="lock pull push")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_time(case: Case, pristine: Path, number: signal.Signals) -> None:
    chance = random.Random(f"{case.words} {number}")
    root = fresh(pristine)
    old = case.look(root)
    whole = spacy(case, root)
    started = time.monotonic()
    whole.communicate()
    assert whole.returncode == 0
    longest = time.monotonic() - started
    new = case.look(root)
    for each in range(ROUNDS):
        root = fresh(pristine)
        by_git = each % 3 == 2
        process = spacy(case, root, by_git)
        time.sleep(chance.uniform(0, longest))
        if each % 3:
            # as Ctrl-C does: to the whole group, and once more, by Git or by an impatient user
            signal_group(process, number)
            time.sleep(chance.choice([0, chance.uniform(0, 0.02), chance.uniform(0, 0.2)]))
            signal_group(process, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=120)
        # 130 and 143 are ours; negative before there is any of us, or when all is done, or Git's
        assert process.returncode in (0, 128 + number, -number), err
        if process.returncode == 128 + number:  # (a script of the project's may have its own)
            assert f'File "{PACKAGE}' not in err
        assert is_between(ours(case, root), old, new)
        assert rerun(case, root) == 0
        assert case.look(root) == new
        assert left_over(root) == []


def spacy(case: Case, root: Path, by_git: bool = False) -> subprocess.Popen[str]:
    program = root.parent / "git-spacy"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{START}' \"$@\"\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        (*(("git", "spacy") if by_git else (program,)), *case.words), cwd=root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PATH": path},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def signal_group(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it has ended


def test_every_verb_that_writes_is_among_them() -> None:
    verbs = {words[0] for words, *_ in CASES.values()}
    reads = {"status", "log", "show", "diff", "resolved", "config"}
    # tests/test_clone_corners.py, tests/git/test_notes.py, tests/setup/
    elsewhere = {"clone", "notes", "init"}
    assert verbs | reads | elsewhere >= set(cli.COMMANDS)
