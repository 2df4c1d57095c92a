"""Keep derived data in a file of Git's folder that is safe to delete, truncate or damage.

The first line names the kind and version of the data and has its length and checksum, so that any
other content counts as missing. SQLite would notice a damaged structure, but not a changed value,
and needs file locks, which some network file systems do not have.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path

from git_spacy import sharing
from git_spacy.errors import GitSpacyError
from git_spacy.files import write_atomic

_MAX_HEAD = 200  # bytes


def read_checked(file: Path, kind: str) -> memoryview | None:
    """Return the data in the file; None if there is none of this kind, or it is damaged."""

    try:
        content = file.read_bytes()
    except OSError:
        return None
    end = content.find(b"\n", 0, _MAX_HEAD)
    data = memoryview(content)[end + 1 :]
    return data if end >= 0 and content[: end + 1] == _head(kind, data) else None


def write_checked(file: Path, kind: str, data: bytes) -> None:
    """Replace the content of the file. Where that is not possible, e.g. in a read-only repository,
    the data is computed again the next time."""

    with suppress(OSError, GitSpacyError):
        sharing.make_folders(file.parent)
        write_atomic(file, _head(kind, data) + data)


def _head(kind: str, data: bytes | memoryview) -> bytes:
    return f"git-spacy {kind} {len(data)} {zlib.crc32(data):08x}\n".encode()
