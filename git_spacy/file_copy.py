"""Copy files so that the copies share their blocks, where the file system supports that, and have
the disk write the others while they are copied."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO

_CHUNK = 1 << 18  # larger ones cost malloc, and with it the system, more than they save
_INTERVAL = 8 << 20  # bytes after which the disk begins to write them
_CLONE = 0x40049409  # FICLONE of linux/fs.h: a copy that shares blocks until they are written


def copy_content(
    source: IO[bytes], target: IO[bytes], update_hash: Callable[[bytes], object] | None = None
) -> bool:
    """Copy a file into an empty one. Either may be modified afterwards without the other.

    Returns whether the content was read, and passed to `update_hash`.
    """

    try:
        fcntl.ioctl(target.fileno(), _CLONE, source.fileno())
        return False
    except OSError:
        copy_stream(source, target, update_hash)
        return True


def copy_stream(
    source: IO[bytes], target: IO[bytes], update_hash: Callable[[bytes], object] | None = None
) -> None:
    """Copy the rest of a stream into an empty file, and pass each chunk of it to `update_hash`."""

    writer = EagerWriter(target)
    while data := source.read(_CHUNK):
        writer.write(data)
        if update_hash is not None:
            update_hash(data)


class EagerWriter:
    """Writes to an empty file, and makes the system write each part of it to the disk without
    waiting for it, so that an fsync later has little to do. `size` is that of the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begun = 0
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append to the file. Raises OSError."""

        self._file.write(data)
        self.size += len(data)
        if self.size - self._begun >= _INTERVAL:
            self._begin_to_write()
        return len(data)

    def _begin_to_write(self) -> None:
        start, self._begun = self._begun, self.size
        if hasattr(os, "posix_fadvise"):
            # What is not needed any more and was modified, Linux begins to write. It only drops
            # from memory what is on the disk already, which a part that was just written is not.
            with suppress(OSError):
                os.posix_fadvise(
                    self._file.fileno(), start, self.size - start, os.POSIX_FADV_DONTNEED
                )
