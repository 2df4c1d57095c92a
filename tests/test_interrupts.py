"""The first, second and third signal, wherever they arrive in a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import pytest

from git_spacy import interrupts
from git_spacy.errors import Interrupted
from tests.testing.projects import project
from tests.testing.waiting import PATIENCE

PACKAGE = Path(interrupts.__file__).parent
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def send_signal(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_interrupts_and_the_second_does_not(number: int) -> None:
    with interrupts.handling():
        with pytest.raises(Interrupted) as caught:
            send_signal(number)
        assert caught.value.exit_code == 128 + number
        send_signal(number)
        assert not interrupts.is_urgent()
        send_signal(number)
        assert interrupts.is_urgent()


def test_an_interrupt_is_not_an_exception_that_other_code_handles() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_signal_in_a_deferred_block_interrupts_at_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with interrupts.deferred():
            send_signal()
            done.append("inner")
            with interrupts.deferred():
                done.append("innermost")
            done.append("to the end")
        done.append("not done")

    with interrupts.handling(), pytest.raises(Interrupted):
        work()
    assert done == ["inner", "innermost", "to the end"]


def test_a_signal_in_an_allowed_block_interrupts_at_once() -> None:
    done = []
    with interrupts.handling(), interrupts.deferred():
        send_signal()
        with pytest.raises(Interrupted), interrupts.allowed():
            done.append("not done")
        send_signal()
        done.append("cleaned up")
    assert done == ["cleaned up"]


def test_a_deferred_block_that_fails_is_interrupted_all_the_same() -> None:
    def work() -> None:
        with interrupts.deferred():
            send_signal()
            raise ValueError

    with interrupts.handling(), pytest.raises(Interrupted) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_a_second_signal_that_is_not_a_copy_of_the_first_ends_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interrupts, "_FORWARDING_SECONDS", -1)
    with interrupts.handling():
        with pytest.raises(Interrupted):
            send_signal()
        assert not interrupts.is_urgent()
        send_signal()
        assert interrupts.is_urgent()


def test_the_third_signal_ends_waiting() -> None:
    def never() -> bool:
        send_signal()
        return False

    with interrupts.handling(), pytest.raises(Interrupted), interrupts.deferred():
        assert not interrupts.wait_until(never, 3600)
    assert interrupts.wait_until(lambda: True, 0)


@pytest.mark.parametrize("kind", ["a destructor", "a weak reference", "a generator"])
def test_a_signal_is_not_lost_where_python_drops_exceptions(kind: str) -> None:
    import weakref

    class SendsSignal:
        def __del__(self) -> None:
            if kind == "a destructor":
                send_signal()

    def generator() -> object:
        try:
            yield
        finally:
            send_signal()

    def work() -> None:
        sender = SendsSignal()
        reference = weakref.ref(sender, lambda _: send_signal())
        if kind == "a destructor":
            del reference
        if kind == "a generator":
            reference = generator()  # type: ignore[assignment]
            next(reference)  # type: ignore[call-overload]
            del reference
        else:
            del sender
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.01)

    with interrupts.handling(), pytest.raises(Interrupted):
        work()


def test_a_signal_that_does_not_wake_the_main_thread_ends_its_wait_for_a_queue() -> None:
    """A signal sent to another thread does not end the system call that the main thread waits in,
    and neither does one that arrives just before the call."""

    items: SimpleQueue[str] = SimpleQueue()
    interrupted = threading.Event()
    late: list[str] = []

    def send() -> None:
        time.sleep(0.1)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not interrupted.wait(PATIENCE / 10):
            late.append("the wait was not interrupted")
            items.put("")

    with interrupts.handling():
        threading.Thread(target=send, daemon=True).start()
        with pytest.raises(Interrupted):
            interrupts.get(items)
    interrupted.set()
    assert late == []


def test_an_ignored_signal_stays_ignored_and_previous_handlers_are_restored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.handling():
            send_signal()
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# Code that sends two signals in a row at an exact moment of a real command.
MOMENTS = {
    "an import": "import builtins\nreal = builtins.__import__\n"
    "def load(name, *rest, **more):\n"
    "    if name == 'git_spacy.run.scheduler': send()\n"
    "    return real(name, *rest, **more)\n"
    "builtins.__import__ = load\n",
    "after the script started": "import subprocess\nreal = subprocess.Popen.__init__\n"
    "def start(self, *rest, **more):\n"
    "    real(self, *rest, **more)\n"
    "    send()\n"
    "subprocess.Popen.__init__ = start\n",
    "before the script starts": "import subprocess\nreal = subprocess.Popen.__init__\n"
    "def start(self, *rest, **more):\n"
    "    send()\n"
    "    real(self, *rest, **more)\n"
    "subprocess.Popen.__init__ = start\n",
    "while the script ends": "from git_spacy.run import foreground\nreal = foreground.end_groups\n"
    "def end(*rest):\n"
    "    send()\n"
    "    real(*rest)\n"
    "foreground.end_groups = end\n",
    "while the run lock is released": "from git_spacy.state import run_lock\n"
    "real = run_lock.project_lock\n"
    "import contextlib\n"
    "@contextlib.contextmanager\n"
    "def locked(*rest, **more):\n"
    "    with real(*rest, **more) as registration:\n"
    "        try: yield registration\n"
    "        finally: send()\n"
    "run_lock.project_lock = locked\n",
    "while the error is printed": "from git_spacy.cli import main\nreal = main._print_error\n"
    "def print_error(text):\n"
    "    send()\n"
    "    real(text)\n"
    "main._print_error = print_error\n",
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
HOOK
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


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_two_signals_leave_no_script_running_and_print_one_line(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    root = project(
        tmp_path,
        f"commands: [{{name: c, script: ['python s.py {int(number)}'], outputs: [out]}}]",
        {"s.py": SCRIPT},
    )
    completed = subprocess.run(
        (sys.executable, "-c", START.replace("HOOK", MOMENTS[moment]), str(int(number)), "run", "c"),
        cwd=root, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert completed.returncode == 128 + number, completed.stderr
    errors = [line for line in completed.stderr.splitlines() if line.startswith("error: ")]
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert [line.partition(" while ")[0] for line in errors] == [f"error: {word}"]
    assert f'File "{PACKAGE}' not in completed.stderr
    if (root / "pids").exists():
        for pid in (root / "pids").read_text().split():
            assert not is_alive(int(pid)), "the script is still running"
    assert not (root / "project.lock").exists()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_hook_prints_one_line(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "from git_spacy import hook\nhook._run = lambda _: send()\n"
        "sys.argv[0] = 'git-spacy-hook'\nsys.exit(hook.main())\n"
    )
    completed = subprocess.run(
        (sys.executable, "-c", START.replace("HOOK", code), str(int(number)), "all"),
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert completed.returncode == 128 + number, completed.stderr
    assert completed.stderr in ("error: interrupted\n", "error: terminated\n")


def test_a_signal_while_python_creates_a_class_is_not_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 wraps exceptions raised in `__set_name__` in a RuntimeError."""

    from git_spacy.cli.group import group
    from git_spacy.cli.main import main
    from git_spacy.errors import Interrupted

    def interrupted(*_: object) -> None:
        raise RuntimeError("Error calling __set_name__") from Interrupted(signal.SIGTERM)

    monkeypatch.setattr(group, "invoke", interrupted)
    assert main(["-C", ".", "log"]) == 143
    assert capfd.readouterr().err == "error: terminated\n"


def test_a_process_that_ends_soon_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert interrupts.wait_until(lambda: len(pauses) == 9, 3600)
    assert pauses[0] < 0.001
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.02, "one that does not end soon is asked seldom"
