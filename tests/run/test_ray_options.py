"""What a Ray worker is sent, without a cluster: of the environment it can read no more than it may."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

from git_spacy.project import loader
from git_spacy.run import ray_options, ray_worker
from git_spacy.run.executor import Job
from git_spacy.run.script import Step
from tests.testing.projects import project
from tests.testing.repositories import repository

ENVIRON = {"API_TOKEN": "for-the-script", "PRIVATE": "only-here-\udcff", "PATH": os.environ["PATH"]}
WRITE = "import json, os; json.dump(dict(os.environ), open('out', 'w'))"


@pytest.fixture
def order(tmp_path: Path) -> ray_worker.WorkOrder:
    made = project(
        repository(tmp_path / "r"), "env: {token: API_TOKEN}\ncommands: [{name: c, script: [x]}]"
    )
    loaded = loader.load(made)
    (command,) = loaded.commands
    python = os.path.realpath(sys.executable)
    job = Job(command, (Step((python, "-c", WRITE), ""),), made, ENVIRON, python)
    shown = ray_options.create_folder_proof(made)
    assert shown
    seen, secret = shown
    return ray_options.build_work_order(loaded, job, seen, secret, None, 0)


def environment_of_script(order: ray_worker.WorkOrder) -> str:
    """The script's, as a worker runs it that sees the folder."""

    assert list(ray_worker.execute(order))[-1] == ("exited", 0, True)
    return (Path(order.root) / "out").read_text()


@pytest.mark.threat("leaked-credentials", commands="run")
def test_what_is_sent_shows_nothing_of_the_environment_but_what_env_names(
    order: ray_worker.WorkOrder,
) -> None:
    sent = pickle.dumps(order)
    assert b"for-the-script" in sent
    assert b"PRIVATE" not in sent
    assert b"only-here" not in sent
    assert order.public_environ == {"API_TOKEN": "for-the-script"}
    assert "for-the-script" not in f"{order} {order!r} {(order,)}"
    again = ray_worker.seal(ENVIRON, "0" * 64)
    assert again[32:] != ray_worker.seal(ENVIRON, "0" * 64)[32:], "the same key stream twice"


def test_a_worker_that_reads_the_folders_file_runs_with_all_of_it(
    order: ray_worker.WorkOrder,
) -> None:
    found = environment_of_script(order)
    assert '"PRIVATE": "only-here-\\udcff"' in found
    assert '"API_TOKEN": "for-the-script"' in found


@pytest.mark.parametrize("kind", ["missing", "other", "longer", "binary", "another project.yml"])
def test_one_that_cannot_is_told_to_wait_for_the_files(
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
