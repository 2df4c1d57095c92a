"""Kill a process with SIGKILL at its N-th change of a file while it sets outputs aside, brings them
back or deletes them, for N = STEP, 2 STEP, …: `python -m tests.state.killing WORK STEP`.

Runs in its own process, since it forks. Prints the number of kills; fails if an output is neither
the old nor the new one after the next command, or if content that no run recorded is gone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from git_spacy.git.state_dir import state_dir
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.state.hashing import fingerprint
from git_spacy.state.set_aside import PreviousOutput, is_pending, recover, set_aside
from tests.storage.killing import killer
from tests.testing.projects import snapshot, write_lock
from tests.testing.repositories import write

OLD: dict[str, str | bytes] = {
    "out/a": "old a", "out/b": "old b", "out/in/c": "old c", "out/in/.gitkeep": "", "file": "old",
}  # fmt: skip
NEW: dict[str, str | bytes] = {"out/a": "new a", "out/in/d": "new d", "file": "new"}


def forked(act: Callable[[], object], number: int) -> int:
    """Call `act` in a child that is killed at change `number`; return its exit code or -SIGKILL."""

    child = os.fork()
    if not child:
        sys.addaudithook(killer(number))
        act()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code


def run(root: Path, stays: tuple[str, ...], succeeds: bool, is_recorded: bool) -> None:
    """Do what a run does with its outputs."""

    previous = [PreviousOutput(path, stays if path == "out" else (), is_recorded)
                for path in ("out", "file")]  # fmt: skip
    record, immovable = set_aside(root, "make", previous)
    assert record
    assert not immovable
    write(root, NEW)
    if not succeeds:
        record.give_back()
        return
    digests = [fingerprint(root, path) for path in ("out", "file")]
    outs = [TrackedPath(path, now and now.digest)
            for path, now in zip(("out", "file"), digests, strict=True)]  # fmt: skip
    write_lock(root, {"make": LockEntry("make", ("x",), (), tuple(outs))})
    record.drop()


def outputs(root: Path) -> dict[str, bytes | str]:
    found = snapshot(root)
    return {name: found[name] for name in found if name == "file" or re.match("out/.*[^/]$", name)}


def check(work: Path, step: int, stays: tuple[str, ...], succeeds: bool, is_recorded: bool) -> int:
    """Kill a run at each of its changes, and the command after it at each of its own."""

    template, root, state = work / "template", work / "p", work / "state"
    write(template, {"project.yml": "commands: []\n", **OLD})
    os.environ["XDG_CACHE_HOME"] = str(state)  # where private files are without a repository
    old = outputs(template)
    new = {name: content.encode() for name, content in NEW.items() if isinstance(content, str)}
    if stays:
        new["out/in/.gitkeep"] = b""
    kills = 0
    for number in range(step, 200, step):
        for second in range(1, 200):
            for folder in (root, state):
                shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(template, root, symlinks=True)
            first_code = forked(lambda: run(root, stays, succeeds, is_recorded), number)
            # (every second kill only for some first ones, since there are hundreds)
            code = forked(lambda: list(recover(root)), second) if number % 12 == 0 else 0
            list(recover(root))
            kills += (first_code != 0) + (code != 0)
            found = outputs(root)
            case = (stays, succeeds, is_recorded, number, second)
            assert found in ([old, new] if succeeds else [old]), (*case, found)
            assert not is_pending(root), case
            private = state_dir(root)
            assert list((private / "aside").glob("*")) == [], case
            kept = {
                name.partition("/")[2]: content
                for name, content in snapshot(private / "kept").items()
            }
            if found == new and not is_recorded:
                assert kept.items() >= {name: old[name] for name in ("out/b", "file")}.items(), case
            if code == 0:
                break
        if first_code == 0:
            return kills
    raise AssertionError("the run did not finish within 200 changes")


def main(work: Path, step: int) -> int:
    return sum(
        check(work, step, stays, succeeds, is_recorded)
        for stays, succeeds, is_recorded in (
            ((), False, True),
            ((), True, False),
            (("in/.gitkeep",), False, False),
            (("in/.gitkeep",), True, True),
        )
    )


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
