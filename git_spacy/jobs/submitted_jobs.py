"""The jobs that were submitted from this worktree: one JSON file each, in Git's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy import formats, sharing
from git_spacy.errors import InvalidInput, Warn, warning
from git_spacy.files import write_atomic
from git_spacy.git.state_dir import state_dir
from git_spacy.history.run_history import BaseCommit
from git_spacy.jobs.order import job_id, job_key

_MAX_BYTES = 4 << 20
_SCHEMES = ("http://", "https://")


class SubmittedJob(NamedTuple):
    """A job: what the user typed after `git spacy`, the names of its commands, the overridden
    variables, the address of the cluster's API and the remote, by name or URL. `base` is the commit
    that it was submitted on, `submitted` the time in seconds since 1970, and `key` that with which
    the job signs its results; `exit` is the exit status of its run if all of its results have been
    collected."""

    id: str
    typed: str
    commands: tuple[str, ...]
    variables: Mapping[str, Any]
    address: str
    remote: str
    base: BaseCommit
    submitted: float
    key: str
    exit: int | None = None


def save_job(root: Path, job: SubmittedJob) -> None:
    """Write the file of a job. Raises OSError."""

    folder = _folder(root)
    sharing.make_folders(folder)
    document = {**job._asdict(), "base": job.base._asdict()}
    write_atomic(folder / f"{job.id}.json", json.dumps(document, indent=1).encode())


def remove_job(root: Path, job: SubmittedJob) -> None:
    """Remove the file of a job that was not submitted after all."""

    (_folder(root) / f"{job_id(job.id)}.json").unlink(missing_ok=True)


def submitted_jobs(root: Path, warn: Warn) -> list[SubmittedJob]:
    """Return the jobs of the project at `root`, the oldest first; `warn` of invalid files."""

    jobs = []
    for file in sorted(_folder(root).glob("*.json")):
        try:
            jobs.append(_read(file))
        except (InvalidInput, ValueError, TypeError, LookupError, AttributeError, OSError) as error:
            hint = f"remove it, if it is not a job of yours: rm {file}"
            warn(warning(f"ignored '{file}': {error}", hint))
    return sorted(jobs, key=lambda job: job.submitted)


def find_job(root: Path, prefix: str | None, warn: Warn) -> SubmittedJob:
    """Return the job whose id starts with `prefix`; without one, the only job, or else the only one
    that was not collected. Raises InvalidInput."""

    jobs = submitted_jobs(root, warn)
    if not jobs:
        raise InvalidInput(
            "no job was submitted from this worktree", hint="git spacy run --detach -h"
        )
    found = [job for job in jobs if job.id.startswith(prefix or "")]
    if prefix is None and len(found) > 1:
        found = [job for job in jobs if job.exit is None]
    if len(found) == 1:
        return found[0]
    if not found:
        problem = f"unknown job '{prefix}'" if prefix else "all jobs have been collected"
    elif prefix is None:
        problem = f"which of {len(found)} jobs? Name it by its id"
    else:
        problem = f"'{prefix}' is the start of {len(found)} ids"
    raise InvalidInput(problem, hint="git spacy jobs")


def _folder(root: Path) -> Path:
    return state_dir(root) / "jobs"


def _read(file: Path) -> SubmittedJob:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with open(descriptor, "rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InvalidInput(f"larger than {_MAX_BYTES:,} bytes")
    document = formats.document(data)
    exit, base = document["exit"], document["base"]
    if job_id(document["id"]) != file.stem:
        raise InvalidInput("the id of another job")
    return SubmittedJob(
        id=document["id"],
        typed=formats.line(document["typed"]),
        commands=tuple(formats.text(name) for name in _checked(document["commands"], list)),
        variables=_checked(document["variables"], dict),
        address=checked_url(formats.line(document["address"])),
        remote=formats.line(document["remote"]),
        base=BaseCommit(
            formats.object_id(base["commit"]),
            formats.object_id(base["tree"]),
            _checked(base["dirty"], bool),
        ),
        submitted=float(formats.integer(int(formats.number(document["submitted"])), 0, 1 << 40)),
        key=job_key(document["key"]),
        exit=None if exit is None else formats.integer(exit, -255, 255),
    )


def checked_url(url: str) -> str:
    """Validate the address of a cluster's API."""

    if not url.startswith(_SCHEMES):
        raise InvalidInput(f"'{url}' is not an address with http:// or https://")
    return url


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"not a {kind.__name__}")
    return value
