"""What a run tells while it goes: typed events, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError


class CommandSkipped(NamedTuple):
    """Nothing to do: it is current."""

    command: str


class CommandStarted(NamedTuple):
    """A command begins (or, in a dry run, would), for these reasons."""

    command: str
    reasons: tuple[str, ...]
    dry: bool


class StepStarted(NamedTuple):
    """One of its script lines."""

    command: str
    line: str


class LinePrinted(NamedTuple):
    """A line that its script wrote, without the line break; where several run at a time."""

    command: str
    text: str
    is_error: bool


class CommandFailed(NamedTuple):
    """It ended otherwise."""

    command: str
    error: GitSpacyError


class CommandRestored(NamedTuple):
    """Its outputs were brought from `source` instead, as they were made before."""

    command: str
    reasons: tuple[str, ...]
    source: str


class CommandFinished(NamedTuple):
    """It is done and recorded."""

    command: str
    seconds: float


class RunPlanned(NamedTuple):
    """So many commands are to be looked at."""

    commands: int


class RunWarning(NamedTuple):
    """Something that is not as it should be and stops nothing."""

    text: str


RunEvent = Union[  # noqa: UP007 (3.10)
    RunPlanned,
    CommandSkipped,
    CommandRestored,
    CommandStarted,
    StepStarted,
    LinePrinted,
    CommandFinished,
    CommandFailed,
    RunWarning,
]
RunReporter = Callable[[RunEvent], None]
