"""Commands wait for a run whose files they would change or read half-written; no others do.

Threat model: concurrent-runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy import cli
from git_spacy.lock import lock_format
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git

TEXT = """\
remotes: {default: REMOTE}
assets: [{dest: fetched, url: make.py}, {dest: other, url: make.py}]
commands:
  - {name: slow, script: ["python wait.py out/slow.txt"], deps: [wait.py, fetched], outputs: [out/slow.txt]}
  - {name: serve, script: ["python wait.py"], deps: [model]}
  - {name: all, script: ["python make.py"], deps: [make.py], outputs: [model]}
workflows: {every: [slow, all]}
"""
WAIT = """\
import pathlib, sys, time
output = pathlib.Path(*sys.argv[1:])
pathlib.Path(f"begun-{output.stem}").touch()
while not pathlib.Path("go").exists(): time.sleep(0.02)
if sys.argv[1:]:
    output.parent.mkdir(exist_ok=True)
    output.write_text("made")
"""
MAKE = "import os\nos.makedirs('model', exist_ok=True)\nopen('model/a', 'w').write('x')\n"
WAITING = (
    "run slow", "run every -j 2", "run slow --restore", "run slow --force", "run serve",
    "run slow --executor ray", "assets", "push", "pull", "restore", "lock record slow", "cache gc",
)  # fmt: skip
NOT_WAITING = (
    "run all --force", "run all -j 2", "run all --restore", "assets other", "clean all --force",
    "pull model", "push model", "lock record all",
)  # fmt: skip
READING = (
    "status",
    "check",
    "log",
    "graph",
    "resolved",
    "ignore",
    "document",
    "dvc",
    "run all --dry",
    "run slow --dry",
    "cache status",
    "doctor",
)


def start(root: Path, words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "git_spacy", *words.split()), cwd=root, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )  # fmt: skip


def wait_message(command: subprocess.Popen[str], words: str) -> str:
    """Return the message of a process that waits for a command of another, which it has to print.

    On a busy machine, it may say first that it waits until others have registered.
    """

    assert command.stderr is not None
    line = command.stderr.readline()
    while line and "Waiting for '" not in line:
        line = command.stderr.readline()
    assert line, words
    return line


@pytest.mark.threat("concurrent-runs")
@pytest.mark.slow
def test_commands_wait_for_a_run_that_uses_their_files_and_others_do_not(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(
        tmp_path / "p",
        TEXT.replace("REMOTE", str(tmp_path / "remote")),
        {"wait.py": WAIT, "make.py": MAKE, "go": ""},
    )
    git(root, "init", "-q")
    (root / ".gitignore").write_text("/go\n/begun-*\n/out\n/model\n/fetched\n/other\n")
    for words in ("assets", "run every --restore", "push"):
        done = spacy(*words.split(), cwd=root)
        assert done.code == 0, done.err
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    (root / "go").unlink()
    for path in root.glob("begun-*"):
        path.unlink()
    running = {words: start(root, words) for words in ("run slow --force", "run serve")}
    for name, command in zip(("begun-slow", "begun-"), running.values(), strict=True):
        while not (root / name).exists():
            assert command.poll() is None
            time.sleep(0.02)
    clean = start(root, "clean out/slow.txt --force")
    waiting = {words: start(root, words) for words in WAITING}
    for words in READING + NOT_WAITING:
        done = spacy(*words.split(), cwd=root)
        assert done.code in (0, 1), (words, done.err)
        assert "Waiting" not in done.err, words
    for words in ("run slow --no-wait", "run serve --no-wait", "assets --no-wait"):
        done = spacy(*words.split(), cwd=root)
        assert done.code == 75, (words, done)
        name = "serve" if "serve" in words else "slow"
        (holder,) = (one for typed, one in running.items() if f"run {name}" in typed)
        assert f"locked by '{name}' (git spacy run {name}" in done.err
        assert f"hint: wait for it, or stop it: kill {holder.pid}" in done.err
    # each prints that it waits, and none has ended
    for words, command in waiting.items():
        wait_message(command, words)
        assert command.poll() is None, words
    message = wait_message(clean, "clean")
    if "run slow" not in message:  # it has waited for another one first
        message = wait_message(clean, "clean")
    assert (
        f"'slow' (git spacy run slow --force, process {running['run slow --force'].pid}" in message
    )
    assert "which writes 'out/slow.txt'" in message
    clean.terminate()
    assert clean.wait(60) == 143
    assert clean.stderr is not None
    clean.stderr.close()
    (root / "go").touch()
    for words, command in (*running.items(), *waiting.items()):
        _, err = command.communicate(timeout=120)
        assert command.returncode == 0, (words, err)
    assert sorted(lock_format.read(root)) == ["all", "slow"]
    assert (root / "out/slow.txt").read_text() == "made"


@pytest.mark.threat("concurrent-runs", commands="run clean")
@pytest.mark.slow
def test_beside_a_server_its_model_is_trained_anew_even_if_the_training_is_killed(
    tmp_path: Path, spacy: Spacy
) -> None:
    """The entry of the server, which has no outputs, has the md5 of the model that it loaded. In
    another worktree nothing is locked."""

    train = MAKE + "import sys, wait\n"
    root = project(
        tmp_path / "p",
        TEXT.replace("python make.py", "python train.py").replace("make.py]", "train.py]"),
        {"wait.py": WAIT, "make.py": MAKE, "train.py": MAKE, ".gitignore": "/model\n"},
    )
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    assert spacy("run", "all", cwd=root).code == 0
    (first,) = lock_format.read(root)["all"].outs
    server = start(root, "run serve")
    begun = root / "begun-"
    while not begun.exists():
        assert server.poll() is None
        time.sleep(0.02)
    begun.unlink()
    (root / "train.py").write_text(train)
    training = start(root, "run all --no-wait")
    while not begun.exists():
        assert training.poll() is None, training.communicate()
        time.sleep(0.02)
    status = spacy("status", cwd=root).out
    assert status.count("running since") == 2
    refused = spacy("run", "all", "--no-wait", cwd=root)
    assert refused.code == 75
    assert f"'all' (git spacy run all --no-wait, process {training.pid}, since" in refused.err
    git(root, "worktree", "add", "-q", str(tmp_path / "w"))
    assert spacy("run", "all", "--no-wait", cwd=tmp_path / "w").code == 0
    training.kill()
    training.communicate()
    (root / "train.py").write_text(MAKE.replace("'x'", "'new'"))
    done = spacy("run", "all", "--no-wait", cwd=root)
    assert done.code == 0, done.err
    assert "the outputs of 'all' are those from before the run" in done.err
    assert (root / "model/a").read_text() == "new"
    assert spacy("clean", "all", "--force", cwd=root).code == 0
    assert server.poll() is None
    (root / "go").touch()
    _, err = server.communicate(timeout=120)
    assert server.returncode == 0, err
    assert "'model' changed while 'serve' was running" in err
    (seen,) = lock_format.read(root)["serve"].deps
    assert seen.md5 == first.md5
    assert list((root / ".git/spacy/runs").iterdir()) == []
