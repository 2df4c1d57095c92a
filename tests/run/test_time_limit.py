"""Commands with a `timeout` and `retries`: locally, alone and several at a time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from git_spacy.errors import ExternalError
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.project import loader, plan
from git_spacy.project.model import Timeout
from git_spacy.run import scheduler
from git_spacy.run.attempts import failed_attempt, may_be_repeated
from git_spacy.run.events import CommandRepeated, RunEvent, RunReporter
from git_spacy.run.executor import Execution, Job, JobResult
from git_spacy.run.interpreter import Interpreter
from git_spacy.run.time_limit import TimeLimit
from git_spacy.state.stat_cache import StatCache
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git
from tests.testing.waiting import PATIENCE

# never ends, and neither does the process that it starts
HANG = """\
import os, subprocess, sys, time
os.makedirs("out", exist_ok=True)
open("out/part", "w").write("of an attempt")
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
time.sleep(1000)
"""
# fails as often as the file `failures` says, and never sees what an earlier attempt wrote
FLAKY = """\
import os, pathlib, sys
count = pathlib.Path("failures")
left = int(count.read_text())
print("saw", os.path.exists("out/part"), os.path.exists("out/result"))
os.makedirs("out", exist_ok=True)
pathlib.Path("out/part" if left else "out/result").write_text("x")
count.write_text(str(max(left - 1, 0)))
sys.exit(7 if left else 0)
"""
TEXT = """\
vars: {n: 0}
commands:
  - name: c
    script: ["python script.py"]
    deps: [script.py]
    outputs: [out]
  - name: last
    script: ["true ${vars.n}"]
resources:
  c: LIMITS
