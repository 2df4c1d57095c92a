"""Hash a stream while it is read or written: hashlib runs beside the interpreter."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from threading import Thread
from typing import Any

_BATCH = 2 << 20  # bytes that a thread hashes


class BackgroundHash:
    """The digests of a stream by these algorithms.

    Each batch of a long stream is hashed in a thread for each algorithm. At most two batches are in
    memory. A thread ends with its batch, so that none is left behind when the work is given up.
    """

    def __init__(self, algorithms: Collection[str]) -> None:
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._batch: list[bytes] = []
        self._size = 0
        self._threads: list[Thread] = []
        self._errors: list[BaseException] = []

    def update(self, chunk: bytes) -> None:
        """Append a chunk. Raises what a thread raised."""

        self._batch.append(chunk)
        self._size += len(chunk)
        if self._size < _BATCH:
            return
        self._wait()
        batch, self._batch, self._size = self._batch, [], 0
        for hasher in self._hashers.values():
            thread = Thread(target=self._hash, args=(hasher, batch), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the limit of the system
                self._hash(hasher, batch)
            else:
                self._threads.append(thread)

    def hexdigest(self, algorithm: str = "md5") -> str:
        """Return the digest of all chunks so far. Raises what a thread raised."""

        self._wait()
        batch, self._batch, self._size = self._batch, [], 0
        for hasher in self._hashers.values():
            self._hash(hasher, batch)
        self._wait()
        digest: str = self._hashers[algorithm].hexdigest()
        return digest

    def _hash(self, hasher: Any, batch: Sequence[bytes]) -> None:
        try:
            for chunk in batch:
                hasher.update(chunk)
        except BaseException as error:
            self._errors.append(error)

    def _wait(self) -> None:
        """Wait for the threads. Raises what one of them raised."""

        while self._threads:
            self._threads[-1].join()
            self._threads.pop()
        if self._errors:
            raise self._errors[0]
