"""Parallel runs, with real processes and with random graphs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.project import loader, plan
from git_spacy.run import scheduler
from git_spacy.run.events import RunReporter
from git_spacy.run.executor import Job, JobResult
from git_spacy.run.interpreter import Interpreter
from git_spacy.state.stat_cache import StatCache
from tests.testing.examples import examples
from tests.testing.projects import Spacy, process, project, snapshot
from tests.testing.repositories import git
from tests.testing.waiting import PATIENCE, wait_until

# The script of every command in these projects. It records its start and end times in files. $WAIT
# is a list of items like "one:begun/two": the command `one` waits for the file begun/two.
WORK = """\
import os, pathlib, sys, time
name, *paths = sys.argv[1:]
began = time.monotonic_ns()
pathlib.Path("begun").mkdir(exist_ok=True)
pathlib.Path("begun", name).touch()
print("this is", name)
print("and", name, "has a remark", file=sys.stderr)
for word in os.environ.get("WAIT", "").split():
    waiting, _, path = word.partition(":")
    while waiting == name and not os.path.exists(path):
        time.sleep(0.01)
for path in map(pathlib.Path, paths):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
pathlib.Path("times").mkdir(exist_ok=True)
with open(f"times/{name}", "a") as stream:
    print(began, time.monotonic_ns(), file=stream)
"""


def command(name: str, deps: list[str], outs: list[str]) -> dict[str, Any]:
    script = " ".join(["python work.py", name, *outs])
    return {"name": name, "script": [script], "deps": deps, "outputs": outs}


def diamond() -> list[dict[str, Any]]:
    return [
        command("top", ["work.py"], ["out/top"]),
        command("left", ["out/top"], ["out/left"]),
        command("right", ["out/top"], ["out/right"]),
        command("bottom", ["out/left", "out/right"], ["out/bottom"]),
    ]


def create_project(folder: Path, commands: list[dict[str, Any]], **more: Any) -> Path:
    document = {
        "commands": commands, "workflows": {"all": [one["name"] for one in commands]}, **more,
    }  # fmt: skip
    return project(folder, json.dumps(document), {"work.py": WORK})


def times(root: Path, name: str) -> tuple[int, int]:
    """Return when a command last started and ended."""

    started, ended = (root / "times" / name).read_text().splitlines()[-1].split()
    return int(started), int(ended)


def started_commands(err: str) -> list[str]:
    return re.findall(r"^==> (.*?): running", err, re.MULTILINE)


def test_independent_commands_overlap_and_the_lock_does_not_depend_on_jobs(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (create_project(tmp_path / name, diamond()) for name in ("one", "two"))
    assert spacy("run", "all", cwd=one).code == 0
    monkeypatch.setenv("WAIT", "left:begun/right right:begun/left")
    done = spacy("run", "all", "--jobs", "2", cwd=two)
    assert done.code == 0, done.err
    left, right = times(two, "left"), times(two, "right")
    assert max(left[0], right[0]) < min(left[1], right[1]), "they did not overlap"
    assert times(two, "top")[1] < min(left[0], right[0])
    assert times(two, "bottom")[0] > max(left[1], right[1])
    left, right = times(one, "left"), times(one, "right")
    assert left[1] < right[0], "one at a time"
    assert (one / "project.lock").read_bytes() == (two / "project.lock").read_bytes()
    assert done.err.splitlines()[-1] == "ran 4, skipped 0"
    again = spacy("run", "all", "-j", "2", cwd=two)
    assert again.err.splitlines() == [
        *(f"==> {name}: up to date" for name in ("top", "left", "right", "bottom")),
        "ran 0, skipped 4",
    ]


def test_new_lock_entries_are_in_the_order_of_the_workflow(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a later command finishes before an earlier one."""

    commands = [
        command("slow", [], ["out/slow"]),
        command("quick", [], ["out/quick"]),
        command("last", ["out/quick"], ["out/last"]),
    ]
    root = create_project(tmp_path / "p", commands)
    assert spacy("run", "quick", cwd=root).code == 0
    monkeypatch.setenv("WAIT", "slow:times/last")
    assert spacy("run", "all", "-j", "3", cwd=root).code == 0
    assert list(lock_format.read(root)) == ["quick", "slow", "last"]
    other = create_project(tmp_path / "other", commands)
    assert spacy("run", "all", "-j", "3", cwd=other).code == 0
    assert times(other, "last")[1] < times(other, "slow")[1]
    assert list(lock_format.read(other)) == ["slow", "quick", "last"]


