"""Lock files against other processes, and say in them who holds the lock.

A lock is an flock(2), which the system releases when its process ends. A file system without such
locks (ENOLCK: NFS without a lock daemon, Lustre) gets a second file beside the locked one, which
only one process can create and which names its owner, like Git's own `.lock` files.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from git_spacy import sharing
from git_spacy.errors import Busy
from git_spacy.files import is_alive

_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_POLL_SECONDS = 0.05
_MAX_TEXT = 1 << 24  # bytes


class FileLock:
    """A lock that this process holds; others can read its text with `holder_text`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._has_text = False

    def write(self, text: str) -> None:
        """Replace the text, which is one line. On a full disk there is none."""

        self._has_text = True
        line = text.encode("utf-8", "surrogateescape") + b"\n"
        with suppress(OSError):
            written = os.pwrite(self._descriptor, line, 0)  # readers stop at the first line break
            os.ftruncate(self._descriptor, len(line) if written == len(line) else 0)
            return
        self.clear()

    def clear(self) -> None:
        """Remove the text, if there is one."""

        if self._has_text:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)


@contextmanager
def file_lock(
    path: Path,
    *,
    wait: bool = True,
    waiting: Callable[[], None] = lambda: None,
    hint: str = "",
) -> Iterator[FileLock]:
    """Hold an exclusive lock on the file `path`, which is created if missing.

    If another process holds the lock, calls `waiting` and waits; raises Busy instead if `wait` is
    false. The lock of a process that has ended, however it ended, is released.
    """

    sharing.make_folders(path.parent)
    descriptor = sharing.open_shared(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    release = None
    try:
        try:
            release = _acquire(path, descriptor, waiting if wait else None)
        except BlockingIOError:
            raise Busy(f"another process has locked '{path}'", hint=hint) from None
        lock = FileLock(descriptor)
        try:
            yield lock
        finally:
            lock.clear()
    finally:
        if release:
            release()
        os.close(descriptor)


def holder_text(path: Path) -> str | None:
    """Return what the process that holds the lock on `path` has written there, "" if nothing.

    Returns None if no process holds the lock: a killed one leaves its text behind. Raises OSError.
    """

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        size = min(os.fstat(descriptor).st_size, _MAX_TEXT)
        line, is_complete, _ = os.pread(descriptor, size, 0).partition(b"\n")
        if not _is_held(path, descriptor):
            return None
    finally:
        os.close(descriptor)
    return line.decode("utf-8", "replace") if is_complete else ""


def owner_file(path: Path) -> Path:
    """Return the file that marks the lock on `path` as held where the file system has no locks."""

    return path.with_name(f"{path.name}.held")


def has_native_locks(folder: Path) -> bool:
    """Return whether the file system of `folder` has locks. Raises OSError if it is read-only."""

    path = folder / f"lock-test.{os.getpid()}"
    descriptor = sharing.open_shared(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        return _flock(descriptor)
    finally:
        os.close(descriptor)
        path.unlink()


def host_name() -> str:
    """Return the name of this machine."""

    return os.uname().nodename


def _acquire(
    path: Path, descriptor: int, waiting: Callable[[], None] | None
) -> Callable[[], None] | None:
    """Take the lock; return what else than closing the descriptor releases it.

    Without `waiting`, raises BlockingIOError if another process holds it.
    """

    try:
        is_native = _flock(descriptor)
    except BlockingIOError:
        if waiting is None:
            raise
        waiting()
        is_native = _flock(descriptor, wait=True)
    return None if is_native else _acquire_by_name(owner_file(path), waiting)


def _flock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Take the system's lock on an open file; return False if the file system has no locks.

    Raises BlockingIOError if another process holds it and `wait` is false.
    """

    import fcntl

    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, operation if wait else operation | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _is_held(path: Path, descriptor: int) -> bool:
    try:
        return not _flock(descriptor, shared=True) and _is_owned(owner_file(path))
    except BlockingIOError:
        return True


def _acquire_by_name(held: Path, waiting: Callable[[], None] | None) -> Callable[[], None]:
    is_waiting = False
    while not _create(held):
        if not _is_owned(held) and _remove_stale(held):
            continue
        if waiting is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(held))
        if not is_waiting:
            waiting()
            is_waiting = True
        time.sleep(_POLL_SECONDS)

    def release() -> None:
        with suppress(FileNotFoundError):
            held.unlink()

    return release


def _create(held: Path) -> bool:
    """Create the file that names this process as the owner, unless it exists."""

    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(held, flags, 0o666)
    except FileExistsError:
        return False
    try:
        sharing.adjust(held, descriptor)
        os.write(descriptor, f"{os.getpid()} {_machine()}\n".encode())
    except BaseException:
        with suppress(OSError):
            held.unlink()
        raise
    finally:
        os.close(descriptor)
    return True


def _is_owned(held: Path) -> bool:
    """Return whether the owner is alive, or may be: only processes of this machine can be seen."""

    try:
        process, _, machine = held.read_text("utf-8", "replace").strip().partition(" ")
    except FileNotFoundError:
        return False
    if not process.isascii() or not process.isdigit() or machine != _machine():
        return True
    return is_alive(int(process))


def _remove_stale(held: Path) -> bool:
    """Remove the file of an owner that has ended; return False if another process was faster."""

    removed = held.with_name(f"{held.name}.{os.getpid()}")
    try:
        os.rename(held, removed)
    except FileNotFoundError:
        return True
    if _is_owned(removed):  # it is the file of a new owner
        os.rename(removed, held)
        return False
    removed.unlink()
    return True


def _machine() -> str:
    """Return the name of this machine, and of the processes that can be seen in this container."""

    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{host_name()} {namespace}".strip()
