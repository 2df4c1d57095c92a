"""What fetching tells while it goes: typed events, to whoever wants to know.

`dest` is the asset's destination as project.yml has it. Texts may quote a server: whoever shows
them escapes and masks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class FetchStarted(NamedTuple):
    """Bytes are asked for."""

    dest: str
    source: str
    reason: str


class FetchProgress(NamedTuple):
    """Bytes have come; `total` is None where nobody knows."""

    dest: str
    done: int
    total: int | None


class FetchRetried(NamedTuple):
    """A try failed; another follows after `wait` seconds."""

    dest: str
    why: str
    wait: float


class FetchNotice(NamedTuple):
    """Something that is worth knowing and stops nothing."""

    dest: str
    text: str


class FetchFinished(NamedTuple):
    """It is there, new. `size` in bytes; `how`: verified by what, or from which commit."""

    dest: str
    size: int
    how: str


class FetchSkipped(NamedTuple):
    """What is there stays."""

    dest: str
    reason: str


class FetchFailed(NamedTuple):
    """It could not be had; what was there before still is."""

    dest: str
    error: GitSpacyError


FetchEvent = Union[  # noqa: UP007 (3.10)
    FetchStarted, FetchProgress, FetchRetried, FetchNotice, FetchFinished, FetchSkipped, FetchFailed
]
FetchReporter = Callable[[FetchEvent], None]