def test_output_is_prefixed_with_the_command_or_grouped(tmp_path: Path, spacy: Spacy) -> None:
    root = create_project(tmp_path, diamond())
    done = spacy("run", "all", "-j", "2", cwd=root)
    assert sorted(done.out.splitlines()) == [
        "bottom | this is bottom", "left  | this is left", "right | this is right",
        "top | this is top",
    ]  # fmt: skip
    assert "left  | $ python work.py left" in done.err
    assert "right | and right has a remark" in done.err
    done = spacy("run", "all", "-j", "2", "--force", "--output", "grouped", cwd=root)
    lines = done.err.splitlines()
    at = lines.index("and left has a remark")
    assert lines[at - 1].startswith("$ python work.py left")
    assert lines[at + 1].startswith("==> left: done in ")
    assert "this is left" in done.out.splitlines()


@pytest.mark.parametrize(
    ("script", "out", "err"),
    [
        ("print('no end', end='')", ["c | no end"], []),
        (r"print('1%\r50%\r100%\r\n2')", ["c | 100%", "c | 2"], []),
        (r"import os; os.write(1, b'\xff\xfe\n')", ["c | \ufffd\ufffd"], []),
        ("print('x' * 200_000)", None, []),
        ("import sys; print(sys.stdin.read() == '')", ["c | True"], []),
        (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])",
            [], [],
        ),
    ],
)  # fmt: skip
def test_output_of_a_script_is_shown_line_by_line(
    tmp_path: Path, spacy: Spacy, script: str, out: list[str] | None, err: list[str]
) -> None:
    (tmp_path / "s.py").write_text(script)
    project(tmp_path, "commands: [{name: c, script: [python s.py, python s.py]}]")
    done = spacy("run", "c", "-j", "2", cwd=tmp_path)
    assert done.code == 0
    if out is None:
        assert done.out.replace("c | ", "").replace("\n", "") == "x" * 400_000
    else:
        assert done.out.splitlines() == out * 2


FAILING = [
    command("good", [], ["out/good"]),
    {"name": "bad", "script": ["python -c 'raise SystemExit(3)'"], "outputs": ["out/bad"]},
    command("below", ["out/bad"], ["out/below"]),
    command("far-below", ["out/below"], ["out/far"]),
    command("other", ["out/good"], ["out/other"]),
]


