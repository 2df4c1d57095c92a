"""The typed events that a run reports while it is in progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from git_spacy.errors import Diagnostic, GitSpacyError
from git_spacy.light_typing import NamedTuple, Union


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


class CommandPruned(NamedTuple):
    """A command was stopped, since the trial of a search that it belongs to was not promising."""

    command: str
    reason: str


class TrialStarted(NamedTuple):
    """Trial `number` of at most `total` of a search begins, with these values of variables.

    `commands` maps the names of its variants to those of their commands.
    """

    number: int
    total: int
    values: Mapping[str, str]
    commands: Mapping[str, str]


class TrialEnded(NamedTuple):
    """A trial of a search ended as `outcome` says, e.g. with a score; `is_good` if it has one."""

    number: int
    total: int
    outcome: str
    is_good: bool


class RunPlanned(NamedTuple):
    """A run of `commands` commands begins; some of them may be skipped. If there are variants among
    them, `names` are the names of all. A search reports it again when it adds commands."""

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
    CommandPruned,
    TrialStarted,
    TrialEnded,
    Diagnostic,  # a warning, which does not stop the run
]
RunReporter = Callable[[RunEvent], None]
