"""Locks between processes, also where the file system has none, and what their holders write."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from git_spacy import file_locks
from git_spacy.errors import Busy
from git_spacy.file_locks import file_lock, holder_text, owner_file

HOLD = """\
import errno, fcntl, os, sys
from pathlib import Path
if sys.argv[2]:
    def flock(*arguments): raise OSError(int(sys.argv[2]), os.strerror(int(sys.argv[2])))
    fcntl.flock = flock
from git_spacy.file_locks import file_lock
with file_lock(Path(sys.argv[1])) as lock:
    lock.write('the other process')
    print('locked', flush=True)
    sys.stdin.read()
"""
NO_LOCKS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS]


def remove_locks(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOLCK) -> None:
    """Make the file system have no locks."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture(params=["", *map(str, NO_LOCKS)], ids=["flock", "ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the locks of the system, and without; return the error number or ""."""

    number: str = request.param
    if number:
        remove_locks(monkeypatch, int(number))
    return number


@contextmanager
def holding(lock: Path, system: str) -> Iterator[subprocess.Popen[bytes]]:
    """Hold the lock in another process."""

    child = subprocess.Popen(
        (sys.executable, "-c", HOLD, str(lock), system),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(file_locks.__file__).parents[1])},
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        yield child
        child.kill()


def test_a_lock_is_exclusive_and_released_when_its_process_dies(
    tmp_path: Path, system: str
) -> None:
    lock = tmp_path / "folder" / "lock"
    with holding(lock, system) as child:
        with pytest.raises(Busy) as caught, file_lock(lock, wait=False, hint="wait"):
            pass
        assert caught.value.exit_code == 75
        calls: list[bool] = []

        def waiting() -> None:
            calls.append(True)
            child.kill()
            child.wait()

        with file_lock(lock, waiting=waiting):
            assert calls == [True]
    with file_lock(lock, wait=False):
        pass


def test_what_the_holder_wrote_can_be_read_until_it_ends(tmp_path: Path, system: str) -> None:
    lock = tmp_path / "lock"
    assert holder_text(lock) is None
    with file_lock(lock) as held:
        assert holder_text(lock) == ""
        held.write("a long text")
        held.write("a text")
        assert holder_text(lock) == "a text"
        held.write("a text of many paths " * 10_000)
        assert holder_text(lock) == "a text of many paths " * 10_000
    assert holder_text(lock) is None
    with holding(lock, system) as child:
        assert holder_text(lock) == "the other process"
        child.kill()
        child.wait()
        assert lock.read_text() == "the other process\n"
        assert holder_text(lock) is None


def test_threads_exclude_each_other(tmp_path: Path, system: str) -> None:
    """Each thread reads and writes a counter, and would lose updates without a lock."""

    counter = tmp_path / "counter"
    counter.write_text("0")

    def count() -> None:
        for _ in range(20):
            with file_lock(tmp_path / "lock"):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "80"
    assert not owner_file(tmp_path / "lock").exists()


def test_without_locks_of_the_system_an_error_in_the_block_releases_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_locks(monkeypatch)
    with pytest.raises(KeyError), file_lock(tmp_path / "lock"):
        raise KeyError
    with file_lock(tmp_path / "lock", wait=False):
        pass


@pytest.mark.parametrize("owner", ["1 another-machine\n", "", "garbage", "²\n", "-1 x\n"])
def test_the_lock_of_a_process_that_cannot_be_seen_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    remove_locks(monkeypatch)
    lock = tmp_path / "lock"
    owner_file(lock).write_text(owner)
    with pytest.raises(Busy), file_lock(lock, wait=False):
        pass
    with file_lock(lock, waiting=owner_file(lock).unlink):
        pass


def test_the_lock_of_a_new_owner_is_not_mistaken_for_the_stale_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process replaces the stale lock between our look at it and its removal."""

    remove_locks(monkeypatch)
    lock = tmp_path / "lock"
    owner_file(lock).write_text(f"99999999 {file_locks._machine()}\n")
    rename = os.rename

    def replaced_first(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "rename", rename)
        owner_file(lock).write_text(f"{os.getppid()} {file_locks._machine()}\n")
        os.rename(source, target)

    monkeypatch.setattr(os, "rename", replaced_first)
    with pytest.raises(Busy), file_lock(lock, wait=False):
        pass
    assert owner_file(lock).read_text().startswith(f"{os.getppid()} ")


def test_other_errors_of_locking_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_locks(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), file_lock(tmp_path / "lock"):
        pass
