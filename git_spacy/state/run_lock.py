"""Allow only one run or fetch at a time in a project, and tell others which one.

A `git spacy run` inside a project's script belongs to the run that started it, so it does not wait
for that run.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Busy, redact
from git_spacy.file_locks import FileLock, file_lock, holder_text, host_name, owner_file
from git_spacy.files import is_alive
from git_spacy.git.state_dir import state_dir

_LOCKED_PROJECTS = "GIT_SPACY_RUN"
"""Environment variable of scripts: the real paths of the projects whose runs started them."""

ShowRunning = Callable[[Collection[str]], None]
"""Takes the names of the project's commands that run now."""


class LockHolder(NamedTuple):
    """The process that has locked a project.

    `command_line` is what the user typed; `since` and the values of `running`, which maps the
    project's commands that run now to their start, are seconds since the epoch.
    """

    command_line: str
    process: int
    host: str
    since: float
    running: dict[str, float]

    def __str__(self) -> str:
        commands = ", ".join(
            f"'{name}' since {clock(since)}" for name, since in list(self.running.items())[:3]
        )
        more = len(self.running) - 3
        running = f"; running {commands}" if commands else ""
        running += f" and {more} more" if more > 0 else ""
        return (
            f"{self.command_line} ({self.describe_process()}, since {clock(self.since)}{running})"
        )

    def describe_process(self) -> str:
        """Return `process 4711`, with the machine if it is another one."""

        where = "" if self.host == host_name() else f" on {self.host}"
        return f"process {self.process}{where}"

    def stop_hint(self) -> str:
        """Return how to stop the process."""

        if self.host == host_name():
            return f"wait for it, or stop it: kill {self.process}"
        return f"wait for it, or stop it on {self.host}"


def clock(seconds: float) -> str:
    """Return the local time, with the date if it is not today's."""

    then = time.localtime(seconds)
    is_today = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", then)


@contextmanager
def project_lock(
    root: Path, environ: Mapping[str, str], *, command_line: str = "git spacy",
    wait: bool = True, waiting: Callable[[str], None],
) -> Iterator[ShowRunning]:  # fmt: skip
    """Lock the project at `root` until the block ends.

    While it is held, `lock_holder` returns this process with `command_line`, and the commands that
    the function which this yields was last called with. Calls `waiting` with a message before it
    waits for another process; raises Busy instead if `wait` is false.
    """

    if is_locked_by_caller(root, environ):
        yield lambda _: None
        return
    path = _lock_path(root)
    with ExitStack() as stack:
        try:
            locked = file_lock(path, wait=wait, waiting=lambda: waiting(_wait_message(root)))
            lock = stack.enter_context(locked)
        except Busy:
            raise _busy(root) from None
        yield _Announcement(lock, redact(command_line)).show_running


def is_locked_by_caller(root: Path, environ: Mapping[str, str]) -> bool:
    """Return whether this process belongs to a run that has locked the project at `root`."""

    return os.path.realpath(root) in environ.get(_LOCKED_PROJECTS, "").split(os.pathsep)


def lock_holder(root: Path) -> LockHolder | None:
    """Return the process that has locked the project at `root`; None if it is unknown, or if no
    process has."""

    try:
        return _parse(holder_text(_lock_path(root)))
    except OSError:
        return None


def child_env(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for scripts of the project at `root`, which is locked."""

    projects = [*environ.get(_LOCKED_PROJECTS, "").split(os.pathsep), os.path.realpath(root)]
    return {**environ, _LOCKED_PROJECTS: os.pathsep.join(filter(None, projects))}


class _Announcement:
    """Keeps the text of the lock up to date."""

    def __init__(self, lock: FileLock, command_line: str) -> None:
        self._lock = lock
        self._holder = LockHolder(command_line, os.getpid(), host_name(), time.time(), {})
        self._write()

    def show_running(self, names: Collection[str]) -> None:
        known = self._holder.running
        running = {name: known.get(name) or time.time() for name in names}
        self._holder = self._holder._replace(running=running)
        self._write()

    def _write(self) -> None:
        self._lock.write(json.dumps(self._holder._asdict()))


def _lock_path(root: Path) -> Path:
    return state_dir(root) / "run.lock"


def _wait_message(root: Path) -> str:
    holder = lock_holder(root)
    unlock = _unlock_hint(root, holder)
    who = str(holder) if holder else "another run in this project"
    return f"Waiting for {who} to end …" + (f"\nhint: {unlock}" if unlock else "")


def _busy(root: Path) -> Busy:
    holder = lock_holder(root)
    who = f"this project is locked by {holder}" if holder else "another run has locked this project"
    hints = holder.stop_hint() if holder else "wait for it, or stop it", _unlock_hint(root, holder)
    return Busy(who, hint="\n".join(filter(None, hints)))


def _unlock_hint(root: Path, holder: LockHolder | None) -> str:
    """Return what to do about a lock of which only its owner's machine can tell that it is over."""

    held = owner_file(_lock_path(root))
    is_seen = holder is not None and holder.host == host_name() and is_alive(holder.process)
    if is_seen or not held.exists():
        return ""
    return f"if it has ended without unlocking: rm {shlex.quote(str(held))}"


def _parse(text: str) -> LockHolder | None:
    """Return the holder, or None if the text is not what `_Announcement` writes."""

    try:
        fields = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.keys() != set(LockHolder._fields):
        return None
    holder = LockHolder(**fields)
    times = (holder.since, *(holder.running.values() if _is_dict(holder.running) else (None,)))
    is_valid = (
        isinstance(holder.command_line, str)
        and isinstance(holder.host, str)
        and type(holder.process) is int
        and all(isinstance(moment, int | float) and 0 <= moment < 1 << 33 for moment in times)
    )
    return holder if is_valid else None


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)
