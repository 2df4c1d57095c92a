"""Where commands run: a Protocol that every executor keeps, and the table of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from git_spacy.errors import GitSpacyError
from git_spacy.project.model import Command, Project
from git_spacy.run.events import RunReporter
from git_spacy.run.script import Step

# name → module with `of(project, address)`, imported when it is asked for
EXECUTORS = {
    "local": "git_spacy.run.parallel",
    "ray": "git_spacy.run.ray",
}


class Job(NamedTuple):
    """A command that is to run: its steps, in the folder `root`. `python` is what stands for
    `python` in them."""

    command: Command
    steps: tuple[Step, ...]
    root: Path
    environ: Mapping[str, str]
    python: str = ""


class JobResult(NamedTuple):
    """How a job ended: the exit code of the line that failed, or 0; or why it could not be run."""

    command: Command
    code: int = 0
    failure: GitSpacyError | None = None


def get_executor(name: str, project: Project, address: str | None) -> Executor:
    """The executor of a name in EXECUTORS, for several jobs at a time. Raises Malformed where what
    it needs is not installed."""

    made: Executor = importlib.import_module(EXECUTORS[name]).create_executor(project, address)
    return made


class Executor(Protocol):
    """Runs jobs somewhere, perhaps several at a time. Reports StepStarted and Printed."""

    def start(self, job: Job) -> None:
        """Begin with one. What goes wrong with it, `wait` tells. Raises Unavailable where there is
        nothing to run it on."""

    def wait(self, report: RunReporter) -> JobResult:
        """Wait until one that was begun has ended. Raises Interrupted if we or it were."""
        ...

    def stop(self, number: int) -> None:
        """End what still runs with the signal `number`, and wait until it has ended."""

    def close(self) -> None:
        """Let go of what was held: no more is to run."""
