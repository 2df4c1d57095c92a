"""Keep what the scripts of a run print: one file for each command, private to this machine.

A file's name has the time at which the command started, digests of the name of the command and of
its variant, and the id of the run; until the run is recorded, the id of the process instead. The
files of a worktree are in its Git folder, are never shared, and are safe to delete.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from git_spacy import sharing
from git_spacy.git.repository import Repository
from git_spacy.git.state_dir import state_dir
from git_spacy.light_hashes import sha256
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late

HEAD_SIZE = 256 << 10  # bytes of a log that are kept from its start
TAIL_SIZE = 768 << 10  # and from its end
MAX_TOTAL = 64 << 20  # bytes of all logs of a project
MAX_LOGS = 1000
_FOLDER = "logs"
_NAME = compile_late(r"([0-9]{8}T[0-9]{15}Z)\.([0-9a-f]{16})\.([0-9a-f]{16})\.([0-9a-z-]+)\.log")


class RunLog(NamedTuple):
    """A log on the disk: its time, the digests of its command's and variant's name, the run's id
    (or that of the process)."""

    path: Path
    time: str
    command: str
    variant: str
    id: str


class LogWriter:
    """Writes the log of one run of a command; leaves out the middle if it becomes too long.

    The file is always complete up to the last call of `write`. All methods raise OSError.
    """

    def __init__(self, root: Path, name: str, command: str) -> None:
        """Create the log of `name`, which is `command` or a variant of it."""

        folder = log_folder(root)
        sharing.make_folders(folder)
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        digests = f"{_digest(command)}.{_digest(name)}"
        file = f"{stamp}{nanoseconds:09}Z.{digests}.{os.getpid()}.log"
        self.path = folder / file
        self._descriptor = _create(self.path)
        self._size = 0
        self._is_in_line = False  # the last line has not ended
        self._head = 0  # bytes before the notice of what is left out; 0: there is no notice
        self._notice = b""
        self._left_out = 0

    def write(self, data: bytes) -> None:
        """Append data."""

        _write(self._descriptor, data)
        self._size += len(data)
        self._is_in_line = not data.endswith(b"\n")
        if self._size > HEAD_SIZE + 2 * TAIL_SIZE:
            self._shorten()

    def write_line(self, text: str) -> None:
        """Append a line of our own, after the end of what a script has printed."""

        line_break = "\n" if self._is_in_line else ""
        self.write(f"{line_break}{text}\n".encode(errors="replace"))

    def finish(self, run_id: str) -> None:
        """Close the log, which is that of the run `run_id` ("" if the run is not recorded)."""

        try:
            if self._size > HEAD_SIZE + TAIL_SIZE:
                self._shorten()
        finally:
            self.close()
        if run_id:
            parts = self.path.name.split(".")
            parts[-2] = run_id
            with suppress(FileNotFoundError):  # removed by later runs, while this one was running
                self.path = self.path.rename(self.path.with_name(".".join(parts)))

    def close(self) -> None:
        """Close the file."""

        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _shorten(self) -> None:
        """Replace the file by its head, a notice, and its tail."""

        if not self._head:
            start = os.pread(self._descriptor, HEAD_SIZE, 0)
            self._head = start.rfind(b"\n") + 1 or len(start)
        head = os.pread(self._descriptor, self._head, 0)
        tail = os.pread(self._descriptor, TAIL_SIZE, self._size - TAIL_SIZE)
        tail = tail[tail.find(b"\n") + 1 :]  # from the start of a line
        self._left_out += self._size - len(head) - len(self._notice) - len(tail)
        gap = b"" if head.endswith(b"\n") else b"\n"
        self._notice = gap + b"[git-spacy: %d bytes are left out here]\n" % self._left_out
        shorter = self.path.with_suffix(".new")
        descriptor = _create(shorter)
        try:
            _write(descriptor, head + self._notice + tail)
            shorter.replace(self.path)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                shorter.unlink()
            raise
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._size = len(head) + len(self._notice) + len(tail)


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def log_folder(root: Path) -> Path:
    """Return the folder with the logs of the project at `root` in this worktree."""

    return state_dir(root) / _FOLDER


def latest_log(root: Path, name: str = "") -> RunLog | None:
    """Return the newest log of the command or variant `name` (default: of any) in this worktree."""

    digest = _digest(name)
    logs = _logs_in(log_folder(root))
    return next((log for log in logs if not name or digest in (log.command, log.variant)), None)


def logs_of_runs(repository: Repository) -> dict[str, RunLog]:
    """Map the ids of runs to their logs, for all projects and worktrees of the repository."""

    common = repository.common_dir
    found: dict[str, RunLog] = {}
    for folder in (common / "spacy", *common.glob("worktrees/*/spacy")):
        for logs in (folder / _FOLDER, *folder.glob(f"projects/*/{_FOLDER}")):
            found.update((log.id, log) for log in _logs_in(logs))
    return found


def _logs_in(folder: Path) -> Iterator[RunLog]:
    """Yield the logs in a folder, the newest first."""

    try:
        names = sorted(os.listdir(folder), reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if match := _NAME.fullmatch(name):
            yield RunLog(folder / name, *match.groups())


def remove_oldest(root: Path) -> None:
    """Remove the oldest logs of the project at `root` until the others are within the limits.

    Raises OSError if the logs cannot be listed.
    """

    with os.scandir(log_folder(root)) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name, reverse=True)
    total = 0
    for number, entry in enumerate(entries):
        with suppress(OSError):  # removed by another process, or another user's
            total += entry.stat(follow_symlinks=False).st_size
            if number and (total > MAX_TOTAL or number >= MAX_LOGS):
                os.unlink(entry)


def _digest(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
