"""What a signal does, and what the second and the third do, wherever they find the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy import interrupts
from git_spacy.errors import Interrupted
from tests.testing.projects import project

PACKAGE = Path(interrupts.__file__).parent
NUMBERS = [signal.SIGINT, signal.SIGTERM]


def signal_us(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_interrupts_and_the_second_does_not(number: int) -> None:
    with interrupts.handling():
        with pytest.raises(Interrupted) as caught:
            signal_us(number)
        assert caught.value.exit_code == 128 + number
        signal_us(number)
        assert not interrupts.is_urgent()
        signal_us(number)
        assert interrupts.is_urgent()


def test_it_is_no_failure_that_code_below_the_command_line_may_handle() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_signal_in_a_deferred_block_interrupts_at_its_end() -> None:
    done = []

    def work() -> None:
        with interrupts.deferred():
            signal_us()
            done.append("inner")
            with interrupts.deferred():
                done.append("innermost")
            done.append("to the end")
        done.append("not done")

    with interrupts.handling(), pytest.raises(Interrupted):
        work()
    assert done == ["inner", "innermost", "to the end"]


def test_it_interrupts_at_once_where_that_is_allowed_again() -> None:
    done = []
    with interrupts.handling(), interrupts.deferred():
        signal_us()
        with pytest.raises(Interrupted), interrupts.allowed():
            done.append("not done")
        signal_us()
        done.append("cleaned up")
    assert done == ["cleaned up"]


def test_one_that_failed_is_interrupted_all_the_same() -> None:
    def work() -> None:
        with interrupts.deferred():
            signal_us()
            raise ValueError

    with interrupts.handling(), pytest.raises(Interrupted) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_after_an_accepted_signal_its_echo_does_nothing_and_the_next_begins_anew() -> None:
    with interrupts.handling():
        with pytest.raises(Interrupted):
            signal_us()
        interrupts.accept()
        signal_us()  # the same Ctrl-C, passed on by Git
        assert not interrupts.is_urgent()
        with pytest.raises(Interrupted):
            signal_us()
    with interrupts.handling():
        with pytest.raises(Interrupted):
            signal_us()
        interrupts.accept()
        interrupts.rearm()
        with pytest.raises(Interrupted):
            signal_us()
        signal_us()
    with interrupts.handling():
        with pytest.raises(Interrupted):
            signal_us()
        interrupts.accept()
        with pytest.raises(Interrupted) as caught:
            signal_us(signal.SIGTERM)  # which no Ctrl-C sends
        assert caught.value.exit_code == 143


def test_waiting_ends_with_the_third_signal() -> None:
    def never() -> bool:
        signal_us()
        return False

    with interrupts.handling(), pytest.raises(Interrupted), interrupts.deferred():
        assert not interrupts.wait_until(never, 3600)
    assert interrupts.wait_until(lambda: True, 0)


@pytest.mark.parametrize("kind", ["a destructor", "a weak reference", "a generator"])
def test_a_signal_is_not_lost_where_python_drops_exceptions(kind: str) -> None:
    import weakref

    class Sends:
        def __del__(self) -> None:
            if kind == "a destructor":
                signal_us()

    def generator() -> object:
        try:
            yield
        finally:
            signal_us()

    def work() -> None:
        made = Sends()
        reference = weakref.ref(made, lambda _: signal_us())
        if kind == "a destructor":
            del reference
        if kind == "a generator":
            reference = generator()  # type: ignore[assignment]
            next(reference)  # type: ignore[call-overload]
            del reference
        else:
            del made
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.01)

    with interrupts.handling(), pytest.raises(Interrupted):
        work()


def test_what_was_ignored_stays_ignored_and_what_was_handled_is_given_back() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.handling():
            signal_us()
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# Two signals in a row at exact places of a real command, which prints one line and exits with its code.
PLACES = {
    "an import": "import builtins\nreal = builtins.__import__\n"
    "def load(name, *rest, **more):\n"
    "    if name == 'git_spacy.run.scheduler': send()\n"
    "    return real(name, *rest, **more)\n"
    "builtins.__import__ = load\n",
    "after the script has begun": "import subprocess\nreal = subprocess.Popen.__init__\n"
    "def begin(self, *rest, **more):\n"
    "    real(self, *rest, **more)\n"
    "    send()\n"
    "subprocess.Popen.__init__ = begin\n",
    "before the script begins": "import subprocess\nreal = subprocess.Popen.__init__\n"
    "def begin(self, *rest, **more):\n"
    "    send()\n"
    "    real(self, *rest, **more)\n"
    "subprocess.Popen.__init__ = begin\n",
    "while the script ends": "from git_spacy.run import foreground\nreal = foreground.end_groups\n"
    "def end(*rest):\n"
    "    send()\n"
    "    real(*rest)\n"
    "foreground.end_groups = end\n",
    "while the run lock is released": "from git_spacy.state import run_lock\n"
    "real = run_lock.project_lock\n"
    "import contextlib\n"
    "@contextlib.contextmanager\n"
    "def held(*rest, **more):\n"
    "    with real(*rest, **more):\n"
    "        try: yield\n"
    "        finally: send()\n"
    "run_lock.project_lock = held\n",
    "while the error is printed": "from git_spacy import cli\nreal = cli._say_error\n"
    "def say(text):\n"
    "    send()\n"
    "    real(text)\n"
    "cli._say_error = say\n",
}
START = """
import os, sys
number = int(sys.argv[1])
del sys.argv[1]
def send():
    try:
        os.kill(os.getpid(), number)
    finally:
        os.kill(os.getpid(), number)
PLACE
from git_spacy.__main__ import main
sys.argv[0] = "git-spacy"
main()
"""
SCRIPT = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\n"
    "os.kill(os.getppid(), int(sys.argv[1]))\n"
    "time.sleep(600)\n"
)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", PLACES)
def test_two_signals_at_exact_places_leave_no_script_and_print_one_line(
    tmp_path: Path, place: str, number: signal.Signals
) -> None:
    made = project(
        tmp_path,
        f"commands: [{{name: c, script: ['python s.py {int(number)}'], outputs: [out]}}]",
        {"s.py": SCRIPT},
    )
    done = subprocess.run(
        (sys.executable, "-c", START.replace("PLACE", PLACES[place]), str(int(number)), "run", "c"),
        cwd=made, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said == ["error: interrupted" if number == signal.SIGINT else "error: terminated"]
    assert f'File "{PACKAGE}' not in done.stderr
    if (made / "pids").exists():
        for pid in (made / "pids").read_text().split():
            assert not is_alive(int(pid)), "the script outlives us"
    assert not (made / "project.lock").exists()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("number", NUMBERS)
def test_a_hook_says_that_it_was_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    place = (
        "from git_spacy import hook\nhook._run = lambda _: send()\n"
        "sys.argv[0] = 'git-spacy-hook'\nsys.exit(hook.main())\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", START.replace("PLACE", place), str(int(number)), "all"),
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    assert done.stderr in ("error: interrupted\n", "error: terminated\n")


def test_a_signal_while_a_class_is_made_is_an_interruption_and_not_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 raises a RuntimeError from what is raised in `__set_name__`."""

    from git_spacy import cli
    from git_spacy.errors import Interrupted

    def interrupted(*_: object) -> None:
        raise RuntimeError("Error calling __set_name__") from Interrupted(signal.SIGTERM)

    monkeypatch.setattr(cli.group, "invoke", interrupted)
    assert cli.main(["status"]) == 143
    assert capfd.readouterr().err == "error: terminated\n"
