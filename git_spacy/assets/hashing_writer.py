"""Write a file and compute its digests at the same time, with a size limit.

Hashing while writing avoids reading a file of many gigabytes again. Of a large file, threads hash
one part and the disk writes another while the next one arrives.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from git_spacy.background import BackgroundHash
from git_spacy.errors import ExternalError
from git_spacy.file_copy import EagerWriter
from git_spacy.project.model import Checksum

HEAD = 1024
_CHECK_INTERVAL = 8 << 20  # bytes between two checks of the free disk space
_MARGIN = 64 << 20


class HashingWriter:
    """A file that is being written. `head` has its first bytes, `cap` is its largest size."""

    def __init__(self, stream: BinaryIO, checksum: Checksum | None, cap: int | None = None) -> None:
        self._stream = stream
        self._writer = EagerWriter(stream)
        self._cap = cap
        self._digests = BackgroundHash({"md5", checksum.algorithm if checksum else "md5"})
        self._next_check = 0
        self.head = b""

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises ExternalError if the file becomes too large, OSError."""

        if self._cap is not None and self.size + len(chunk) > self._cap:
            raise _too_large(f"file is larger than the limit of {self._cap:,} bytes")
        if self.size + len(chunk) > self._next_check:
            self.expect(len(chunk))
            self._next_check = self.size + _CHECK_INTERVAL
        self._writer.write(chunk)
        self._digests.update(chunk)
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]

    @property
    def size(self) -> int:
        """The number of bytes so far."""

        return self._writer.size

    def expect(self, more: int) -> None:
        """Check that `more` bytes are allowed and fit on the disk. Raises ExternalError."""

        if self._cap is not None and self.size + more > self._cap:
            raise _too_large(
                f"file has {self.size + more:,} bytes; the limit is {self._cap:,} bytes"
            )
        disk = os.fstatvfs(self._stream.fileno())
        block = disk.f_frsize or disk.f_bsize
        room = disk.f_bavail * block - min(_MARGIN, disk.f_blocks * block // 100)
        if more > room:
            raise _too_large(f"no space left on the disk for {self.size + more:,} bytes")

    def digest(self, algorithm: str = "md5") -> str:
        return self._digests.hexdigest(algorithm)

    def matches(self, checksum: Checksum) -> bool:
        return self.digest(checksum.algorithm) == checksum.digest


def _too_large(message: str) -> ExternalError:
    return ExternalError(
        message, hint="free disk space, or raise the limit: git config spacy.maxAssetSize 10g"
    )
