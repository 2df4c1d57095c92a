"""The logs of runs: what is kept of what scripts print, and what the scripts notice of it."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from git_spacy.cli.main import main
from git_spacy.history import run_logs
from tests.testing.faults import on_full_disk
from tests.testing.preloaded import SOURCE
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git, repository
from tests.testing.terminal import at_terminal, read_until, wait_for_exit
from tests.testing.waiting import PATIENCE, wait_until

PROJECT = """\
env:
  TOKEN: LOG_TOKEN
vars:
  n: 1
commands:
  - name: train
    script:
      - "python train.py ${vars.n}"
      - "echo ${env.TOKEN} >token.txt"
    deps: [train.py]
    outputs: [model.txt]
  - name: fail
    script: ["python fail.py"]
  - name: silent
    script: ["false"]
  - name: endless
    script: ["yes"]
  - name: ask
    script: ["python ask.py"]
  - name: background
    script: ["sh background.sh"]
workflows:
  all: [train, fail]
"""
FILES: dict[str, str | bytes] = {
    "train.py": (
        "import os, sys\n"
        "os.write(1, b'loss 0.5\\n'); os.write(2, b'\\x1b[31mwarning\\x1b[0m\\n')\n"
        "os.write(1, b'\\xff 10%\\r100%')\n"
        "open('model.txt', 'w').write(sys.argv[1])\n"
    ),
    "fail.py": "print('about to fail', flush=True)\nraise SystemExit(3)\n",
    "ask.py": (
        "import os, signal, sys\n"
        # not print: the next signal may come while it is at work, and no stream can be entered twice
        "def resized(*_): os.write(1, b'size %d\\n' % os.get_terminal_size(1).columns)\n"
        "signal.signal(signal.SIGWINCH, resized)\n"
        "print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), flush=True)\n"
        "print('hello', input('name? '), flush=True)\n"
        "while True: signal.pause()\n"
    ),
    "background.sh": "(while ! [ -e go ]; do sleep 0.05; done; echo late) &\necho early\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = project(tmp_path / "p", PROJECT, FILES)
    repository(root)
    return root


def logs(root: Path) -> list[Path]:
    return sorted(run_logs.log_folder(root).glob("*"))


@pytest.mark.threat("logged-output", "environment-values", commands="run")
def test_the_output_of_a_run_is_kept_byte_for_byte_and_without_secrets(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_TOKEN", "hunter2")
    run = start(root, "run", "all", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    shown = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode == 3
    assert b"loss 0.5\n\x1b[31mwarning\x1b[0m\n\xff 10%\r100%" in shown  # in order
    assert shown.endswith(b"hint: git spacy show --log fail\n")
    train, fail = logs(root)
    begin, *lines, end, _ = train.read_bytes().split(b"\n")
    assert begin.startswith(b"==> train: running since 20")
    assert lines == [
        b"$ python train.py 1",
        b"loss 0.5",
        b"\x1b[31mwarning\x1b[0m",
        b"\xff 10%\r100%",
        b"$ echo ${LOG_TOKEN-} >token.txt",
    ]
    assert end.startswith(b"==> train: done in ")
    assert b"\nabout to fail\n==> fail: failed (" in fail.read_bytes()
    assert b"hunter2" not in train.read_bytes()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (train, fail)] == [0o600, 0o600]
    assert spacy("run", "all", cwd=root).code == 3  # `train` is skipped: no further log
    assert len(logs(root)) == 3


def test_nothing_is_kept_if_the_user_does_not_want_it(root: Path, spacy: Spacy) -> None:
    assert "show --log" not in spacy("run", "fail", "--no-log", cwd=root).err
    git(root, "config", "spacy.log", "false")
    assert "show --log" not in spacy("run", "fail", "-j2", cwd=root).err
    assert spacy("run", "--dry", "--log", "train", cwd=root).code == 0
    assert logs(root) == []
    done = spacy("run", "silent", "--log", cwd=root)  # it prints nothing
    assert done.code == 1
    assert "show --log" not in done.err
    assert len(logs(root)) == 1
    git(root, "config", "spacy.log", "maybe")
    assert spacy("run", "fail", cwd=root).code == 2


def test_parallel_runs_and_variants_have_logs_of_their_own(root: Path, spacy: Spacy) -> None:
    text = (root / "project.yml").read_text().replace("model.txt", "'model-${vars.n}.txt'")
    (root / "project.yml").write_text(text)
    (root / "train.py").write_text(
        "import sys\nprint('n is', sys.argv[1])\nif sys.argv[1] == '3': sys.exit(4)\n"
        "open(f'model-{sys.argv[1]}.txt', 'w').write('x')\n"
    )
    done = spacy("run", "train", "--matrix", "vars.n=1,2,3", "-j2", "-k", cwd=root)
    assert done.code == 4
    hint = done.err.rpartition("hint: ")[2].strip()
    assert hint == "git spacy show --log 'train --vars.n 3'"
    assert "\nn is 3\n" in spacy("show", "--log", "train --vars.n 3", cwd=root).out
    assert "\nn is 2\n" in spacy("show", "--log", "train --vars.n 2", cwd=root).out
    assert len(logs(root)) == 3
    everything = spacy("show", "HEAD", "--log", cwd=root).out
    assert sorted(line for line in everything.splitlines() if line.startswith("n is")) == [
        "n is 1", "n is 2", "n is 3",
    ]  # fmt: skip


def set_size(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))


def test_with_a_log_a_script_still_has_the_terminal(root: Path) -> None:
    pid, terminal = at_terminal(root, "run", "ask", "--log")
    shown = read_until(terminal, "name? ")
    assert "True True True" in shown
    os.write(terminal, b"Kim\n")
    assert "\r\r" not in read_until(terminal, "hello Kim\r\n")
    set_size(terminal, 88)
    read_until(terminal, "size 88")
    os.write(terminal, b"\x1a")  # Ctrl-Z stops both
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(pid, signal.SIGCONT)
    set_size(terminal, 99)
    read_until(terminal, "size 99")  # it goes on
    os.write(terminal, b"\x03")
    code, _ = wait_for_exit(pid, terminal)
    assert code == 130
    (log,) = logs(root)
    text = log.read_text()
    assert "True True True\nname? hello Kim\nsize" in text  # what was typed is not in it
    assert "KeyboardInterrupt\n==> ask: interrupted\n" in text


def test_at_a_terminal_nothing_is_kept_by_default(root: Path) -> None:
    code, shown = wait_for_exit(*at_terminal(root, "run", "fail"))
    assert (code, "show --log" in shown, logs(root)) == (3, False, [])
    git(root, "config", "spacy.log", "true")
    code, shown = wait_for_exit(*at_terminal(root, "run", "fail"))
    assert (code, "hint: git spacy show --log fail" in shown, len(logs(root))) == (3, True, 1)
    code, shown = wait_for_exit(*at_terminal(root, "run", "-j2", "silent", "fail", "-k"))
    assert (code, len(logs(root))) == (1, 3)


def start(root: Path, *arguments: str, **options: int) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "git_spacy", *arguments)
    environ = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen(command, cwd=root, env=environ, **options)


def test_a_background_process_keeps_printing_where_it_printed_without_a_log(root: Path) -> None:
    run = start(root, "run", "background", stdout=subprocess.PIPE)
    assert run.wait(PATIENCE) == 0
    assert "early\n==> background: done" in logs(root)[0].read_text()
    (root / "go").touch()
    assert run.communicate(timeout=PATIENCE)[0] == b"early\nlate\n"


def test_a_script_whose_output_nobody_reads_ends_as_without_a_log(root: Path) -> None:
    reading, writing = os.pipe()
    run = start(root, "run", "endless", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert os.read(reading, 4) == b"y\ny\n"
    os.close(reading)
    err = run.communicate(timeout=PATIENCE)[1]
    assert run.returncode == 128 + signal.SIGPIPE
    assert b"was killed by SIGPIPE" in err


def test_a_killed_run_leaves_a_log(root: Path, spacy: Spacy) -> None:
    (root / "fail.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    run = start(root, "run", "fail", stdout=subprocess.DEVNULL)
    wait_until(lambda: bool(logs(root)) and "begun" in logs(root)[0].read_text(), "a log")
    run.kill()
    run.wait(PATIENCE)
    assert spacy("show", "--log", "fail", cwd=root).out.endswith("$ python fail.py\nbegun\n")


@pytest.mark.threat("logged-output", "full-disks", commands="run")
def test_a_log_that_cannot_be_written_is_one_warning(root: Path, spacy: Spacy) -> None:
    folder = run_logs.log_folder(root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")  # where the folder should be
    done = spacy("run", "train", "fail", "-k", cwd=root)
    assert done.code == 3
    assert done.err.count("warning: output not logged: ") == 1
    assert "show --log" not in done.err
    folder.unlink()
    (root / "train.py").write_text(FILES["train.py"] + "print('x' * 200_000)\n")

    def run() -> int:
        os.chdir(root)
        for descriptor in (1, 2):  # not a file, whose size would be limited, too
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        return main(["run", "train"])

    assert on_full_disk(100_000, run) == 0
    assert 0 < logs(root)[0].stat().st_size <= 100_000
    assert (root / "model.txt").read_text() == "1"


@pytest.mark.threat("logged-output", commands="run")
def test_each_run_removes_the_oldest_logs_but_not_after_each_command(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{number}" for number in range(20)]
    commands = "".join(f"  - {{name: {name}, script: [echo {name}]}}\n" for name in names)
    root = repository(tmp_path)
    project(root, f"commands:\n{commands}workflows: {{all: [{', '.join(names)}]}}\n")
    monkeypatch.setattr(run_logs, "MAX_LOGS", 3)
    removals: list[Path] = []
    remove_oldest = run_logs.remove_oldest
    monkeypatch.setattr(
        run_logs, "remove_oldest", lambda root: [removals.append(root), remove_oldest(root)]
    )
    assert spacy("run", "all", cwd=root).code == 0
    assert len(removals) == 2
    assert len(list(run_logs.log_folder(root).iterdir())) < len(names)
    assert spacy("run", "c0", cwd=root).code == 0
    assert len(list(run_logs.log_folder(root).iterdir())) == 3
