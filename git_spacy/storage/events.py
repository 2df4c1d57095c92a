"""What push and pull tell while they go: typed events, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class Began(NamedTuple):
    """Bytes go; `total` are those of the output, None where nobody knows."""

    path: str
    total: int | None


class Progress(NamedTuple):
    """So many have gone, altogether."""

    path: str
    done: int


class Done(NamedTuple):
    """It is there; `how` in words."""

    path: str
    size: int
    how: str


class Kept(NamedTuple):
    """Nothing was to be done, or could be, for this reason."""

    path: str
    why: str


class Failed(NamedTuple):
    """It could not be had or sent; what was there before still is."""

    path: str
    error: GitSpacyError


Event = Union[Began, Progress, Done, Kept, Failed]  # noqa: UP007 (3.10)
Reporter = Callable[[Event], None]
