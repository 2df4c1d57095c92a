"""Run tasks in threads, and handle each result in the main thread.

A thread that waits for a server cannot be stopped, and Python waits at exit for the threads of a
pool. So these are daemon threads: an interrupted command gives them a moment to clean up, then
cleans up for them and exits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import TypeVar

from git_spacy import abandoned, interrupts

_CLEANUP_SECONDS = 2.0  # for interrupted tasks to remove their temporary files

T = TypeVar("T")


def run_all(
    tasks: Sequence[Callable[[], T]],
    jobs: int,
    on_result: Callable[[int, T | BaseException], None],
    stopping: Callable[[], AbstractContextManager[None]],
    name: str = "git-spacy",
) -> None:
    """Run all of `tasks` in threads, at most `jobs` at a time, and return when all have ended.

    When a task ends, `on_result` is called in the calling thread with the index of the task and
    its result, or the exception that it raised.

    If `on_result` raises an exception, or the user interrupts, no further task starts, the running
    ones get a moment to end, and the exception propagates. The context manager that `stopping`
    returns is active during that wait. `name` is the prefix of the names of the threads.
    """

    waiting: SimpleQueue[int] = SimpleQueue()
    ended: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()
    is_stopped = threading.Event()

    def work() -> None:
        while not is_stopped.is_set():
            try:
                index = waiting.get_nowait()
            except Empty:
                return
            try:
                ended.put((index, tasks[index]()))
            except BaseException as error:
                ended.put((index, error))

    for index in range(len(tasks)):
        waiting.put(index)
    threads = [
        threading.Thread(target=work, name=f"{name}-{number}", daemon=True)
        for number in range(min(jobs, len(tasks)))
    ]
    with interrupts.deferred():
        try:
            for thread in threads:
                thread.start()
            with interrupts.allowed():
                for _ in tasks:
                    on_result(*interrupts.get(ended))
        except BaseException:
            is_stopped.set()
            with stopping():
                started = [thread for thread in threads if thread.ident is not None]
                interrupts.wait_until(
                    lambda: not any(map(threading.Thread.is_alive, started)), _CLEANUP_SECONDS
                )
            abandoned.abandon(filter(threading.Thread.is_alive, started))
            raise
