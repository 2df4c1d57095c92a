"""The work order for a Ray worker, tested without a cluster: which variables the worker can read."""

from __future__ import annotations

import math
import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from git_spacy.project import loader
from git_spacy.run import ray_options, ray_worker
from git_spacy.run.executor import Execution, Job
from git_spacy.run.interpreter import Interpreter
from git_spacy.run.ray import RayExecutor, _Task, reported_execution
from git_spacy.run.script import Step, build_steps
from tests.run.test_ray import have_ended
from tests.testing.projects import project
from tests.testing.repositories import repository
from tests.testing.waiting import PATIENCE

NODE = "0" * 56
ENVIRON = {"API_TOKEN": "for-the-script", "PRIVATE": "only-here-\udcff", "PATH": os.environ["PATH"]}
WRITE = "import json, os; json.dump(dict(os.environ), open('out', 'w'))"


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the id of the node, for which a worker asks Ray."""

    monkeypatch.setattr(ray_worker, "_node_id", lambda: NODE)


@pytest.fixture
def order(tmp_path: Path) -> ray_worker.WorkOrder:
    root = project(
        repository(tmp_path / "r"), "env: {token: API_TOKEN}\ncommands: [{name: c, script: [x]}]"
    )
    loaded = loader.load(root)
    (command,) = loaded.commands
    python = os.path.realpath(sys.executable)
    job = Job(command, (Step((python, "-c", WRITE), ""),), root, ENVIRON, python)
    created = ray_options.create_folder_proof(root)
    assert created
    seen, secret = created
    return ray_options.build_work_order(loaded, job, seen, secret, None, 0)


def environment_of_script(order: ray_worker.WorkOrder) -> str:
    """Execute the order as a worker that shares the folder; return the environment of its script."""

    *_, (*ended, seconds, node) = ray_worker.execute(order)
    assert (ended, node) == (["exited", 0, True], NODE)
    assert seconds > 0
    return (Path(order.root) / "out").read_text()


def test_a_worker_without_the_folder_writes_bytecode_only_if_a_local_run_would(
    tmp_path: Path,
) -> None:
    loaded = loader.load(project(tmp_path, "commands: [{name: c, script: [x]}]"))
    environ = {"PYTHONDONTWRITEBYTECODE": "1", "PRIVATE": "x"}
    job = Job(loaded.commands[0], (), tmp_path, environ, "python")
    assert ray_options.public_environ(loaded, job) == {"PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.threat("leaked-credentials", commands="run")
def test_a_work_order_reveals_only_the_variables_named_in_env(
    order: ray_worker.WorkOrder,
) -> None:
    sent = pickle.dumps(order)
    assert b"for-the-script" in sent
    assert b"PRIVATE" not in sent
    assert b"only-here" not in sent
    assert order.public_environ == {"API_TOKEN": "for-the-script"}
    assert "for-the-script" not in f"{order} {order!r} {(order,)}"
    again = ray_worker.seal(ENVIRON, "0" * 64)
    assert again[32:] != ray_worker.seal(ENVIRON, "0" * 64)[32:], "the key stream was used twice"


def test_a_worker_with_the_folder_runs_with_the_whole_environment(
    order: ray_worker.WorkOrder,
) -> None:
    found = environment_of_script(order)
    assert '"PRIVATE": "only-here-\\udcff"' in found
    assert '"API_TOKEN": "for-the-script"' in found


@pytest.mark.parametrize("kind", ["missing", "other", "longer", "binary", "another project.yml"])
def test_a_worker_without_the_folder_asks_for_the_files(
    order: ray_worker.WorkOrder, kind: str
) -> None:
    assert order.proof
    file = Path(order.proof.file)
    if kind == "missing":
        file.unlink()
    elif kind == "other":
        file.write_text("0" * 64)
    elif kind == "longer":
        file.write_text(file.read_text() + "x")
    elif kind == "binary":
        file.write_bytes(b"\xff" * 64)
    else:
        (Path(order.root) / "project.yml").write_text("commands: []")
    assert list(ray_worker.execute(order)) == [("no_folder",)]


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_worker_ends_the_lines_and_all_their_processes_at_the_timeout(
    order: ray_worker.WorkOrder, is_shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "_unpack", lambda _, root: os.mkdir(root))
    hang = ("sh", "-c", "sleep 1000 & echo $! $$; wait")
    order = order._replace(lines=(hang, ("touch", "never")), timeout=3.0)
    if not is_shared:
        order = order._replace(proof=None, archive=())
    *events, timed_out, exited = ray_worker.execute(order)
    assert timed_out == ("timed_out",)
    assert exited[:3] == ("exited", 124, True)
    assert exited[3] >= 3
    pids = b" ".join(event[2] for event in events if event[0] == "printed").split()
    assert have_ended([int(pid) for pid in pids])
    assert not (Path(order.root) / "never").exists()


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_worker_with_packages_of_its_own_runs_their_python(
    order: ray_worker.WorkOrder, is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own/python"
    own.parent.mkdir()
    own.write_text(f'#!/bin/sh\nOWN=yes exec {sys.executable} "$@"\n')
    own.chmod(0o755)
    monkeypatch.setattr(ray_worker.sys, "executable", str(own))
    monkeypatch.setattr(ray_worker, "_unpack", lambda _, root: os.mkdir(root))
    show = "import os; print(os.environ['OWN'], 'PRIVATE' in os.environ)"
    lines = ((order.python, "-c", show), ("sh", "-c", f'python -c "{show}"'))
    order = order._replace(lines=lines, has_own_python=True)
    if not is_shared:
        order = order._replace(proof=None, archive=())
    events = list(ray_worker.execute(order))
    assert events[-1][:3] == ("exited", 0, True), events
    text = b"".join(event[2] for event in events if event[0] == "printed")
    assert text == f"yes {is_shared}\n".encode() * 2


def test_a_command_with_retries_that_lost_its_worker_ends_after_its_processes(
    tmp_path: Path,
) -> None:
    """The scheduler starts it again, once nothing writes into its outputs any more."""

    text = "commands: [{name: c, script: [x]}]\nresources: {c: {retries: 1}}"
    loaded = loader.load(project(tmp_path, text))
    executor = RayExecutor(loaded, None)
    task = _Task(Job(loaded.commands[0], (), tmp_path, {}, ""), executor)
    before = time.monotonic()
    task._restart("NodeDiedError")
    assert task.result
    assert task.result.is_lost
    assert "'c' lost its worker (NodeDiedError)" in str(task.result.failure)
    assert task.ready_at > before + ray_worker.GRACE
    executor._running.append(task)
    task.ready_at = before
    assert executor.wait(lambda _: None) is task.result
    assert executor._running == []


def test_a_worker_within_the_timeout_reports_the_exit_code_of_the_script(
    order: ray_worker.WorkOrder,
) -> None:
    fail = (order.python, "-c", "import sys; sys.exit(9)")
    *events, exited = ray_worker.execute(order._replace(lines=(fail,), timeout=PATIENCE))
    assert exited[:3] == ("exited", 9, True)
    assert ("timed_out",) not in events


def test_the_timeout_of_a_command_is_part_of_the_work_order(
    order: ray_worker.WorkOrder, tmp_path: Path
) -> None:
    text = "commands: [{name: c, script: [x]}]\nresources: {c: {timeout: 1h30m, num_gpus: 0.25}}"
    loaded = loader.load(project(tmp_path / "limited", text))
    resources = loaded.resources_for(loaded.commands[0])
    job = Job(loaded.commands[0], (), tmp_path / "limited", {}, "", timeout=resources.timeout)
    assert ray_options.build_work_order(loaded, job, None, "", None, 0).timeout == 5400
    assert order.timeout == 0
    assert ray_options.task_options(resources, "c")["num_gpus"] == 0.25
    assert ray_options.required_amounts(resources) == {"CPU": 1, "GPU": 0.25, "memory": 0}


def test_a_line_with_shell_syntax_runs_on_a_worker_with_its_own_python(tmp_path: Path) -> None:
    root = project(
        repository(tmp_path / "r"),
        "commands: [{name: c, script: [\"python -c 'print(1)' > out && ls *.yml >> out\"]}]",
    )
    loaded = loader.load(root)
    (command,) = loaded.commands
    python = Interpreter("/nowhere on the worker/python", "test")
    steps = build_steps(command, python, {}, os.environ)
    job = Job(command, steps, root, dict(os.environ), python.path)
    created = ray_options.create_folder_proof(root)
    assert created
    order = ray_options.build_work_order(loaded, job, *created, None, 0)
    assert list(ray_worker.execute(order))[-1][:3] == ("exited", 0, True)
    assert (root / "out").read_text() == "1\nproject.yml\n"


@pytest.mark.parametrize("seconds", [-1.0, 61.0, math.nan, math.inf, "3", None, [], 10**400])
def test_a_run_time_that_cannot_be_true_is_replaced_by_the_longest_possible(seconds: Any) -> None:
    ran = reported_execution(seconds, "ab12", most=60.0, queued=5.0, resources={"CPU": 1})
    assert ran == Execution(60.0, 5.0, "ab12", {"CPU": 1})
    assert reported_execution(3.5, "", most=60.0, queued=0.0, resources={}).seconds == 3.5


@pytest.mark.parametrize("node", ["", "no id", "a\nb", "\x1b[2J", 7, None, "a" * 65])
def test_what_is_no_id_of_a_node_is_left_out(node: Any) -> None:
    assert reported_execution(1.0, node, most=2.0, queued=0.0, resources={}).node == ""
