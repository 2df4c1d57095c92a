"""Clean up for threads that an interrupted command does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path


class Abandoned(Exception):
    """The command was interrupted and no longer waits for this thread."""


_guard = threading.Lock()
_cleanups: dict[Callable[[], None], threading.Thread] = {}
_abandoned: set[threading.Thread] = set()  # they end with the process


@contextmanager
def unless_abandoned(remove: Callable[[], None]) -> Iterator[None]:
    """Run a block that creates temporary files, and that removes them at its end.

    If this thread is abandoned within the block, another thread calls `remove` instead. The block
    must not release what `remove` needs before it has removed the files. Raises Abandoned.
    """

    thread = threading.current_thread()
    with _guard:
        if thread in _abandoned:
            raise Abandoned
        _cleanups[remove] = thread
    try:
        yield
    finally:
        with _guard:
            del _cleanups[remove]


def abandon(threads: Iterable[threading.Thread]) -> None:
    """Remove the temporary files of `threads`, for which the process is not going to wait.

    From now on, these threads cannot enter a block of `unless_abandoned`.
    """

    with _guard:
        _abandoned.update(threads)
        for remove, thread in _cleanups.items():
            if thread in _abandoned:
                with suppress(OSError):  # the next run removes what cannot be removed now
                    remove()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create a temporary folder and remove it at the end of the block. Raises Abandoned."""

    import shutil
    from tempfile import TemporaryDirectory

    folder = TemporaryDirectory(prefix="git-spacy-", ignore_cleanup_errors=True)
    try:
        with unless_abandoned(partial(shutil.rmtree, folder.name, ignore_errors=True)), folder:
            yield Path(folder.name)
    finally:
        folder.cleanup()  # also if the block was never entered
