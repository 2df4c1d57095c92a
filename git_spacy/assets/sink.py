"""Where a download goes: the staged file, its hashes while they stream, and its limits.

Knows bytes; knows nothing of where they come from.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from git_spacy.errors import Interrupted, Unavailable
from git_spacy.files import Staging
from git_spacy.project.model import Checksum

_HEAD = 512
_SPARE = 16 << 20  # bytes that a download leaves free on the disk


class Limits(NamedTuple):
    """What may not be exceeded: `largest` in bytes (0: nothing but the disk), and `stop`, set
    when the user wants no more."""

    largest: int
    stop: threading.Event


class Sink:
    """A staged file that is written from the start or taken up where it was cut."""

    def __init__(
        self,
        staged: Staging,
        checksum: Checksum | None,
        limits: Limits,
        progress: Callable[[int, int | None], None],
    ) -> None:
        self._file = staged.open()
        self._folder = staged.path.parent
        self._checksum = checksum
        self._limits = limits
        self._progress = progress
        self.size = 0
        self.head = b""
        self._hasher = self._new_hasher()

    def _new_hasher(self) -> hashlib._Hash:
        algorithm = self._checksum.algorithm if self._checksum else "md5"
        return hashlib.new(algorithm, usedforsecurity=False)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def restart(self) -> None:
        """Begin again with nothing."""

        self._file.seek(0)
        self._file.truncate()
        self.size, self.head = 0, b""
        self._hasher = self._new_hasher()

    def expect(self, total: int | None) -> None:
        """Refuse at once what cannot fit. `total` in bytes, None if it was not announced."""

        if total is not None:
            self._check(total, _free(self._folder) + self.size)
        self._progress(self.size, total)

    def write(self, data: bytes, total: int | None) -> None:
        """Append `data`. Raises Unavailable past a limit, Interrupted, OSError for the disk."""

        if self._limits.stop.is_set():
            raise Interrupted(2)
        self._check(self.size + len(data), None)
        self._file.write(data)
        self._hasher.update(data)
        if len(self.head) < _HEAD:
            self.head += data[: _HEAD - len(self.head)]
        self.size += len(data)
        self._progress(self.size, total)

    def _check(self, size: int, room: int | None) -> None:
        largest = self._limits.largest
        if largest and size > largest:
            raise Unavailable(
                f"it is larger than {largest:,} bytes",
                mend="raise the limit: git config spacy.maxAssetSize SIZE",
            )
        if room is not None and size > room - _SPARE:
            raise Unavailable(f"it has {size:,} bytes, and the disk has no room for it")
        if room is None and size >> 26 != self.size >> 26 and _free(self._folder) < _SPARE:
            # looked at every 64 MiB: an endless body must not fill the disk
            raise Unavailable("it does not end, and the disk is nearly full")

    def digest(self) -> str:
        """The digest of what was written, by the algorithm of the checksum (else md5)."""

        return self._hasher.hexdigest()

    def is_right(self) -> bool:
        """Whether the declared checksum (if any) is that of what was written."""

        return self._checksum is None or self.digest() == self._checksum.digest


def _free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
