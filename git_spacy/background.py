"""Hash and compress in other threads: hashlib and zlib run beside the interpreter."""

from __future__ import annotations

import _thread
import hashlib
from collections.abc import Callable, Collection, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_BATCH = 2 << 20  # bytes that a thread hashes


class Task(Generic[T]):
    """A short function that runs in a thread of its own.

    The thread ends with the function, so that none is left behind when the work is given up, and
    Python does not wait for it at exit. `threading.Thread` would wait until the thread has begun,
    which takes milliseconds on a busy machine.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._ended: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the limit of the system
            self._run()

    def _run(self) -> None:
        try:
            self._ended.put((True, self._function()))
        except BaseException as error:
            self._ended.put((False, error))

    def result(self) -> T:
        """Wait for the function and return its result, or raise what it raised. Only once."""

        is_result, value = self._ended.get()
        if not is_result:
            raise value
        result: T = value
        return result


class BackgroundHash:
    """The digests of a stream by these algorithms.

    Each batch of a long stream is hashed by a task for each algorithm. At most two batches are in
    memory.
    """

    def __init__(self, algorithms: Collection[str] = ("md5",)) -> None:
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._batch: list[bytes] = []
        self._size = 0
        self._tasks: list[Task[None]] = []
        self._error: BaseException | None = None

    def update(self, chunk: bytes) -> None:
        """Append a chunk. Raises what a task raised."""

        self._batch.append(chunk)
        self._size += len(chunk)
        if self._size < _BATCH:
            return
        self._wait()
        batch = self._take_batch()
        for hasher in self._hashers.values():
            self._tasks.append(Task(lambda hasher=hasher: _update(hasher, batch)))  # type: ignore[misc]

    def hexdigest(self, algorithm: str = "md5") -> str:
        """Return the digest of all chunks so far. Raises what a task raised."""

        self._wait()
        batch = self._take_batch()
        try:
            for hasher in self._hashers.values():
                _update(hasher, batch)
        except BaseException as error:
            self._error = error
            raise
        digest: str = self._hashers[algorithm].hexdigest()
        return digest

    def _take_batch(self) -> Sequence[bytes]:
        batch, self._batch, self._size = self._batch, [], 0
        return batch

    def _wait(self) -> None:
        if self._error:
            raise self._error
        try:
            while self._tasks:
                self._tasks.pop().result()
        except BaseException as error:
            self._error = error  # no digest is right from now on
            raise


def _update(hasher: Any, batch: Sequence[bytes]) -> None:
    for chunk in batch:
        hasher.update(chunk)
