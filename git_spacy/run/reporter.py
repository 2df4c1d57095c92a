"""What a run tells while it goes: typed events, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union


class Skipped(NamedTuple):
    """Nothing to do: it is current."""

    command: str


class Started(NamedTuple):
    """A command begins (or, in a dry run, would), for these reasons."""

    command: str
    reasons: tuple[str, ...]
    dry: bool


class StepStarted(NamedTuple):
    """One of its script lines."""

    line: str


class Finished(NamedTuple):
    """It is done and recorded."""

    command: str
    seconds: float


class Warned(NamedTuple):
    """Something that is not as it should be and stops nothing."""

    text: str


Event = Union[Skipped, Started, StepStarted, Finished, Warned]  # noqa: UP007 (3.10)
Reporter = Callable[[Event], None]
