"""Threat model: double-signals: two signals to the whole process group, at any place of a command.

Git passes on to us the signals that its group gets, so Ctrl-C means two of them. Whatever happens
then, scripts end before the run lock is released, and nothing outlives the command.
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
from git_spacy.state.stat_cache import state_dir
from tests.testing.misbehaving import Misbehaving
from tests.testing.projects import project, snapshot
from tests.testing.repositories import git, repository, write
from tests.testing.waiting import PATIENCE

ROUNDS = int(os.environ.get("GIT_SPACY_STRESS_ROUNDS", "1"))
PACKAGE = Path(cli.__file__).parents[1]
NUMBERS = [signal.SIGINT, signal.SIGTERM]

# a script with a child of its own; both have MARK among their arguments
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
    """The command lines of processes that have `mark` among their arguments: scripts."""

    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if str(mark) in words:
            found.append(" ".join(words))
    return found


class Watch(threading.Thread):
    """Waits for the run lock of a project as another run does; what still ran when it was free."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._is_over = threading.Event()
        self.had_it = False
        self.left: list[str] = []

    def run(self) -> None:
        path = state_dir(self._root) / "run.lock"
        while not self._is_over.wait(0.002):
            if not path.exists():
                continue
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.had_it = True
                    fcntl.flock(file, fcntl.LOCK_EX)
                    self.left = alive(self._root)
                    return

    def end(self) -> None:
        self._is_over.set()
        self.join(PATIENCE)
        assert not self.is_alive(), "somebody still has the run lock"


# it says when Python has started: until then a signal is Python's to complain of
STARTED = """
import sys
print("started", flush=True)
from git_spacy.__main__ import main
sys.argv[0] = "git-spacy"
main()
"""