workflows: {all: [c, last]}
"""
ALONE_AND_TOGETHER = pytest.mark.parametrize("options", [(), ("--executor", "local")])


def create(folder: Path, limits: str, script: str, failures: int = 0) -> Path:
    root = project(folder, TEXT.replace("LIMITS", limits), {"script.py": script})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")
    (root / "failures").write_text(str(failures))
    return root


def processes_in(folder: Path) -> list[str]:
    """Return the processes whose current folder is `folder`."""

    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_there = (path / "cwd").readlink() == folder
            is_zombie = "Z" in (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if is_there and not is_zombie:
            found.append((path / "cmdline").read_text())
    return found


def records(spacy: Spacy, root: Path) -> list[Any]:
    done = spacy("show", "--json", cwd=root)
    found: list[Any] = json.loads(done.out) if done.out else []
    return found


@ALONE_AND_TOGETHER
def test_a_command_that_exceeds_its_timeout_is_ended_with_all_its_processes(
    tmp_path: Path, spacy: Spacy, options: tuple[str, ...]
) -> None:
    root = create(tmp_path / "r", "{timeout: 0.5s}", HANG)
    done = spacy("run", "all", *options, cwd=root)
    assert done.code == 124
    assert "project.yml:10:16: error: 'c' was ended at its timeout of 0.5s\n" in done.err
    assert "hint: set a longer timeout there, or remove the line" in done.err
    assert "not started: last" in done.err
    assert processes_in(root) == []
    assert lock_format.read(root) == {}
    (record,) = records(spacy, root)
    assert (record["exit"], record["timeout"], record.get("attempts")) == (124, 0.5, None)
    assert "exit code 124 (timeout of 0.5 s)" in spacy("show", cwd=root).out
    assert "exit code 124 (timeout of 0.5 s)" in spacy("log", cwd=root).out

    # the edit that the hint asks for; the limit is no reason to run again
    (root / "script.py").write_text("import os; os.makedirs('out')")
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("0.5s", "5h"))
    assert spacy("run", "c", *options, cwd=root).code == 0
    (root / "project.yml").write_text(text.replace("{timeout: 0.5s}", "{retries: 1}"))
    assert "c: up to date" in spacy("run", "c", *options, cwd=root).err


@ALONE_AND_TOGETHER
def test_a_failed_command_is_repeated_from_the_start(
    tmp_path: Path, spacy: Spacy, options: tuple[str, ...]
) -> None:
    root = create(tmp_path / "r", "{retries: 2}", FLAKY, failures=2)
    done = spacy("run", "all", *options, cwd=root)
    assert done.code == 0, done.err
    assert done.err.count("==> c: attempt 2 of 3\n") == done.err.count("attempt 3 of 3") == 1
    assert done.err.count("warning: 'c' failed: a script line ended with exit code 7") == 2
    assert (done.out + done.err).count("saw False False") == 3
    assert sorted(path.name for path in (root / "out").iterdir()) == ["result"]
    assert lock_format.read(root)["c"].outs
    record = records(spacy, root)[0]
    assert record["exit"] == 0
    assert [attempt["exit"] for attempt in record["attempts"]] == [7, 7]
    assert "tried   exit code 7 after" in spacy("show", cwd=root).out

    (root / "failures").write_text("9")
    done = spacy("run", "c", "--force", *options, cwd=root)
    assert (done.code, (root / "failures").read_text()) == (7, "6")
    assert "error: 'c' failed: a script line ended with exit code 7" in done.err
    assert "the outputs of 'c' are those from before the run" in done.err
    assert sorted(path.name for path in (root / "out").iterdir()) == ["result"]
    assert len(records(spacy, root)[-1]["attempts"]) == 2


def test_an_attempt_that_exceeds_the_timeout_is_repeated_too(tmp_path: Path, spacy: Spacy) -> None:
    root = create(tmp_path / "r", "{timeout: 0.3s, retries: 1}", HANG)
    done = spacy("run", "c", cwd=root)
    assert done.code == 124
    assert "warning: 'c' was ended at its timeout of 0.3s\n==> c: attempt 2 of 2\n" in done.err
    (record,) = records(spacy, root)
    (attempt,) = record["attempts"]
    assert (attempt["exit"], attempt["timeout"], record["timeout"]) == (124, 0.3, 0.3)
    assert processes_in(root) == []


def test_a_variant_is_repeated_in_its_copy_without_what_it_wrote(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = create(tmp_path / "r", "{retries: 1}", "", failures=1)
    text = (root / "project.yml").read_text().replace('script.py"', 'script.py ${vars.n}"')
    script = FLAKY.replace('"failures"', f'"{root}/failures"')
    (root / "project.yml").write_text(text)
    (root / "script.py").write_text(script)
    done = spacy("run", "c", "--matrix", "vars.n=1,2", "--no-log", cwd=root)
    assert done.code == 0, done.err
    assert done.err.count("attempt 2 of 2") == 1
    assert "saw True" not in done.out + done.err
    assert [len(r.get("attempts", ())) for r in records(spacy, root)] == [1, 0]


@pytest.mark.parametrize("options", [(), ("--executor", "local")])
def test_a_command_that_cannot_run_or_was_interrupted_is_not_repeated(
    tmp_path: Path, spacy: Spacy, options: tuple[str, ...]
) -> None:
    root = create(tmp_path / "r", "{retries: 5}", "")
    text = (root / "project.yml").read_text()
    for script, code in (
        ("python script.py", 1),  # without its output
        ("no-such-program", 127),
        ("sh -c 'kill -TERM $$'", 143),
        ("sh -c 'kill -INT $$'", 130),
    ):
        (root / "project.yml").write_text(text.replace("python script.py", script))
        done = spacy("run", "c", *options, cwd=root)
        assert (done.code, "attempt" in done.err) == (code, False), script
    (root / "script.py").unlink()
    done = spacy("run", "c", *options, cwd=root)
    assert (done.code, "attempt" in done.err) == (1, False)


class LosingExecutor:
    """Loses the machine of the first attempts of a job, in the middle of its output."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.found: list[bool] = []

    def start(self, job: Job) -> None:
        self.job = job
        self.found.append((job.root / "out").exists())

    def wait(self, report: RunReporter) -> JobResult:
        self.losses -= 1
        if self.losses >= 0:
            (self.job.root / "out").mkdir()
            error = ExternalError("'c' lost its worker (NodeDiedError)")
            return JobResult(self.job.command, failure=error, is_lost=True)
        (self.job.root / "out").write_text("whole")
        return JobResult(self.job.command)

    def stop(self, signal_number: int) -> None:
        raise AssertionError(signal_number)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("losses", "limits"), [(2, "{retries: 2}"), (1, "{}"), (2, "{retries: 1}")]
)
def test_a_lost_machine_counts_as_an_attempt(tmp_path: Path, losses: int, limits: str) -> None:
    root = create(tmp_path / "r", limits, "")
    loaded = loader.load(root)
    executor = LosingExecutor(losses)
    events: list[RunEvent] = []
    context = scheduler.RunContext(
        loaded, root, LockFile(root), StatCache.open(root), executor,
        Interpreter(sys.executable, "test"), {}, events.append,
    )  # fmt: skip
    outcome = scheduler.run(plan.sequential_plan(loaded.commands[:1]), context)
    repeated = [(e.attempt, e.attempts) for e in events if isinstance(e, CommandRepeated)]
    assert executor.found == [False] * len(executor.found)
    if limits == "{retries: 2}":
        assert (outcome.ran, repeated) == (("c",), [(2, 3), (3, 3)])
        assert (root / "out").read_text() == "whole"
    else:
        ((name, error),) = outcome.failed
        assert (name, error.exit_code) == ("c", 4)
        assert len(repeated) == (1 if "retries" in limits else 0)


