"""Define the events that push and pull report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Union

from git_spacy.errors import GitSpacyError

SkipKind = Literal["present", "empty", "kept", "stale", "missing"]


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


class TransferPlanned(NamedTuple):
    """An output would be transferred, but for the dry run. `size` is None if unknown."""

    path: str
    size: int | None


class TransferSkipped(NamedTuple):
    """An output of `command` was not transferred, for `reason`.

    It is `present` at the destination already, it has no files (`empty`), a pull would lose what is
    here (`kept`), a push would send something `stale`, or it is `missing` at the source.
    """

    path: str
    reason: str
    kind: SkipKind
    command: str


class TransferFailed(NamedTuple):
    """A transfer failed and changed nothing."""

    path: str
    error: GitSpacyError


TransferEvent = Union[  # noqa: UP007 (3.10)
    TransferStarted,
    TransferProgress,
    TransferFinished,
    TransferPlanned,
    TransferSkipped,
    TransferFailed,
]
TransferReporter = Callable[[TransferEvent], None]