def test_after_a_failure_running_commands_finish_and_no_command_starts(tmp_path: Path) -> None:
    root = create_project(tmp_path / "p", FAILING)
    errors = tmp_path / "errors"
    with errors.open("wb") as stream, subprocess.Popen(
        (sys.executable, "-m", "git_spacy", "run", "all", "-j", "2"),
        cwd=root, stdout=subprocess.DEVNULL, stderr=stream,
        env={**os.environ, "WAIT": "good:go", "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    ) as run:  # fmt: skip
        failed = "==> bad: failed ('bad' failed: a script line ended with exit code 3)"
        wait_until(lambda: failed in errors.read_text())
        (root / "go").touch()
    assert run.returncode == 3
    err = errors.read_text()
    assert "==> good: done in" in err
    assert "ran 1, skipped 0; failed: bad; not started: below, far-below, other" in err
    assert len(re.findall(r"project\.yml:1:\d+: error: ", err)) == 1
    assert list(lock_format.read(root)) == ["good"]


@pytest.mark.parametrize("jobs", [["-j", "2"], []])
def test_keep_going_runs_commands_that_do_not_depend_on_the_failed_one(
    tmp_path: Path, spacy: Spacy, jobs: list[str]
) -> None:
    root = create_project(tmp_path, FAILING)
    done = spacy("run", "all", "--keep-going", *jobs, cwd=root)
    assert done.code == 3
    assert sorted(started_commands(done.err)) == ["bad", "good", "other"]
    assert "ran 2, skipped 0; failed: bad; not started: below, far-below" in done.err
    assert list(lock_format.read(root)) == ["good", "other"]


def test_all_failures_are_reported_and_the_first_sets_the_exit_code(
    tmp_path: Path, spacy: Spacy
) -> None:
    commands = [
        {"name": "one", "script": ["python -c 'raise SystemExit(7)'"]},
        {"name": "two", "script": ["no-such-program"]},
        {"name": "three", "script": ["python -c ''"], "outputs": ["never"]},
        {"name": "four", "deps": ["nowhere"]},
    ]
    done = spacy("run", "all", "-k", cwd=create_project(tmp_path, commands))
    assert done.code == 7
    for words in (
        "'one' failed: a script line ended with exit code 7",
        "program not found: 'no-such-program'",
        "'three' did not produce its output 'never'",
        "missing dependency of 'four': 'nowhere'",
    ):
        assert f"error: {words}" in done.err
    assert "failed: one, two, three, four" in done.err


def test_upstream_also_runs_stale_producers(tmp_path: Path, spacy: Spacy) -> None:
    root = create_project(tmp_path, [*diamond(), command("else", [], ["out/else"])])
    done = spacy("run", "bottom", "--upstream", cwd=root)
    assert done.code == 0
    assert started_commands(done.err) == ["top", "left", "right", "bottom"]
    (root / "out/left").unlink()
    done = spacy("run", "bottom", "-u", cwd=root)
    assert started_commands(done.err) == ["left"]  # its output is unchanged, so `bottom` is skipped
    done = spacy("run", "bottom", "-u", "--force", cwd=root)
    assert started_commands(done.err) == ["bottom"]
    done = spacy("run", "bottom", "-u", "--dry", "-F", cwd=root)
    assert "would run 1, skipped 3" in done.err


def test_cycles_and_two_producers_of_a_path_are_errors_in_a_parallel_run(
    tmp_path: Path, spacy: Spacy
) -> None:
    cycle = [command("a", ["b"], ["a"]), command("b", ["a"], ["b"])]
    done = spacy("run", "all", "-j", "2", cwd=create_project(tmp_path / "c", cycle))
    assert done.code == 2
    assert "'a' → 'b' → 'a'" in done.err
    both = [command("a", [], ["x"]), command("b", [], ["x"])]
    root = create_project(tmp_path / "b", both)
    assert spacy("run", "all", "-j", "2", cwd=root).code == 2
    assert spacy("run", "all", cwd=root).code == 0  # as weasel does


def test_spacy_jobs_sets_the_number_of_jobs(tmp_path: Path, spacy: Spacy) -> None:
    root = create_project(tmp_path, diamond())
    git(root, "init", "-q")
    git(root, "config", "spacy.jobs", "2")
    assert "left  | this is left" in spacy("run", "all", cwd=root).out.splitlines()
    assert "left | " not in spacy("run", "all", "-F", "-j", "1", cwd=root).err


MATRIX = {
    "vars": {"seed": 0, "lr": 1},
    "commands": [
        command("top", ["work.py"], ["out/top"]),
        {
            "name": "train",
            "script": ["python work.py s${vars.seed}-${vars.lr} model/${vars.seed}"],
            "deps": ["out/top"],
            "outputs": ["model/${vars.seed}"],
        },
    ],
}


def test_a_matrix_runs_each_variant_and_records_an_entry_for_each(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"s{seed}-1" for seed in range(3)]
    waits = [f"{one}:begun/{other}" for one in names for other in names]
    monkeypatch.setenv("WAIT", " ".join(waits))
    root = project(tmp_path / "p", json.dumps(MATRIX), {"work.py": WORK})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    words = ("run", "train", "-u", "--matrix", "vars.seed=0,1,2", "-j", "3")
    done = spacy(*words, cwd=root)
    assert done.code == 0, done.err
    assert sorted(path.name for path in (root / "model").iterdir()) == ["0", "1", "2"]
    assert list(lock_format.read(root)) == [
        "top", "train", "train --vars.seed 1", "train --vars.seed 2",
    ]  # fmt: skip
    assert (
        lock_format.read(root)["train --vars.seed 1"].cmd
        == "python -m weasel run train --vars.seed 1"
    )
    one, two, three = (times(root, name) for name in names)
    assert max(one[0], two[0], three[0]) < min(one[1], two[1], three[1]), "they did not overlap"
    assert "ran 0, skipped 4" in spacy(*words, cwd=root).err
    # each variant has its own state: in status, check, and runs of a single variant
    status = spacy("status", "--porcelain", cwd=root)
    assert "train --vars.seed 2" in status.out
    git(root, "add", "-A")
    assert spacy("check", "lock", cwd=root).code == 0
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("work.py s", "-B work.py s"))
    done = spacy("check", "lock", cwd=root)
    assert done.out.count("script changed") == 3
    assert "hint: git spacy run train --vars.seed 1\n" in done.out
    done = spacy("run", "train", "--vars.seed", "1", cwd=root)
    assert "==> train --vars.seed 1: done" in done.err
    assert spacy("check", "lock", cwd=root).out.count("script changed") == 2
    records = json.loads(spacy("log", "--json", "--command", "train", cwd=root).out)
    runs = [run for commit in records for run in commit["runs"]]
    assert {run["vars"].get("seed") for run in runs} == {None, 1, 2}


def test_a_variant_of_a_removed_variable_is_orphaned(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", json.dumps(MATRIX), {"work.py": WORK})
    assert spacy("run", "train", "-u", "--matrix", "seed=0,1", cwd=root).code == 0
    text = (root / "project.yml").read_text().replace('"seed": 0', '"seeds": 0')
    (root / "project.yml").write_text(text.replace("vars.seed}", "vars.seeds}"))
    done = spacy("check", "lock", "--fix", cwd=root)
    assert "removed lock entry 'train --vars.seed 1'" in done.err


@pytest.mark.parametrize(("names", "message", "hint"), [
    ("prepare", "'prepare' does not use 'vars.seed', so", "commands that use it: train"),
    ("train", "'train' does not use 'vars.note', so", "use it in a script line, as in ${vars.note}"),
    ("prepare train", "no command here uses 'vars.note', so", "use it in a script line"),
])  # fmt: skip
def test_a_matrix_of_a_variable_that_no_command_uses_is_refused(
    tmp_path: Path, spacy: Spacy, names: str, message: str, hint: str
) -> None:
    root = project(tmp_path / "p", """\
vars: {seed: 0, note: x}
commands:
- {name: prepare, script: [touch corpus], outputs: [corpus]}
- {name: train, script: ["touch model-${vars.seed}"], deps: [corpus], outputs: ["model-${vars.seed}"]}
""")  # fmt: skip
    variable = "note" if "note" in message else "seed"
    done = spacy("run", *names.split(), "--matrix", f"vars.{variable}=1,2", cwd=root)
    assert done.code == 2
    assert f"--matrix: error: {message} all runs would be the same\nhint: {hint}" in done.err
    assert not (root / "corpus").exists()


def test_two_commands_of_a_matrix_that_share_an_output_are_refused(
    tmp_path: Path, spacy: Spacy
) -> None:
    other = {"name": "other", "script": ["true"], "outputs": ["model/${vars.seed}"]}
    document = {**MATRIX, "commands": [*MATRIX["commands"], other]}
    root = project(tmp_path / "p", json.dumps(document), {"work.py": WORK})
    before = snapshot(root)
    done = spacy("run", "train", "other", "--matrix", "lr=1,2", cwd=root)
    assert done.code == 2
    assert "'other' and 'train --vars.lr 1' both produce 'model/0'\n" in done.err
    assert "hint: give each its own output" in done.err
    assert snapshot(root) == before
    done = spacy("run", "train", "--matrix", "sead=1", cwd=root)
    assert (done.code, "did you mean 'seed'?" in done.err) == (2, True)


def test_weasel_reads_a_lock_with_variants(tmp_path: Path, spacy: Spacy) -> None:
    """weasel skips commands that are up to date, runs stale ones, and keeps our entries."""

    pytest.importorskip("weasel")
    root = project(tmp_path / "p", json.dumps(MATRIX), {"work.py": WORK})
    assert spacy("run", "train", "-u", "--matrix", "seed=0,1", cwd=root).code == 0
    before = (root / "project.lock").read_bytes()
    for name, skips in (("train", True), ("top", True)):
        done = subprocess.run(
            (sys.executable, "-m", "weasel", "run", name),
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert ("nothing changed" in done.stdout) == skips, done.stdout
    assert (root / "project.lock").read_bytes() == before
    (root / "work.py").write_text(WORK + "\n")
    subprocess.run(
        (sys.executable, "-m", "weasel", "run", "top"), cwd=root, check=True, capture_output=True
    )
    assert list(lock_format.read(root)) == ["top", "train", "train --vars.seed 1"]


@pytest.mark.threat("signals-in-a-run", commands="run")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_commands_and_leaves_the_lock_unchanged(
    tmp_path: Path, number: signal.Signals
) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(3600)', 'MARK'])"
    commands = [
        {"name": f"c{n}", "script": [f'python -c "{child}"'.replace("MARK", str(tmp_path))]}
        for n in range(3)
    ]
    root = create_project(tmp_path, commands)
    run = subprocess.Popen(
        (sys.executable, "-m", "git_spacy", "run", "all", "-j", "3"),
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip
    wait_for(lambda: len(running_processes(tmp_path)) >= 6)
    run.send_signal(number)
    _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + number
    assert "Traceback" not in err
    wait_for(lambda: not running_processes(tmp_path))
    assert not (root / "project.lock").exists()


def running_processes(mark: Path) -> list[str]:
    """Return the processes with `mark` in their command line, except git-spacy itself."""

    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if any(str(mark) in word for word in words) and "git_spacy" not in words:
            found.append(folder.name)
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    wait_until(condition)


def test_a_command_that_prints_endlessly_does_not_block_the_others(tmp_path: Path) -> None:
    """The other command finishes and is recorded, and an interruption ends both."""

    commands = [
        {"name": "chatty", "script": ["python -c \"\nwhile True: print('x' * 1000)\""]},
        command("other", [], ["out/other"]),
    ]
    root = create_project(tmp_path, commands)
    run = subprocess.Popen(
        (sys.executable, "-m", "git_spacy", "run", "all", "-j", "2"),
        cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip
    wait_for(lambda: (root / "project.lock").exists())
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=PATIENCE) == 130


# Random graphs, with an executor that finishes the running jobs in random order.


class ScriptedExecutor:
    """Runs jobs by writing their outputs; `choose` selects the running job that ends next."""

    def __init__(self, choose: Callable[[list[Job]], Job]) -> None:
        self.running: list[Job] = []
        self.ended: list[str] = []
        self.began: list[tuple[str, list[str]]] = []
        self._choose = choose

    def start(self, job: Job) -> None:
        self.began.append((job.command.name, [other.command.name for other in self.running]))
        self.running.append(job)

    def wait(self, report: RunReporter) -> JobResult:
        job = self._choose(self.running)
        self.running.remove(job)
        for path in job.command.produced:
            target = job.root / path.normal
            target.parent.mkdir(parents=True, exist_ok=True)
            (target / "made" if target.is_dir() else target).write_text(job.command.name)
        self.ended.append(job.command.name)
        return JobResult(job.command)

    def stop(self, number: int) -> None:
        raise AssertionError(number)

    def close(self) -> None:
        assert not self.running


paths = st.sampled_from(["a", "b", "c", "d", "e", "f/x", "f/y", "g/h/i", "g/h"])
graphs = st.lists(
    st.tuples(st.lists(paths, max_size=3), st.lists(paths, min_size=1, max_size=2, unique=True)),
    min_size=1, max_size=7,
)  # fmt: skip


@given(graphs, st.integers(1, 4), st.data())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_any_graph_each_stale_command_runs_once_and_never_beside_another_writer(
    tmp_path_factory: pytest.TempPathFactory,
    graph: list[tuple[list[str], list[str]]],
    jobs: int,
    data: st.DataObject,
) -> None:
    commands = [
        {
            "name": f"c{n}",
            "script": ["x"],
            "deps": [dep for dep in deps if dep not in outs],
            "outputs": outs,
        }
        for n, (deps, outs) in enumerate(graph)
    ]
    outputs = {out for _, outs in graph for out in outs}
    loaded = loader.parse(json.dumps({"commands": commands}).encode()).project
    try:
        planned = plan.graph_plan(loaded.commands)
    except InvalidInput:
        return
    # skip graphs in which a path would be both a file and a folder
    everything = outputs | {dep for deps, _ in graph for dep in deps}
    if any(
        one != other and other.startswith(f"{one}/") for one in everything for other in everything
    ):
        return
    root = tmp_path_factory.mktemp("graph")
    for dep in everything - outputs:
        (root / dep).parent.mkdir(parents=True, exist_ok=True)
        if not (root / dep).is_dir():
            (root / dep).write_text("source")

    def go() -> ScriptedExecutor:
        executor = ScriptedExecutor(lambda running: data.draw(st.sampled_from(running)))
        outcome = scheduler.run(
            planned,
            scheduler.RunContext(
                loaded, root, LockFile(root), StatCache.open(root), executor, Interpreter(sys.executable, "test"),
                {}, lambda _: None, jobs=jobs,
            ),
        )  # fmt: skip
        assert outcome.failed == ()
        assert sorted(outcome.ran) == sorted(executor.ended)
        assert len(outcome.ran) + len(outcome.skipped) == len(loaded.commands)
        return executor

    executor = go()
    assert sorted(executor.ended) == sorted(one.name for one in loaded.commands)
    known = {one.name: one for one in loaded.commands}
    for name, beside in executor.began:
        assert len(beside) < jobs
        for other in beside:
            for a, b in ((known[name], known[other]), (known[other], known[name])):
                assert not any(out.touches(p) for out in a.produced for p in (*b.produced, *b.deps))
        for maker in loaded.commands:
            if maker.name != name and any(
                out.touches(dep) for out in maker.produced for dep in known[name].deps
            ):
                assert maker.name not in beside
                assert executor.ended.index(maker.name) < executor.ended.index(name)
    assert list(lock_format.read(root)) == [one.name for one in planned.commands]
    # if two commands write to one folder, the first is stale after the second has run
    shares = any(
        a.touches(b)
        for one in loaded.commands
        for other in loaded.commands
        if one is not other
        for a in one.produced
        for b in (*other.produced,)
    ) or any(
        dep.touches(out) for one in loaded.commands for dep in one.deps for out in one.produced
    )
    if not shares:
        assert go().ended == []
        victim = data.draw(st.sampled_from(loaded.commands))
        (root / victim.produced[0].normal).unlink()
        again = go().ended
        assert again.count(victim.name) == 1
        assert len(again) == len(set(again))


def test_without_jobs_output_is_not_prefixed(tmp_path: Path) -> None:
    root = create_project(tmp_path, diamond())
    done = process("run", "all", cwd=root)
    assert done.code == 0
    assert "this is left" in done.out.splitlines()
    assert " | " not in done.err
