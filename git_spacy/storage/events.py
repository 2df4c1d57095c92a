"""What push and pull tell while they go: typed events, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class TransferStarted(NamedTuple):
    """Bytes go; `total` are those of the output, None where nobody knows."""

    path: str
    total: int | None


class TransferProgress(NamedTuple):
    """So many have gone, altogether."""

    path: str
    done: int


class TransferFinished(NamedTuple):
    """It is there; `how` in words."""

    path: str
    size: int
    how: str


class TransferSkipped(NamedTuple):
    """Nothing was to be done, or could be, for this reason."""

    path: str
    why: str


class TransferFailed(NamedTuple):
    """It could not be had or sent; what was there before still is."""

    path: str
    error: GitSpacyError


TransferEvent = Union[  # noqa: UP007 (3.10)
    TransferStarted, TransferProgress, TransferFinished, TransferSkipped, TransferFailed
]
TransferReporter = Callable[[TransferEvent], None]
