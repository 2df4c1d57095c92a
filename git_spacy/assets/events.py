"""What fetching tells while it goes: typed events, to whoever wants to know.

`dest` is the asset's destination as project.yml has it. Texts may quote a server: whoever shows
them escapes and masks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class Started(NamedTuple):
    """Bytes are asked for."""

    dest: str
    source: str
    reason: str


class Progress(NamedTuple):
    """Bytes have come; `total` is None where nobody knows."""

    dest: str
    done: int
    total: int | None


class Retried(NamedTuple):
    """A try failed; another follows after `wait` seconds."""

    dest: str
    why: str
    wait: float


class Noted(NamedTuple):
    """Something that is worth knowing and stops nothing."""

    dest: str
    text: str


class Finished(NamedTuple):
    """It is there, new. `size` in bytes; `how`: verified by what, or from which commit."""

    dest: str
    size: int
    how: str


class Kept(NamedTuple):
    """What is there stays."""

    dest: str
    reason: str


class Failed(NamedTuple):
    """It could not be had; what was there before still is."""

    dest: str
    error: GitSpacyError


Event = Union[Started, Progress, Retried, Noted, Finished, Kept, Failed]  # noqa: UP007 (3.10)
Reporter = Callable[[Event], None]
