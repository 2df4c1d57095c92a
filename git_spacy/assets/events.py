"""Define the events that a fetch reports.

`dest` is the destination of the asset as in project.yml. Texts may quote a server, so they must be
escaped and redacted before they are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class FetchStarted(NamedTuple):
    """A download or copy started."""

    dest: str
    source: str
    reason: str


class FetchProgress(NamedTuple):
    """`done` bytes have been received; `total` is None if unknown."""

    dest: str
    done: int
    total: int | None


class FetchRetried(NamedTuple):
    """An attempt failed; the next one follows after `wait` seconds."""

    dest: str
    reason: str
    wait: float


class FetchNotice(NamedTuple):
    """A notice that does not affect the result."""

    dest: str
    text: str


class FetchFinished(NamedTuple):
    """An asset was fetched. `detail` says how it was verified and from which commit it is."""

    dest: str
    size: int
    detail: str


class FetchSkipped(NamedTuple):
    """The existing file or folder was not replaced."""

    dest: str
    reason: str


class FetchFailed(NamedTuple):
    """A fetch failed and changed nothing."""

    dest: str
    error: GitSpacyError


FetchEvent = Union[  # noqa: UP007 (3.10)
    FetchStarted, FetchProgress, FetchRetried, FetchNotice, FetchFinished, FetchSkipped, FetchFailed
]
FetchReporter = Callable[[FetchEvent], None]
