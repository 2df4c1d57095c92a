"""Several tasks at a time in threads, each result taken in the main one.

A thread that waits for a server cannot be stopped, and Python waits at its end for those of a pool.
So they are daemons: who is interrupted gives them a moment to tidy up, then does it for them, and
goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import TypeVar

from git_spacy import abandoned, interrupts

_MOMENT = 2.0  # seconds that interrupted tasks have to remove what they have begun

T = TypeVar("T")


def run_all(
    tasks: Sequence[Callable[[], T]],
    jobs: int,
    take: Callable[[int, T | BaseException], None],
    stopping: Callable[[], AbstractContextManager[None]],
    name: str = "git-spacy",
) -> None:
    """Do all of `tasks`, at most `jobs` at a time, and call `take` with the number and the result
    of each, or what it raised, when it has ended.

    What interrupts that, and what `take` raises, is passed on: no other task begins, and those that
    run have a moment to end, within the block that `stopping` gives.
    """

    todo: SimpleQueue[int] = SimpleQueue()
    ended: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()
    is_stopped = threading.Event()

    def work() -> None:
        while not is_stopped.is_set():
            try:
                number = todo.get_nowait()
            except Empty:
                return
            try:
                ended.put((number, tasks[number]()))
            except BaseException as error:
                ended.put((number, error))

    for number in range(len(tasks)):
        todo.put(number)
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
                    take(*ended.get())
        except BaseException:
            is_stopped.set()
            with stopping():
                begun = [thread for thread in threads if thread.ident is not None]
                interrupts.wait_until(
                    lambda: not any(map(threading.Thread.is_alive, begun)), _MOMENT
                )
            abandoned.abandon(filter(threading.Thread.is_alive, begun))
            raise
