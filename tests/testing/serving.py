"""Train templates once for all tests, and run their long-running commands."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from git_spacy import cli
from tests.testing.projects import Done
from tests.testing.repositories import git
from tests.testing.waiting import PATIENCE

SOURCE = Path(cli.__file__).parents[2]
T = TypeVar("T")


def environment(home: Path) -> dict[str, str]:
    """Return an environment without the settings of the user."""

    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
    }  # fmt: skip


def spacy(folder: Path, *arguments: str, **environ: str) -> Done:
    """Run `git spacy …` in `folder`."""

    done = subprocess.run(
        (sys.executable, "-m", "git_spacy", *arguments),
        cwd=folder, env={**environment(folder.parent), **environ}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def trained(template: str, shared: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Clone and run a template, once for all test processes; return it and the output of each step.

    Tests must not change it: run commands in a `copy`.
    """

    base = shared.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    home = base / template.replace("/", "-")
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = home / template.rpartition("/")[2]
        said = {}
        for step in ("clone", "assets", "run"):
            log = home / f"{step}.out"
            if not log.exists():
                words = {"clone": ("clone", template), "run": ("run", "all")}.get(step, (step,))
                done = spacy(home if step == "clone" else folder, *words)
                assert done.code == 0, done.out[-3000:] + done.err[-3000:]
                if step == "clone":
                    _train_less(folder)
                log.write_text(f"{done.out}\0{done.err}")
            said[step] = Done(0, *log.read_text().split("\0"))
    return folder, said


def _train_less(folder: Path) -> None:
    """Commit two thirds of the steps, which suffice for the scores that the templates require."""

    config = folder / "configs/config.cfg"
    text = config.read_text()
    assert "max_steps = 240" in text
    config.write_text(text.replace("max_steps = 240", "max_steps = 160"))
    git(folder, "commit", "-qam", "Train less", **environment(folder.parent))


def copy(trained: Path, to: Path) -> Path:
    shutil.copytree(trained, to / trained.name, symlinks=True)
    return to / trained.name


def until(look: Callable[[], T | None], what: str) -> T:
    """Call `look` until it does not return None, and return its result."""

    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE:.0f} s")


class Serving:
    """A running server and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_until(self, look: Callable[[], T | None], what: str) -> T:
        """Wait as `until` does, but fail if the process exits."""

        def still() -> T | None:
            found = look()
            assert found is not None or self.process.poll() is None, (
                f"the server exited:\n{self.said}"
            )
            return found

        return until(still, what)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal to the process, not its group, and return its exit code."""

        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[Serving]:
    """Run a command in `folder`, the only folder of its parent, and kill all its processes after."""

    log = folder.parent / f"{folder.name}.{time.monotonic_ns()}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder.parent), stdin=subprocess.DEVNULL,
            stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield Serving(process, log)
    finally:
        for pid in running_processes(folder.parent):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


def running_processes(home: Path) -> list[int]:
    """Return the running processes with this HOME."""

    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}\0".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass  # it exited, or belongs to another user
    return found


def until_all_ended(home: Path) -> None:
    """Wait until all processes with this HOME have exited."""

    until(lambda: running_processes(home) == [] or None, "the end of all processes")
