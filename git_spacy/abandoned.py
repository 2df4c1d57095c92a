"""Threads that an interrupted command does not wait for, and what is removed in their place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from weakref import WeakSet


class Abandoned(Exception):
    """The command was interrupted and no longer waits for this thread."""


_guard = threading.Lock()
_begun: dict[Callable[[], None], threading.Thread] = {}
_abandoned: WeakSet[threading.Thread] = WeakSet()


@contextmanager
def unless_abandoned(remove: Callable[[], None]) -> Iterator[None]:
    """A block of this thread, which removes what it has begun, and only after that gives back
    what `remove` needs. If the thread is abandoned in it, `remove` is called by another one."""

    thread = threading.current_thread()
    with _guard:
        if thread in _abandoned:
            raise Abandoned
        _begun[remove] = thread
    try:
        yield
    finally:
        with _guard:
            del _begun[remove]


def abandon(threads: Iterable[threading.Thread]) -> None:
    """Remove what these threads have begun to write beside its destination, or for themselves, and
    cannot remove, since the process is not going to wait for them. They begin nothing any more."""

    with _guard:
        _abandoned.update(threads)
        for remove, thread in _begun.items():
            if thread in _abandoned:
                with suppress(OSError):  # the next run removes what this one cannot
                    remove()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder where the system has such ones, removed at the end. Raises Abandoned."""

    import shutil
    from tempfile import TemporaryDirectory

    made = TemporaryDirectory(prefix="git-spacy-", ignore_cleanup_errors=True)
    try:
        with unless_abandoned(partial(shutil.rmtree, made.name, ignore_errors=True)), made:
            yield Path(made.name)
    finally:
        made.cleanup()  # of what was never used, too
