"""Decide which failures of a command are worth another attempt (`retries` in project.yml)."""

from __future__ import annotations

import signal

from git_spacy.history.run_record import Attempt
from git_spacy.run.executor import JobResult

_INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes


def may_be_repeated(result: JobResult) -> bool:
    """Return whether the script of a job failed, or its machine was lost.

    A script that was interrupted on this machine is not repeated: a user did that. On a cluster,
    a machine that shuts down does the same.
    """

    was_interrupted = result.execution is None and result.code in _INTERRUPTED
    return result.is_lost or bool(result.code and not was_interrupted)


def failed_attempt(result: JobResult, seconds: float) -> Attempt:
    """Return the entry of the run record for a job that failed after `seconds`."""

    code = result.failure.exit_code if result.failure else result.code
    limit = result.timeout.seconds if result.timeout else 0.0
    return Attempt(code, round(seconds, 3), limit)
