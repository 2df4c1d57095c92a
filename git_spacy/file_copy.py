"""Copy files so that the copies share their blocks, where the file system supports that, and have
the disk write the others while they are copied."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import IO

_CHUNK = 1 << 20
_INTERVAL = 8 << 20  # bytes after which the disk begins to write them
_CLONE = 0x40049409  # FICLONE of linux/fs.h: a copy that shares blocks until they are written


def copy_content(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a file into an empty one. Either may be modified afterwards without the other."""

    try:
        fcntl.ioctl(target.fileno(), _CLONE, source.fileno())
    except OSError:
        copy_stream(source, target)


def copy_stream(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy the rest of a stream into an empty file."""

    begun = done = 0
    while data := source.read(_CHUNK):
        target.write(data)
        done += len(data)
        if done - begun >= _INTERVAL:
            start_writing_to_disk(target, begun, done)
            begun = done


def start_writing_to_disk(file: IO[bytes], start: int, end: int) -> None:
    """Make the system write this part of a file to the disk without waiting for it, so that an
    fsync later has little to do."""

    if end > start and hasattr(os, "posix_fadvise"):
        # What is not needed any more and was modified, Linux begins to write. It only drops from
        # memory what is on the disk already, which a part that was just written is not.
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)
