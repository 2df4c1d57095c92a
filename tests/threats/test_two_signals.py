"""Send two signals to the whole process group at any time.

Threat model: double-signals. Git forwards the signals of its group to us, so Ctrl-C sends two. In any
case, scripts must end before the run lock is released, and no process may outlive the command.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy import cli
from git_spacy.git.state_dir import state_dir
from tests.testing.misbehaving import Misbehaving
from tests.testing.projects import project, snapshot
from tests.testing.repositories import git, repository, write
from tests.testing.waiting import PATIENCE

ROUNDS = int(os.environ.get("GIT_SPACY_STRESS_ROUNDS", "1"))
CALLS = 3 * ROUNDS if "GIT_SPACY_STRESS_ROUNDS" in os.environ else 1
PACKAGE = Path(cli.__file__).parents[1]
NUMBERS = [signal.SIGINT, signal.SIGTERM]

# a script with a child process; both have the project's folder among their arguments
SCRIPT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *sys.argv[1:]])
with open("begun", "a") as file:
    file.write(f"{os.getpid()}\\n")
{more}
time.sleep(600)
"""


def sleeping(folder: Path, more: str = "") -> Path:
    """A project whose scripts never end by themselves."""

    commands = "".join(
        f"  - {{name: c{n}, script: ['python s.py {folder}'], no_skip: true}}\n" for n in range(2)
    )
    text = f"commands:\n{commands}workflows: {{all: [c0, c1]}}\n"
    return project(repository(folder), text, {"s.py": SCRIPT.replace("{more}", more)})


def alive(mark: Path) -> list[str]:
    """Return the command lines of processes that have `mark` among their arguments."""

    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if str(mark) in words:
            lines.append(" ".join(words))
    return lines