def test_what_is_repeated_depends_on_how_the_script_ended() -> None:
    command: Any = None
    here, there = JobResult(command), JobResult(command, execution=Execution(1.0, 0.0, "", {}))
    assert not may_be_repeated(here)
    assert may_be_repeated(here._replace(code=1))
    assert may_be_repeated(here._replace(code=137))
    assert not may_be_repeated(here._replace(code=143))
    assert may_be_repeated(there._replace(code=143)), "a machine of the cluster was shut down"
    assert may_be_repeated(here._replace(is_lost=True))
    limit = Timeout(90.0, "90s", 1, 1)
    assert failed_attempt(here._replace(code=124, timeout=limit), 91.23456) == (124, 91.235, 90.0)


def test_a_process_group_that_starts_after_the_end_of_the_time_is_ended_at_once() -> None:
    limit = TimeLimit(Timeout(0.001, "1 ms", 1, 1), PATIENCE)
    limit._thread.join(0.001)
    while not limit.has_expired:
        limit._thread.join(0.01)
    text = "import time; time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-c", text], start_new_session=True)
    limit.watch(process.pid)
    assert process.wait(PATIENCE) == -signal.SIGTERM
    limit.close()
    limit._thread.join(PATIENCE)
    assert not limit._thread.is_alive()


def test_a_program_that_ignores_the_signal_is_killed() -> None:
    text = "trap '' TERM; echo; while :; do sleep 1; done"
    process = subprocess.Popen(("sh", "-c", text), stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    process.stdout.readline()
    limit = TimeLimit(Timeout(0.001, "1 ms", 1, 1), 0.001)
    limit.watch(process.pid)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    limit.close()
    process.stdout.close()


def test_without_a_timeout_there_is_no_thread() -> None:
    before = threading.active_count()
    limit = TimeLimit(None, 5.0)
    limit.watch(12345678)
    limit.close()
    assert (threading.active_count(), limit.has_expired) == (before, False)


def test_the_longest_timeout_is_no_error_of_the_system() -> None:
    limit = TimeLimit(Timeout(1e300, "long", 1, 1), 5.0)
    assert limit._thread.is_alive()
    limit.close()
    limit._thread.join(PATIENCE)
    assert not limit._thread.is_alive()
