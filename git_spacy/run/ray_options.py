"""Translate a job into Ray's options and a work order, and Ray's errors into ours."""

from __future__ import annotations

import hashlib
import inspect
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from git_spacy import sharing
from git_spacy.errors import ExternalError, ScriptFailed
from git_spacy.git.state_dir import state_dir
from git_spacy.project.model import Project, Resources
from git_spacy.run import ray_supervisor, ray_worker
from git_spacy.run.executor import Job
from git_spacy.run.script import Step

SHARED_SETTING = "spacy.rayShared"
_MAX_BUFFERED_EVENTS = 16  # the worker pauses when we are this many events behind
_OWN_VARIABLES = ("GIT_SPACY_VARS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")


def task_options(
    resources: Resources, name: str, requirements: Sequence[str] = ()
) -> dict[str, Any]:
    """Return Ray's options for the task of the command `name`, for which it installs
    `requirements`."""

    values = {
        "num_cpus": 1 if resources.num_cpus is None else resources.num_cpus,
        "num_gpus": resources.num_gpus,
        "memory": resources.memory,
        "accelerator_type": resources.accelerator_type,
        "resources": dict(resources.custom) or None,
        "runtime_env": {"pip": list(requirements)} if requirements else None,
        "name": f"git spacy run {name}",
        "num_returns": "streaming",
        "max_retries": 0,  # we restart it ourselves and report that
        "_generator_backpressure_num_objects": _MAX_BUFFERED_EVENTS,
    }
    return {name: value for name, value in values.items() if value is not None}


def required_amounts(resources: Resources) -> dict[str, float]:
    """Return the resources under the names that Ray uses for a machine's capacity."""

    amounts: dict[str, float] = {"CPU": 1 if resources.num_cpus is None else resources.num_cpus}
    amounts |= {"GPU": resources.num_gpus or 0, "memory": resources.memory or 0}
    amounts |= dict(resources.custom)
    if resources.accelerator_type:
        amounts[f"accelerator_type:{resources.accelerator_type}"] = 0.001
    return amounts


def format_amounts(amounts: Mapping[str, float]) -> str:
    """Format amounts for a message, e.g. `4 CPU, 1 GPU`."""

    return ", ".join(f"{amount:.12g} {name}" for name, amount in amounts.items() if amount)


def create_folder_proof(root: Path) -> tuple[ray_worker.FolderProof, str] | None:
    """Write a file with a secret by which a worker recognizes our folder.

    Returns the proof for the worker and the secret, or None if files are always uploaded
    (`git config spacy.rayShared false`).
    """

    from git_spacy.git.settings import boolean, read_settings

    if not boolean(read_settings(root), SHARED_SETTING):
        return None
    folder = state_dir(root)
    sharing.make_folders(folder)
    secret = secrets.token_hex(32)
    descriptor, file = tempfile.mkstemp(prefix="ray-", dir=folder)
    with open(descriptor, "w", encoding="ascii") as stream:
        stream.write(secret)
    os.chmod(file, 0o644)  # workers may run as another user
    digest = hashlib.sha256(secret.encode("ascii")).hexdigest()
    return ray_worker.FolderProof(
        os.path.realpath(file), digest, ray_worker.project_stamp(os.fspath(root))
    ), secret


def build_work_order(
    project: Project, job: Job, proof: ray_worker.FolderProof | None, secret: str,
    chunks: tuple[Any, ...] | None, delay: float,
) -> ray_worker.WorkOrder:  # fmt: skip
    """Build the work order for a job.

    It contains the environment variables that project.yml names in plain text; the others can only
    be read with `secret`, since any machine of the cluster may receive the order and Ray stores it.
    """

    root = os.fspath(job.root)
    return ray_worker.WorkOrder(
        lines=tuple(step.arguments for step in job.steps),
        root=os.path.realpath(root),
        sealed_environ=ray_worker.seal(job.environ, secret) if proof else b"",
        public_environ=public_environ(project, job),
        python=job.python,
        outputs=tuple(path.normal for path in job.command.produced),
        supervisor=inspect.getsource(ray_supervisor),
        proof=proof and proof._replace(stamp=ray_worker.project_stamp(root)),
        archive=chunks,
        delay=delay,
        timeout=job.timeout.seconds if job.timeout else 0.0,
    )


def public_environ(project: Project, job: Job) -> dict[str, str]:
    """Return the environment variables that any machine may see: those named in project.yml.

    PATH is left out: the machine has its own.
    """

    names = {*project.environment.values(), *_OWN_VARIABLES} - {"PATH"}
    return {name: job.environ[name] for name in sorted(names) if name in job.environ}


def worker_lost_errors(exceptions: Any) -> tuple[type[Exception], ...]:
    """Return Ray's exceptions for a lost worker, or a lost machine and its objects."""

    names = (
        "WorkerCrashedError", "NodeDiedError", "ObjectLostError", "OutOfMemoryError",
        "ObjectReconstructionFailedError",
    )  # fmt: skip
    return tuple(getattr(exceptions, name) for name in names if hasattr(exceptions, name))


def task_error(name: str, error: Exception) -> ExternalError:
    """Return the error for a failure of Ray itself, not of the script or a lost worker."""

    if type(error).__name__ == "RuntimeEnvSetupError":
        pip = [line for line in str(error).splitlines() if line.startswith("ERROR: ")]
        reason = (pip or [str(error)])[0].removeprefix("ERROR: ")
        hint = "correct the file that 'git config spacy.rayRequirements' names"
        return ExternalError(f"Ray could not install packages for '{name}': {reason}", hint=hint)
    cause = getattr(error, "cause", None)
    lines = str(cause or error).strip().splitlines()
    kind = type(cause or error).__name__
    return ExternalError(f"Ray could not run '{name}': {kind}: {lines[0] if lines else ''}")


def start_error(step: Step, code: int) -> ScriptFailed:
    """Return the error for a program that could not be started, with a shell's exit code:
    126 (not executable) or 127 (not found)."""

    problem = "cannot be executed" if code == 126 else "not found"
    return ScriptFailed(
        f"program {problem} on the worker: '{step.arguments[0]}'", code, file=step.shown,
        hint="install it on the machines of the cluster, or share the environment with them",
    )  # fmt: skip
