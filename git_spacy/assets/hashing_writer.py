"""Bytes on their way into a file: written, counted, hashed, and limited.

The hashing is done while they stream: a file of many gigabytes is never read again.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

from git_spacy.errors import ExternalError
from git_spacy.project.model import Checksum

HEAD = 1024
_LOOK = 8 << 20  # bytes between two looks at the disk's free space
_MARGIN = 64 << 20


class HashingWriter:
    """A file that grows. `head` is how it begins, `cap` the most bytes it may have."""

    def __init__(self, stream: BinaryIO, checksum: Checksum | None, cap: int | None = None) -> None:
        self._stream = stream
        self._cap = cap
        self._hashers = {
            name: hashlib.new(name, usedforsecurity=False)
            for name in {"md5", checksum.algorithm if checksum else "md5"}
        }
        self._next_look = 0
        self.size = 0
        self.head = b""

    def write(self, chunk: bytes) -> None:
        """Raises Unavailable if the file gets too large, OSError."""

        if self._cap is not None and self.size + len(chunk) > self._cap:
            raise _too_large(f"it is larger than {self._cap:,} bytes")
        if self.size + len(chunk) > self._next_look:
            self.expect(len(chunk))
            self._next_look = self.size + _LOOK
        self._stream.write(chunk)
        for hasher in self._hashers.values():
            hasher.update(chunk)
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
        self.size += len(chunk)

    def expect(self, more: int) -> None:
        """Say that `more` bytes are to come. Raises Unavailable if there cannot be so many."""

        if self._cap is not None and self.size + more > self._cap:
            raise _too_large(
                f"it has {self.size + more:,} bytes, which is larger than {self._cap:,} bytes"
            )
        disk = os.fstatvfs(self._stream.fileno())
        block = disk.f_frsize or disk.f_bsize
        room = disk.f_bavail * block - min(_MARGIN, disk.f_blocks * block // 100)
        if more > room:
            raise _too_large(
                f"it has {self.size + more:,} bytes or more, and the disk has no room for them"
            )

    def digest(self, algorithm: str = "md5") -> str:
        return self._hashers[algorithm].hexdigest()

    def matches(self, checksum: Checksum) -> bool:
        return self.digest(checksum.algorithm) == checksum.digest


def _too_large(what: str) -> ExternalError:
    return ExternalError(
        what, hint="make room, or set the limit in bytes: git config spacy.maxAssetSize 10g"
    )
