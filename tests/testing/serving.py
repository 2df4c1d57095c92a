"""Templates of long-running commands: trained once for all tests, started, waited for, stopped."""

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
from tests.testing.waiting import PATIENCE

SOURCE = Path(cli.__file__).parents[2]
T = TypeVar("T")


def environment(home: Path) -> dict[str, str]:
    """For processes that see nothing of the user's."""

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
    """`git spacy …` in `folder`, to its end."""

    done = subprocess.run(
        (sys.executable, "-m", "git_spacy", *arguments),
        cwd=folder, env={**environment(folder.parent), **environ}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def trained(template: str, shared: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """The template cloned and run by its README, and what each step said: once, though several
    processes test. Copy it (`copy`) to run anything in it."""

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
            kept = home / f"{step}.out"
            if not kept.exists():
                words = {"clone": ("clone", template), "run": ("run", "all")}.get(step, (step,))
                done = spacy(home if step == "clone" else folder, *words)
                assert done.code == 0, done.out[-3000:] + done.err[-3000:]
                kept.write_text(f"{done.out}\0{done.err}")
            said[step] = Done(0, *kept.read_text().split("\0"))
    return folder, said


def copy(trained: Path, to: Path) -> Path:
    shutil.copytree(trained, to / trained.name, symlinks=True)
    return to / trained.name


def until(look: Callable[[], T | None], what: str) -> T:
    """What `look` gives, as soon as it is something."""

    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE:.0f} s")


class Serving:
    """A process that serves, and what it says, in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_until(self, look: Callable[[], T | None], what: str) -> T:
        """The same as `until`, but not longer than the process is there."""

        def still() -> T | None:
            found = look()
            assert found is not None or self.process.poll() is None, f"it ended:\n{self.said}"
            return found

        return until(still, what)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send it the signal, and it alone; the exit code."""

        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[Serving]:
    """The command in `folder`, which is alone in its parent; at the end, all it started is gone."""

    log = folder.parent / f"{folder.name}.{time.monotonic_ns()}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder.parent), stdin=subprocess.DEVNULL,
            stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield Serving(process, log)
    finally:
        for pid in left(folder.parent):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


def left(home: Path) -> list[int]:
    """The processes that were started with this home and still run."""

    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}\0".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass  # it ended meanwhile, or is another user's
    return found


def until_all_ended(home: Path) -> None:
    """Wait for the end of what was started with this home: some of it ends a little later."""

    until(lambda: left(home) == [] or None, "the end of all processes")