@contextmanager
def command(root: Path, *words: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command line in a process group of its own, which is gone at the end, once it is ours."""

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
    """To the whole group; it may have ended."""

    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


class Ways(NamedTuple):
    """How a command line is started: `git-spacy …`, or `git spacy …`, where Git passes signals on."""

    directly: tuple[str, ...]
    by_git: tuple[str, ...]
    environ: dict[str, str]


@pytest.fixture
def ways(tmp_path: Path) -> Ways:
    programs = tmp_path / "programs"
    (tmp_path / "temporary").mkdir()
    text = f"#!/bin/sh\nexec '{sys.executable}' -c '{STARTED}' \"$@\"\n"
    write(programs, {"git-spacy*": text})
    environ = {
        **os.environ, "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(tmp_path / "temporary"),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    return Ways((f"{programs}/git-spacy",), ("git", "spacy"), environ)


def instants(chance: random.Random, longest: float) -> tuple[float, float]:
    """When the first signal comes, and how long after that the second."""

    first = chance.uniform(0, longest)
    return first, chance.choice([0, chance.uniform(0, 0.02), chance.uniform(0, 0.5)])


@pytest.mark.threat("double-signals", commands="run")
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("way", ["directly", "by_git"])
def test_two_signals_at_any_time_leave_no_script(
    tmp_path: Path, ways: Ways, way: str, jobs: str, number: signal.Signals
) -> None:
    """Issue 17, C14: 8 of 140 times the script ran on, the run lock free."""

    chance = random.Random(f"{way} {jobs} {number}")
    root = sleeping(tmp_path / "p")
    words = (*getattr(ways, way), "run", "all", "-j", jobs)
    begun = root / "begun"
    for each in range(2 * ROUNDS):
        begun.unlink(missing_ok=True)
        watch = Watch(root)
        watch.start()
        with command(root, *words, environ=ways.environ) as child:
            started = time.monotonic()
            if each % 2:
                while not (begun.exists() and watch.had_it):
                    assert child.poll() is None, child.communicate()
                    time.sleep(0.001)
                longest = time.monotonic() - started
                first, gap = instants(chance, 0.1)
            else:
                first, gap = instants(chance, longest if each else 1.0)
            time.sleep(first)
            send(child, number)
            time.sleep(gap)
            send(child, number)
            _, err = child.communicate(timeout=PATIENCE)
            assert alive(root) == [], (first, gap, err)
        watch.end()
        assert watch.left == [], "the run lock was free before the scripts had ended"
        # negative: Git, which ends as it was told to, or Python before there is any of us
        assert child.returncode in (128 + number, -number), (child.returncode, first, gap, err)
        assert f'File "{PACKAGE}' not in err or child.returncode == -number, err
        assert sum(line.startswith("error: ") for line in err.splitlines()) <= 1, err
    assert watch.had_it
    assert not (root / "project.lock").exists()


STALLING = (
    "assets: [{dest: a/file, url: 'URL/data'}, {dest: a/tree, git: {repo: 'URL/repo', path: ''}}]"
)


@pytest.mark.threat("double-signals", commands="assets clone")
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("way", ["directly", "by_git"])
@pytest.mark.parametrize("verb", ["assets", "clone"])
def test_two_signals_at_any_time_end_what_waits_for_a_server(
    tmp_path: Path, ways: Ways, verb: str, way: str, number: signal.Signals
) -> None:
    """Issue 17, C14: 21 of 250 `assets` did not end."""

    chance = random.Random(f"{verb} {way} {number}")
    with Misbehaving() as server:
        for path in ("/data", "/repo/info/refs"):
            server.paths[path] = lambda exchange: exchange.stall(b"x" * 1000, after=100)
        root = project(repository(tmp_path / "p"), STALLING.replace("URL", server.url))
        git(root, "config", "spacy.ignore", "false")
        words = ("assets",) if verb == "assets" else ("clone", f"{server.url}/repo", "new/dest")
        before = snapshot(root)
        longest = 1.0
        for each in range(2 * ROUNDS):
            server.asked.clear()
            with command(root, *getattr(ways, way), *words, environ=ways.environ) as child:
                started = time.monotonic()
                first, gap = instants(chance, longest)
                if each % 2:
                    while not server.asked:
                        assert child.poll() is None, child.communicate()
                        time.sleep(0.001)
                    longest = time.monotonic() - started
                    first, gap = instants(chance, 0.1)
                time.sleep(first)
                send(child, number)
                time.sleep(gap)
                send(child, number)
                _, err = child.communicate(timeout=PATIENCE)
            assert child.returncode in (128 + number, -number), (child.returncode, first, gap, err)
            assert f'File "{PACKAGE}' not in err or child.returncode == -number, err
            now = snapshot(root)
            now.pop("a/", None)  # the folder that was to hold the assets
            now.pop("new/", None)
            assert now == before, (first, gap)
            gits = [line for line in lines_with(server.url) if line.startswith("git")]
            assert gits == [], "git goes on without us"
            assert os.listdir(tmp_path / "temporary") == [], (first, gap)


def lines_with(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode("utf-8", "replace").replace("\0", " ")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


# In a child: send the signal at the N-th call or return of our own code before the first signal has
# come (`first`), or after that (`second`), and write down how many there are.
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
TELL = "os.kill(os.getppid(), int(open('number').read()))"


def at(root: Path, number: int, which: str, place: int, *words: str) -> tuple[int, str, int]:
    """Exit code and stderr of a command that gets two signals at this place, and the number of
    places; no process is left of it, and the run lock was held until then."""

    report = root.parent / "places"
    watch = Watch(root)
    watch.start()
    done = subprocess.run(
        (sys.executable, "-c", AT_EACH_CALL, str(int(number)), which, str(place), report, *words),
        cwd=root, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )  # fmt: skip
    assert alive(root) == [], (which, place)
    watch.end()
    assert watch.left == [], (which, place)
    return done.returncode, done.stderr, json.loads(report.read_text())


@pytest.mark.threat("double-signals", commands="run")
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("which", ["first", "second"])
def test_a_signal_at_each_call_of_ours_leaves_no_script(
    tmp_path: Path, which: str, jobs: str, number: signal.Signals
) -> None:
    """The script itself sends one once it runs: so the first one comes at any place before that,
    the second one at any place of the cleaning up."""

    chance = random.Random(f"{which} {jobs} {number}")
    root = sleeping(tmp_path / "p", TELL)
    (root / "number").write_text(str(int(number)))
    words = ("run", "all", "-j", jobs)
    code, err, places = at(root, number, which, 0, *words)
    assert code == 128 + number, err
    assert places > 100
    for _ in range(3 * ROUNDS):
        place = chance.randrange(1, places)
        code, err, _ = at(root, number, which, place, *words)
        assert code == 128 + number, (place, err)
        assert err.endswith(("error: interrupted\n", "error: terminated\n")), (place, err)
        assert f'File "{PACKAGE}' not in err, (place, err)
