"""Define the events that push and pull report."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class TransferStarted(NamedTuple):
    """A transfer started. `total` is the size of the output in bytes, None if unknown."""

    path: str
    total: int | None


class TransferProgress(NamedTuple):
    """`done` bytes have been transferred so far."""

    path: str
    done: int


class TransferFinished(NamedTuple):
    """A transfer finished. `detail` says how it was verified, if it was."""

    path: str
    size: int
    detail: str


class TransferSkipped(NamedTuple):
    """An output was not transferred, for `reason`."""

    path: str
    reason: str


class TransferFailed(NamedTuple):
    """A transfer failed and changed nothing."""

    path: str
    error: GitSpacyError


TransferEvent = Union[  # noqa: UP007 (3.10)
    TransferStarted, TransferProgress, TransferFinished, TransferSkipped, TransferFailed
]
TransferReporter = Callable[[TransferEvent], None]