class Watch(threading.Thread):
    """Waits for the end of the run, as another run may; `left` are scripts that then still run."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._is_over = threading.Event()
        self.was_locked = False
        self.left: list[str] = []

    def run(self) -> None:
        folder = state_dir(self._root) / "runs"
        while not self._is_over.wait(0.002):
            try:
                (path,) = folder.glob("*")
                file = path.open("rb")
            except (ValueError, FileNotFoundError):
                continue
            with file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.was_locked = True
                    fcntl.flock(file, fcntl.LOCK_EX)
                    self.left = alive(self._root)
                    return

    def end(self) -> None:
        self._is_over.set()
        self.join(PATIENCE)
        assert not self.is_alive(), "the run is still registered"


# prints a line before it calls us: until then, Python handles signals
STARTED = """
import sys
print("started", flush=True)
from git_spacy.__main__ import main
sys.argv[0] = "git-spacy"
main()
"""


@contextmanager
def command(root: Path, *words: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command line in its own process group and kill the group at the end."""

    child = subprocess.Popen(
        words, cwd=root, env=environ, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout
        assert child.stdout.readline() == "started\n"
        yield child
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.communicate()


def send(child: subprocess.Popen[str], number: int) -> None:
    """Send a signal to the process group, if it still exists."""

    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


class Programs(NamedTuple):
    """The ways to start git-spacy: directly, or by Git, which forwards signals."""

    directly: tuple[str, ...]
    by_git: tuple[str, ...]
    environ: dict[str, str]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    folder = tmp_path / "programs"
    (tmp_path / "temporary").mkdir()
    text = f"#!/bin/sh\nexec '{sys.executable}' -c '{STARTED}' \"$@\"\n"
    write(folder, {"git-spacy*": text})
    environ = {
        **os.environ, "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(tmp_path / "temporary"),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    return Programs((f"{folder}/git-spacy",), ("git", "spacy"), environ)


def random_times(rng: random.Random, longest: float) -> tuple[float, float]:
    """Choose the time of the first signal, and the delay of the second."""

    first = rng.uniform(0, longest)
    return first, rng.choice([0, rng.uniform(0, 0.02), rng.uniform(0, 0.5)])


@pytest.mark.threat("double-signals", commands="run")
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("program", ["directly", "by_git"])
def test_two_signals_at_any_time_leave_no_script_running(
    tmp_path: Path, programs: Programs, program: str, jobs: str, number: signal.Signals
) -> None:
    """A script once outlived the run lock in 8 of 140 attempts."""

    rng = random.Random(f"{program} {jobs} {number}")
    root = sleeping(tmp_path / "p")
    words = (*getattr(programs, program), "run", "all", "-j", jobs)
    begun = root / "begun"
    for round_number in range(2 * ROUNDS):
        begun.unlink(missing_ok=True)
        watch = Watch(root)
        watch.start()
        with command(root, *words, environ=programs.environ) as child:
            started = time.monotonic()
            if round_number % 2:
                while not (begun.exists() and watch.was_locked):
                    assert child.poll() is None, child.communicate()
                    time.sleep(0.001)
                longest = time.monotonic() - started
                first, gap = random_times(rng, 0.1)
            else:
                first, gap = random_times(rng, longest if round_number else 1.0)
            time.sleep(first)
            send(child, number)
            time.sleep(gap)
            send(child, number)
            _, err = child.communicate(timeout=PATIENCE)
            assert alive(root) == [], (first, gap, err)
        watch.end()
        assert watch.left == [], "the run lock was released before the scripts ended"
        # negative: Git dies of the signal, or Python does before we start
        assert child.returncode in (128 + number, -number), (child.returncode, first, gap, err)
        assert f'File "{PACKAGE}' not in err or child.returncode == -number, err
        assert sum(line.startswith("error: ") for line in err.splitlines()) <= 1, err
    assert watch.was_locked
    assert not (root / "project.lock").exists()


STALLING = (
    "assets: [{dest: a/file, url: 'URL/data'}, {dest: a/tree, git: {repo: 'URL/repo', path: ''}}]"
)


@pytest.mark.threat("double-signals", commands="assets clone")
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("program", ["directly", "by_git"])
@pytest.mark.parametrize("name", ["assets", "clone"])
def test_two_signals_at_any_time_end_a_command_that_waits_for_a_server(
    tmp_path: Path, programs: Programs, name: str, program: str, number: signal.Signals
) -> None:
    """`assets` once did not end in 21 of 250 attempts."""

    rng = random.Random(f"{name} {program} {number}")
    with Misbehaving() as server:
        for path in ("/data", "/repo/info/refs"):
            server.paths[path] = lambda exchange: exchange.stall(b"x" * 1000, after=100)
        root = project(repository(tmp_path / "p"), STALLING.replace("URL", server.url))
        git(root, "config", "spacy.ignore", "false")
        words = ("assets",) if name == "assets" else ("clone", f"{server.url}/repo", "new/dest")
        before = snapshot(root)
        longest = 1.0
        for round_number in range(2 * ROUNDS):
            server.asked.clear()
            with command(
                root, *getattr(programs, program), *words, environ=programs.environ
            ) as child:
                started = time.monotonic()
                first, gap = random_times(rng, longest)
                if round_number % 2:
                    while not server.asked:
                        assert child.poll() is None, child.communicate()
                        time.sleep(0.001)
                    longest = time.monotonic() - started
                    first, gap = random_times(rng, 0.1)
                time.sleep(first)
                send(child, number)
                time.sleep(gap)
                send(child, number)
                _, err = child.communicate(timeout=PATIENCE)
            assert child.returncode in (128 + number, -number), (child.returncode, first, gap, err)
            assert f'File "{PACKAGE}' not in err or child.returncode == -number, err
            now = snapshot(root)
            now.pop("a/", None)  # the folder of the assets
            now.pop("new/", None)
            assert now == before, (first, gap)
            gits = [line for line in lines_with(server.url) if line.startswith("git")]
            assert gits == [], "git outlived us"
            assert os.listdir(tmp_path / "temporary") == [], (first, gap)


def lines_with(text: str) -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode("utf-8", "replace").replace("\0", " ")
        except OSError:
            continue
        if text in line:
            lines.append(line)
    return lines


# In a child process: send two signals at the N-th call or return of our code before the first signal
# was handled (`first`), or after that (`second`), and report the number of such calls.
AT_EACH_CALL = """
import json, os, signal, sys
number, which, at, report = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
del sys.argv[1:5]
from git_spacy import interrupts
from git_spacy.__main__ import main
FILES = ("git_spacy/run/", "git_spacy/interrupts", "git_spacy/threads", "git_spacy/files",
         "git_spacy/state/run_lock", "git_spacy/cli/", "git_spacy/git/process", "git_spacy/assets/",
         "subprocess.py", "contextlib.py", "threading.py", "selectors.py")
count = 0
def look(frame, event, arg):
    global count
    state = interrupts._state
    if not state.is_handled or (state.count == 0) != (which == "first"):
        return
    if any(name in frame.f_code.co_filename for name in FILES):
        count += 1
        if count == at:
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), number)
sys.argv[0] = "git-spacy"
sys.setprofile(look)
try:
    main()
finally:
    sys.setprofile(None)
    with open(report, "w") as file:
        json.dump(count, file)
"""
SIGNAL_PARENT = "os.kill(os.getppid(), int(open('number').read()))"


def signal_at_call(
    root: Path, number: int, which: str, call: int, *words: str
) -> tuple[int, str, int]:
    """Run a command that gets two signals at a call; return exit code, stderr and number of calls.

    Checks that no process is left and that the run lock was held until they had ended.
    """

    report = root.parent / "calls"
    watch = Watch(root)
    watch.start()
    done = subprocess.run(
        (sys.executable, "-c", AT_EACH_CALL, str(int(number)), which, str(call), report, *words),
        cwd=root, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )  # fmt: skip
    assert alive(root) == [], (which, call)
    watch.end()
    assert watch.left == [], (which, call)
    return done.returncode, done.stderr, json.loads(report.read_text())


@pytest.mark.threat("double-signals", commands="run")
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("which", ["first", "second"])
def test_two_signals_at_any_call_leave_no_script_running(
    tmp_path: Path, which: str, jobs: str, number: signal.Signals
) -> None:
    """The script sends a signal when it starts, so `first` is before that and `second` during
    cleanup."""

    rng = random.Random(f"{which} {jobs} {number}")
    root = sleeping(tmp_path / "p", SIGNAL_PARENT)
    (root / "number").write_text(str(int(number)))
    words = ("run", "all", "-j", jobs)
    code, err, calls = signal_at_call(root, number, which, 0, *words)
    assert code == 128 + number, err
    assert calls > 100
    for _ in range(CALLS):
        call = rng.randrange(1, calls)
        code, err, _ = signal_at_call(root, number, which, call, *words)
        assert code == 128 + number, (call, err)
        last = [line for line in err.splitlines() if not line.startswith("hint: ")][-1]
        assert last.startswith(("error: interrupted", "error: terminated")), (call, err)
        assert f'File "{PACKAGE}' not in err, (call, err)
