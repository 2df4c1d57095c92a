"""Work in other threads."""

from __future__ import annotations

import _thread
import hashlib
import threading

import pytest

from git_spacy.background import BackgroundHash, Task
from tests.testing.waiting import PATIENCE


def test_tasks_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=PATIENCE)
    tasks = [Task(together.wait) for _ in range(2)]
    together.wait()
    assert {task.result() for task in tasks} < {0, 1, 2}


def test_an_error_of_a_task_is_raised_where_its_result_is_needed() -> None:
    task = Task(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        task.result()


def test_a_system_without_further_threads_works_in_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", start)
    assert Task(threading.get_ident).result() == threading.get_ident()
    hashed = BackgroundHash()
    data = b"some data" * 1_000_000
    hashed.update(data)
    assert hashed.hexdigest() == hashlib.md5(data).hexdigest()


def test_at_most_two_batches_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing that is slower than reading stops the reader."""

    may_hash, begun = threading.Event(), threading.Event()

    class Slow:
        def update(self, chunk: bytes) -> None:
            begun.set()
            assert may_hash.wait(PATIENCE)

    hashed = BackgroundHash()
    monkeypatch.setattr(hashed, "_hashers", {"md5": Slow()})
    chunk = bytes(2 << 20)
    hashed.update(chunk)
    second = Task(lambda: hashed.update(chunk))
    assert begun.wait(PATIENCE)
    assert second._ended.empty()
    may_hash.set()
    second.result()
