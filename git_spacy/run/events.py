"""The typed events that a run reports while it is in progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Union

from git_spacy.errors import Diagnostic, GitSpacyError


class CommandSkipped(NamedTuple):
    """A command was skipped because it is up to date."""

    command: str


class CommandStarted(NamedTuple):
    """A command starts (or would start, in a dry run), for the given reasons."""

    command: str
    reasons: tuple[str, ...]
    dry: bool


class CommandRepeated(NamedTuple):
    """A command starts again after an attempt that failed with `error`: for the `attempt`th time,
    of at most `attempts`."""

    command: str
    error: GitSpacyError
    attempt: int
    attempts: int


class StepStarted(NamedTuple):
    """A script line of a command starts."""

    command: str
    line: str


class LinePrinted(NamedTuple):
    """A script printed a line; `text` has no line break. Only reported for parallel runs."""

    command: str
    text: str
    is_error: bool


class OutputRelayed(NamedTuple):
    """A script that runs alone printed `data`, which is copied to our own output already."""

    command: str
    data: bytes


class CommandFailed(NamedTuple):
    """A command failed."""

    command: str
    error: GitSpacyError


class CommandRestored(NamedTuple):
    """The outputs of a command were restored from `source` instead of running it."""

    command: str
    reasons: tuple[str, ...]
    source: str


class CommandFinished(NamedTuple):
    """A command succeeded, and its result is recorded."""

    command: str
    seconds: float


class RunPlanned(NamedTuple):
    """A run of `commands` commands begins; some of them may be skipped. If there are variants among
    them, `names` are the names of all."""

    commands: int
    names: tuple[str, ...] = ()


RunEvent = Union[  # noqa: UP007 (3.10)
    RunPlanned,
    CommandSkipped,
    CommandRestored,
    CommandStarted,
    CommandRepeated,
    StepStarted,
    LinePrinted,
    OutputRelayed,
    CommandFinished,
    CommandFailed,
    Diagnostic,  # a warning, which does not stop the run
]
RunReporter = Callable[[RunEvent], None]
