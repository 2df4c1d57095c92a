"""The interface of executors, which run the scripts of commands, and the table of executors."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from git_spacy.errors import CheckFailed, Diagnostic, GitSpacyError, ScriptFailed
from git_spacy.light_typing import NamedTuple, Protocol
from git_spacy.project.model import Command, Project, Timeout
from git_spacy.project.paths import ProjectPath
from git_spacy.project.script_line import line_position
from git_spacy.run.endings import describe_exit, signal_name
from git_spacy.run.events import RunReporter
from git_spacy.run.script import Step

# name → module with `create_executor(project, address)`, imported on demand
EXECUTORS = {
    "local": "git_spacy.run.parallel",
    "ray": "git_spacy.run.ray",
}


class Job(NamedTuple):
    """A command to run: its steps and the folder `root` to run them in. `python` is the
    interpreter that replaced `python` in the steps. If `root` is a copy of the project, `project`
    is the project's own folder. `timeout` is the longest time that all steps together may take."""

    command: Command
    steps: tuple[Step, ...]
    root: Path
    environ: Mapping[str, str]
    python: str = ""
    project: Path | None = None
    timeout: Timeout | None = None

    @property
    def project_root(self) -> Path:
        """The project's own folder."""

        return self.project or self.root


class Execution(NamedTuple):
    """How long a job's script ran on a cluster and how long the job waited before, in seconds; the
    id of the node, and the resources reserved there."""

    seconds: float
    queued: float
    node: str
    resources: Mapping[str, float]


class JobResult(NamedTuple):
    """How a job ended: the exit code of the script line that failed, or 0; or the error that kept
    it from running.

    `step` is the index of the last line that ran. `was_interrupted`: Ctrl-C ended it, as is usual
    for a server, and it exited with 0. `execution` is None for a job that ran here, at once.
    `timeout` is the limit at which the job was ended, if it was. `is_lost`: the machine that it ran
    on did not answer any more. `cancelled` is why we stopped it, if we did.
    """

    command: Command
    code: int = 0
    failure: GitSpacyError | None = None
    step: int = 0
    was_interrupted: bool = False
    execution: Execution | None = None
    timeout: Timeout | None = None
    is_lost: bool = False
    cancelled: str = ""


def get_executor(name: str, project: Project, address: str | None) -> Executor:
    """Create the executor `name` (a key of EXECUTORS), which runs several jobs at a time.

    Raises InvalidInput if a package that it depends on is not installed.
    """

    executor: Executor = importlib.import_module(EXECUTORS[name]).create_executor(project, address)
    return executor


class Executor(Protocol):
    """Runs jobs, possibly several at a time. Reports StepStarted and LinePrinted."""

    def start(self, job: Job) -> None:
        """Start a job. Its failure is reported by `wait`. Raises ExternalError if there is nothing
        to run jobs on, e.g. no cluster."""

    def wait(self, report: RunReporter) -> JobResult:
        """Wait until any started job has ended. Raises Interrupted if we or the job received
        a signal."""
        ...

    def stop(self, signal_number: int) -> None:
        """Stop all running jobs with the signal `signal_number`, and wait until they have ended."""

    def close(self) -> None:
        """Release all resources; no job may be started afterwards."""


def script_failure(command: Command, result: JobResult) -> ScriptFailed:
    """Return the error for a script line that failed or was killed."""

    if limit := result.timeout:
        return ScriptFailed(
            f"'{command.name}' was ended at its timeout of {limit.text}", result.code,
            hint="set a longer timeout there, or remove the line",
            file="project.yml", line=limit.line, column=limit.column,
        )  # fmt: skip
    message = f"'{command.name}' failed: a script line {describe_exit(result.code)}"
    is_killed = bool(signal_name(result.code))
    message += "; the next run repeats it" if is_killed else ""
    line, column = line_position(command, result.step)
    return ScriptFailed(
        message, result.code, hint=command.cli_name if is_killed else "",
        file="project.yml", line=line, column=column,
    )  # fmt: skip


def missing_outputs(command: Command, paths: Iterable[ProjectPath]) -> GitSpacyError:
    """Return the error for the outputs `paths`, which the script of `command` did not produce."""

    return CheckFailed.from_problems(
        Diagnostic(
            f"'{command.name}' did not produce its output '{path}'",
            "correct the script, or the path under 'outputs'",
            "project.yml",
            command.line,
        )
        for path in paths
    )
