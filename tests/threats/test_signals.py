"""Send SIGINT and SIGTERM at any time to every command that writes.

Threat model: killed-downloads, torn-writes, signals-in-a-run, double-signals. The times are random
with a fixed seed; GIT_SPACY_STRESS_ROUNDS sets their number for each signal.
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
from git_spacy.cli.registry import COMMANDS
from tests.threats.test_every_system_call import (
    CASES,
    Case,
    case,
    guaranteed_state,
    is_between,
    left_over,
    pristine,
    rerun,
    restored_copy,
)

__all__ = ["case", "pristine"]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
ROUNDS = len(SIGNALS) * int(os.environ.get("GIT_SPACY_STRESS_ROUNDS", "0")) or 3
PACKAGE = Path(cli.__file__).parents[1]
# prints a line before it calls us: until then, Python handles signals
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
def test_a_signal_at_any_time_is_repaired_by_a_rerun(case: Case, pristine: Path) -> None:
    """The signals and the three ways to send one take turns; each case begins with others."""

    rng = random.Random(f"{case.words}")
    first = list(CASES.values()).index(case)
    root = restored_copy(pristine)
    old = case.state(root)
    uninterrupted = spacy(case, root)
    started = time.monotonic()
    uninterrupted.communicate()
    assert uninterrupted.returncode == 0
    longest = time.monotonic() - started
    new = case.state(root)
    for round_number in range(first, first + ROUNDS):
        number = SIGNALS[round_number % 2]
        root = restored_copy(pristine)
        by_git = round_number % 3 == 2
        process = spacy(case, root, by_git)
        time.sleep(rng.uniform(0, longest))
        if round_number % 3:
            # like Ctrl-C, to the whole group, and again, as Git or an impatient user does
            signal_group(process, number)
            time.sleep(rng.choice([0, rng.uniform(0, 0.02), rng.uniform(0, 0.2)]))
            signal_group(process, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=120)
        # 130 and 143 are ours; a negative code is from before we started, after the end, or from Git
        assert process.returncode in (0, 128 + number, -number), err
        if process.returncode == 128 + number:  # a script of the project may print a traceback
            assert f'File "{PACKAGE}' not in err
        assert is_between(guaranteed_state(case, root), old, new)
        assert rerun(case, root) == 0
        assert case.state(root) == new
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
        pass  # it has already ended


def test_every_command_that_writes_has_a_case() -> None:
    tested = {words[0] for words, *_ in CASES.values()}
    reads = {"status", "log", "show", "diff", "resolved", "config", "doctor"}
    # tests/setup/test_clone.py, tests/git/test_notes.py, tests/setup/, tests/jobs/
    elsewhere = {"clone", "notes", "init", "update", "jobs"}
    assert tested | reads | elsewhere >= set(COMMANDS)
