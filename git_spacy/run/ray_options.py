"""What Ray is told of a command, and what its errors mean in our words. Talks to no cluster."""

from __future__ import annotations

import hashlib
import inspect
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from git_spacy import sharing
from git_spacy.errors import ExternalError, ScriptFailed
from git_spacy.project.model import Project, Resources
from git_spacy.run import ray_supervisor, ray_worker
from git_spacy.run.executor import Job
from git_spacy.run.script import Step
from git_spacy.state.stat_cache import state_dir

SHARED = "spacy.rayShared"
_AHEAD = 16  # events that a worker may be ahead of us
_OWN = ("GIT_SPACY_VARS", "PYTHONUNBUFFERED")


def options(needs: Resources, name: str) -> dict[str, Any]:
    """How a task of the command `name` is handed over."""

    found = {
        "num_cpus": 1 if needs.num_cpus is None else needs.num_cpus,
        "num_gpus": needs.num_gpus,
        "memory": needs.memory,
        "accelerator_type": needs.accelerator_type,
        "resources": dict(needs.custom) or None,
        "name": f"git spacy run {name}",
        "num_returns": "streaming",
        "max_retries": 0,  # begun again by us, who say so
        "_generator_backpressure_num_objects": _AHEAD,
    }
    return {name: value for name, value in found.items() if value is not None}


def wanted(needs: Resources) -> dict[str, float]:
    """The same as Ray counts it."""

    found: dict[str, float] = {"CPU": 1 if needs.num_cpus is None else needs.num_cpus}
    found |= {"GPU": needs.num_gpus or 0, "memory": needs.memory or 0, **dict(needs.custom)}
    if needs.accelerator_type:
        found[f"accelerator_type:{needs.accelerator_type}"] = 0.001
    return found


def told(wanted: Mapping[str, float]) -> str:
    """`4 CPU, 1 GPU`."""

    return ", ".join(f"{amount:.12g} {what}" for what, amount in wanted.items() if amount)


def shown(root: Path) -> tuple[ray_worker.FolderProof, str] | None:
    """Leave a file by which a worker knows our folder; how it does, and the secret in the file.
    None where files are to travel anyway."""

    from git_spacy.git.settings import boolean, read_settings

    if not boolean(read_settings(root), SHARED):
        return None
    folder = state_dir(root)
    sharing.make_folders(folder)
    secret = secrets.token_hex(32)
    descriptor, file = tempfile.mkstemp(prefix="ray-", dir=folder)
    with open(descriptor, "w", encoding="ascii") as stream:
        stream.write(secret)
    os.chmod(file, 0o644)  # workers may be somebody else's
    digest = hashlib.sha256(secret.encode("ascii")).hexdigest()
    return ray_worker.FolderProof(
        os.path.realpath(file), digest, ray_worker.stamp(os.fspath(root))
    ), secret


def order(
    project: Project, job: Job, seen: ray_worker.FolderProof | None, secret: str,
    chunks: tuple[Any, ...] | None, delay: float,
) -> ray_worker.WorkOrder:  # fmt: skip
    """What a worker is told of a job. Of our environment it can read what project.yml names, and
    the rest only with `secret`: any machine of the cluster may get it, and Ray keeps it."""

    root = os.fspath(job.root)
    return ray_worker.WorkOrder(
        lines=tuple(step.arguments for step in job.steps),
        root=os.path.realpath(root),
        sealed=ray_worker.seal(job.environ, secret) if seen else b"",
        named=named(project, job),
        python=job.python,
        outputs=tuple(path.normal for path in job.command.produced),
        keeper=inspect.getsource(ray_supervisor),
        seen=seen and seen._replace(stamp=ray_worker.stamp(root)),
        parcel=chunks,
        delay=delay,
    )


def named(project: Project, job: Job) -> dict[str, str]:
    """What of the environment a strange machine is told: what project.yml names, and no more.
    Where its programs are, it knows better."""

    names = {*project.environment.values(), *_OWN} - {"PATH"}
    return {name: job.environ[name] for name in sorted(names) if name in job.environ}


def lost(exceptions: Any) -> tuple[type[Exception], ...]:
    """What Ray says where it lost a worker, or a machine with what it held."""

    names = (
        "WorkerCrashedError", "NodeDiedError", "ObjectLostError", "OutOfMemoryError",
        "ObjectReconstructionFailedError",
    )  # fmt: skip
    return tuple(getattr(exceptions, name) for name in names if hasattr(exceptions, name))


def failed(name: str, error: Exception) -> ExternalError:
    """What went wrong with `name` that is neither its script's fault nor a lost worker."""

    cause = getattr(error, "cause", None)
    said = str(cause or error).strip().splitlines()
    kind = type(cause or error).__name__
    return ExternalError(f"'{name}' could not run there: {kind}: {said[0] if said else ''}")


def not_started(step: Step, code: int) -> ScriptFailed:
    """The code is a shell's: 126, 127."""

    what = "cannot be executed" if code == 126 else "is not there"
    return ScriptFailed(
        f"the program '{step.arguments[0]}' {what} on the worker", code, location=step.shown,
        hint="install it on the machines of the cluster, or share the environment with them",
    )  # fmt: skip
