"""Kill a push or pull with SIGKILL at its N-th change of a file, for N = 1, 1 + STEP, … until it
finishes: `python -m tests.storage.killing COMMAND PROJECT SCENARIO WORK STEP`.

Runs in its own process, since it forks. Prints the number of changes; fails if a file is incomplete
or if running the command again does not repair the project.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from git_spacy.cli.main import main as git_spacy
from git_spacy.storage.remote_keys import TEMPORARY
from tests.testing.projects import import_commands, snapshot

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def forked(command: str, root: Path, number: int = 0) -> int:
    """Run `git spacy COMMAND`, killed at change `number`; return its exit code or minus the signal."""

    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if number:
            sys.addaudithook(killer(number))
        os._exit(git_spacy(["-C", str(root), *command.split()]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killer(number: int) -> Any:
    remaining = number

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal remaining
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITING):
            remaining -= 1
            if remaining == 0:
                time.sleep(0.005)  # let other threads write
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def objects(remote: Path) -> dict[str, bytes | str]:
    """Return the objects in a remote without temporary files."""

    return {
        name: content
        for name, content in snapshot(remote).items()
        if not name.startswith(TEMPORARY) and isinstance(content, bytes)
    }


def main(command: str, project: str, scenario: Path, work: Path, step: int) -> int:
    def reset() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(scenario, work, symlinks=True)

    import_commands()
    root = work / project
    reset()
    before = snapshot(root), objects(work / "remote")
    assert forked(command, root) == 0
    after = snapshot(root), objects(work / "remote")
    for number in range(1, 1000, step):
        reset()
        code = forked(command, root, number)
        for name, content in objects(work / "remote").items():
            assert content in (before[1].get(name), after[1].get(name)), (number, name)
        for output in ("model/weights.txt", "corpus/words.txt", "project.lock"):
            content = snapshot(root).get(output)
            is_whole = content in (before[0].get(output), after[0].get(output), None)
            assert is_whole or output == "project.lock", (number, output, content)
        assert forked(command, root) == 0, number
        assert (snapshot(root), objects(work / "remote")) == after, number
        if code == 0:
            return number - 1
        assert code == -signal.SIGKILL, (number, code)
    raise AssertionError("the command did not finish within 1,000 changes")


if __name__ == "__main__":
    print(main(*sys.argv[1:3], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5])))
