"""Jobs on a Ray cluster with a dashboard, of one node that requires a token: a long form of
test_detached_run.py, for scripts/stress."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.jobs.jobs_api import JobsClient
from tests.testing.projects import Done, process, two_steps
from tests.testing.ray_cluster import TOKEN, environ
from tests.testing.repositories import git, repository, write
from tests.testing.waiting import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "GIT_SPACY_STRESS" not in os.environ, reason="a long form of another test: scripts/stress"
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("aiohttp_cors") is None, reason="needs 'ray[default]'"
    ),
]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the dashboard of a cluster that ends with the tests."""

    port, gcs_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        variables = {**environ(folder), "RAY_AUTH_MODE": "token"}
        if paths := os.environ.get("PYTHONPATH"):
            variables["PYTHONPATH"] = paths
        child = subprocess.Popen(
            (sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
             "--num-cpus=2", f"--port={gcs_port}", f"--dashboard-port={port}",
             "--dashboard-host=127.0.0.1", f"--temp-dir={folder}"),
            cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(PATIENCE)


@pytest.fixture
def client(address: str, monkeypatch: pytest.MonkeyPatch) -> JobsClient:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    client = JobsClient(address)
    wait_until(lambda: client.check() is None)
    return client


def wait_until(is_true: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if is_true():  # type: ignore[operator]
                return
        except ExternalError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.5)


def jobs(root: Path, *arguments: str) -> Done:
    return process("jobs", *arguments, cwd=root)


def project_with_remote(tmp_path: Path) -> Path:
    root = two_steps(repository(tmp_path / "p", {"README.md": "x"}))
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "store"))
    return root


def test_a_job_goes_on_without_its_client_and_is_collected_by_another(
    address: str, client: JobsClient, tmp_path: Path
) -> None:
    root = project_with_remote(tmp_path)
    done = process("run", "all", "--detach", "--address", address, cwd=root)
    assert done.code == 0, done  # and the client's process has ended
    followed = jobs(root, "follow", done.out[:5])
    assert followed.code == 0, followed
    assert "ran 2, skipped 0" in followed.out
    assert client.job(done.out.strip()).has_ended
    collected = jobs(root, "collect")
    assert collected.code == 0, collected
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert process("status", "--porcelain", cwd=root).out.count("up_to_date") == 2


def test_a_job_that_is_stopped_delivers_what_was_complete_and_ends_its_scripts(
    address: str, client: JobsClient, tmp_path: Path
) -> None:
    root = project_with_remote(tmp_path)
    marker = tmp_path / "pid"
    sleeper = (
        f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\n"
        f"time.sleep({10 * PATIENCE})\n"
    )
    write(root, {"scripts/copy.py": sleeper})
    id = process("run", "all", "--detach", "--address", address, cwd=root).out.strip()
    wait_until(lambda: marker.exists() and marker.read_text())
    assert jobs(root, "stop").code == 0
    assert jobs(root, "follow", id).code == 1
    wait_until(lambda: not Path(f"/proc/{marker.read_text()}").exists())
    collected = jobs(root, "collect", id)
    assert collected.code == 1, collected
    assert "failed with exit code 143" in collected.err
    assert (root / "corpus/words.txt").read_text() == "hello"
