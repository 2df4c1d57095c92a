"""Threat model: interrupted-uploads, killed-downloads, signals-in-a-run, full-disks: push and pull when killed, interrupted, or without disk space."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from git_spacy.git.state_dir import state_dir
from git_spacy.storage import local_remote
from git_spacy.storage.fsspec_remote import FsspecRemote
from git_spacy.storage.remote_keys import TEMPORARY
from tests.storage.conftest import Shared
from tests.testing.projects import snapshot
from tests.testing.waiting import PATIENCE

REPOSITORY = Path(__file__).parents[2]
STEP = "1" if "GIT_SPACY_STRESS" in os.environ else "3"  # from one change to the next


@pytest.mark.threat("killed-downloads", commands="pull push")
@pytest.mark.parametrize("command", ["push", "pull", "pull --force"])
def test_a_command_killed_at_any_change_can_be_run_again(
    shared: Shared, tmp_path: Path, command: str
) -> None:
    scenario = tmp_path / "scenario"
    for root in (shared.made, shared.clone):
        text = (root / "project.yml").read_text()
        (root / "project.yml").write_text(text.replace(str(shared.remote), "../remote"))
    if command != "push":
        assert shared.push().code == 0
    if command == "pull --force":
        assert shared.pull().code == 0
        (shared.clone / "model/weights.txt").write_text("stale")
    shared.remote.mkdir(exist_ok=True)
    scenario.mkdir()
    shutil.copytree(shared.made, scenario / "made")
    shutil.copytree(shared.clone, scenario / "clone")
    shutil.copytree(shared.remote, scenario / "remote")
    project = "made" if command.startswith("push") else "clone"
    done = subprocess.run(
        (sys.executable, "-m", "tests.storage.killing", command, project, scenario,
         tmp_path / "work", STEP),
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 8


def test_files_of_killed_pushes_are_removed_after_a_day(shared: Shared) -> None:
    shared.remote.mkdir()
    old, new = (shared.remote / f"{TEMPORARY}-{name}" for name in ("old", "new"))
    old.write_text("x")
    new.write_text("x")
    os.utime(old, (1, 1))
    assert shared.push().code == 0
    assert not old.exists()
    assert new.exists()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, list[bool]]]:
    """A remote whose transfers block until the end of the test.

    The event is set when a transfer starts; the list has the transfers that returned.
    """

    begun, ended = threading.Event(), threading.Event()
    returned: list[bool] = []

    class Slow(local_remote.LocalRemote):
        @contextmanager
        def read(self, name: str) -> Iterator[BinaryIO]:  # type: ignore[override]
            class Stream:
                def read(self, size: int = -1) -> bytes:
                    begun.set()
                    returned.append(ended.wait(PATIENCE))
                    return b""

            yield Stream()  # type: ignore[misc]

        @contextmanager
        def create(self, name: str, scratch: Path) -> Iterator[BinaryIO]:
            with super().create(name, scratch) as stream:
                begun.set()
                returned.append(ended.wait(PATIENCE))
                yield stream

    monkeypatch.setattr(local_remote, "LocalRemote", Slow)
    yield begun, returned
    ended.set()


@pytest.mark.threat("signals-in-a-run", commands="pull push")
@pytest.mark.parametrize("command", ["push", "pull"])
def test_an_interrupt_does_not_wait_for_the_remote(
    shared: Shared, command: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if command == "pull":
        shared.push()
    root = shared.made if command == "push" else shared.clone
    before = snapshot(root.parent)
    begun: threading.Event
    returned: list[bool]
    begun, returned = request.getfixturevalue("slow")

    def interrupt() -> None:
        begun.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    done = shared.spacy(command, cwd=root)
    assert returned == [], "the command waited for the remote"
    assert done.code == 130
    assert done.err.strip() == "error: interrupted"
    now = snapshot(root.parent)
    # the folder of the output or of the remote may exist
    assert now.items() - before.items() <= {("clone/corpus/", ""), ("remote/", "")}
    assert before.items() <= now.items()
    assert not list((state_dir(shared.made) / "push").glob("*"))


@pytest.fixture
def silent() -> Iterator[tuple[int, threading.Event]]:
    """The port of a server that never responds, and an event set by the first connection."""

    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[Any] = []
        connected = threading.Event()

        def accept() -> None:
            try:
                while True:
                    connections.append(server.accept()[0])
                    connected.set()
            except OSError:
                pass  # the server was shut down

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], connected
        server.shutdown(socket.SHUT_RDWR)  # close() would not wake the thread
        thread.join()
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["push", "pull"])
def test_an_interrupt_does_not_wait_for_a_silent_server(
    shared: Shared, silent: tuple[int, threading.Event], command: str, number: signal.Signals
) -> None:
    pytest.importorskip("s3fs")
    port, connected = silent
    root = shared.made if command == "push" else shared.clone
    before = snapshot(root.parent)
    keys = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    child = subprocess.Popen(
        (sys.executable, "-m", "git_spacy", command, "s3://bucket/x"), cwd=root,
        env={**os.environ, **keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert connected.wait(120)
    assert child.poll() is None
    child.send_signal(number)
    _, err = child.communicate(timeout=60)  # much shorter than the timeout of the server
    assert child.returncode == 128 + number
    assert "Traceback" not in err
    assert err.endswith(f"error: {'interrupted' if number == signal.SIGINT else 'terminated'}\n")
    assert snapshot(root.parent) == before


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""

    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk), capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a file system")
    yield disk
    subprocess.run(("umount", "-l", disk), check=True)


def large(shared: Shared) -> None:
    """Make the model larger than the small file system."""

    (shared.made / "model/large").write_bytes(os.urandom(2 << 20))
    assert shared.spacy("lock", "record", "train", cwd=shared.made).code == 0


@pytest.mark.threat("full-disks", commands="push")
def test_push_to_a_full_disk_fails(shared: Shared, small: Path) -> None:
    large(shared)
    before = snapshot(shared.made)
    done = shared.push(small / "remote")
    assert done.code == 5
    assert "No space left" in done.err
    assert "disk space" in done.err
    assert snapshot(shared.made) == before
    assert [path.name for path in (small / "remote").iterdir()] == ["corpus%2Fwords.txt"]
    assert not list((state_dir(shared.made) / "push").iterdir())


@pytest.mark.threat("full-disks", commands="pull")
@pytest.mark.parametrize("spare", [True, False])
def test_pull_to_a_full_disk_fails(
    shared: Shared, small: Path, spare: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.storage import archive

    large(shared)
    shared.push()
    if not spare:  # as if another process filled the disk after the check
        monkeypatch.setattr(archive, "_SPARE", -(1 << 40))
    clone = small / "clone"
    shutil.copytree(shared.clone, clone)
    (clone / "model").mkdir()
    (clone / "model/old").write_text("old")
    before = snapshot(clone)
    done = shared.spacy("pull", "--force", cwd=clone)
    assert done.code == (4 if spare else 5), done.err
    assert "disk space" in done.err
    now = snapshot(clone)
    assert before.items() <= now.items()
    assert set(now) - set(before) <= {"corpus/", "corpus/words.txt", "project.lock"}
    assert (clone / "model/old").read_text() == "old"


def test_push_without_space_for_the_archive_fails(
    shared: Shared, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote that takes an object as a whole gets it from a temporary file."""

    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("file", auto_mkdir=True)
    remote = FsspecRemote(system, str(shared.remote), "remote", "file")
    monkeypatch.setattr(local_remote, "open_remote", lambda _: remote)
    large(shared)
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))
    done = shared.push()
    assert done.code == 5, done.err
    assert [name.split("/")[0] for name in shared.objects()] == ["corpus%2Fwords.txt"]
    assert not list(small.glob("**/push/*"))
