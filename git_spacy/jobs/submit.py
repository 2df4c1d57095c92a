"""Submit a run as a job of a cluster: pack the project into the remote, and this package into the
job, which then needs nothing of this machine."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import time
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import git_spacy
from git_spacy import sharing
from git_spacy.errors import Refused, redact
from git_spacy.git.state_dir import state_dir
from git_spacy.history import run_history
from git_spacy.jobs import order as orders
from git_spacy.jobs.jobs_api import JobsClient
from git_spacy.jobs.order import JobOrder
from git_spacy.jobs.submitted_jobs import SubmittedJob, remove_job, save_job
from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_file import PROJECT_FILE
from git_spacy.run import workspace_archive
from git_spacy.run.workspace_archive import ArchiveContent
from git_spacy.storage.remote import RemoteAddress, open_remote

_ENTRYPOINT = "python -m git_spacy.jobs"
_STOP_SECONDS = 60  # to end the scripts and to deliver what is complete; then Ray kills the job
# what does not depend on files of this machine
_SENT_SETTINGS = ("endpoint", "region", "account", "project", "anonymous")
_NOT_SENT = ("templates", "__pycache__")


class JobRequest(NamedTuple):
    """What to run: the commands, those of them that are not up to date, the arguments of
    `git spacy run` for the cluster, and what the user typed."""

    commands: Sequence[Command]
    stale: Collection[str]
    arguments: tuple[str, ...]
    variables: Mapping[str, Any]
    typed: str


def submit(
    project: Project, root: Path, request: JobRequest, client: JobsClient, address: str,
    remote_address: RemoteAddress, environ: Mapping[str, str],
) -> SubmittedJob:  # fmt: skip
    """Submit a job and return it. Raises Refused for a remote with a password in its address,
    CheckFailed for files outside of the project, ExternalError, OSError."""

    sent = _sent_address(root, remote_address)
    remote = open_remote(root, remote_address)
    remote.check_before_push()
    client.check()
    outputs = [path for command in project.commands for path in command.produced]
    assets = [asset.dest for asset in project.assets]
    base = run_history.base_commit(root, [*outputs, *assets])
    id = secrets.token_hex(6)
    folder = state_dir(root)
    sharing.make_folders(folder)
    hasher = hashlib.sha256()
    with remote.create(orders.archive_name(id), folder) as file:

        def put(chunk: bytes) -> None:
            hasher.update(chunk)
            file.write(chunk)

        workspace_archive.pack_chunks(_content(project, root, request), root, put)
    names = {*project.environment.values()} - {"PATH"}
    order = JobOrder(
        id, request.arguments, tuple(command.name for command in request.commands),
        request.variables, sent.url, sent.settings, hasher.hexdigest(),
        {name: environ[name] for name in sorted(names) if name in environ}, orders.new_key(),
    )  # fmt: skip
    known = remote_address.name or sent.url
    job = SubmittedJob(
        id, request.typed, order.commands, request.variables, address, known, base, time.time(),
        order.key,
    )  # fmt: skip
    save_job(root, job)  # first, so that no job is running that we do not know
    try:
        uri = client.upload(f"_ray_pkg_{secrets.token_hex(16)}.zip", _package(order))
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_SECONDS)}
        env = {"working_dir": uri, "env_vars": variables}
        client.submit(id, _ENTRYPOINT, env, f"git spacy {request.typed}")
    except BaseException:
        remove_job(root, job)
        raise
    return job


def _sent_address(root: Path, address: RemoteAddress) -> RemoteAddress:
    """Return the address for another machine, which has neither our folder nor our files."""

    url = address.url
    if redact(url) != url:
        raise Refused(
            f"the address '{redact(url)}' has a password, which others on the cluster could see",
            hint="let the cluster have it in its own environment, and remove it from the address",
        )
    if "://" not in url:
        url = "file://" + os.path.realpath(root / os.path.expanduser(url))
    settings = {name: address.settings[name] for name in _SENT_SETTINGS if name in address.settings}
    return RemoteAddress(url, address.name, settings)


def _content(project: Project, root: Path, request: JobRequest) -> ArchiveContent:
    """Return what the commands may read. The outputs of stale ones are not sent, since they are
    produced again."""

    remade = [
        path
        for command in request.commands
        if command.name in request.stale
        for path in command.produced
    ]
    folders: set[str] = set()
    files: set[tuple[str, int, int]] = set()
    for command in request.commands:
        content = workspace_archive.archive_content(project, command, root)
        folders.update(content.folders)
        files.update(content.files)
    kept = {
        file
        for file in files
        if not any(path.holds(ProjectPath(file[0], file[0])) for path in remade)
    }
    known = {name for name, *_ in kept}
    for name in (PROJECT_FILE, LOCK_FILE):  # also if .gitignore excludes them
        if name not in known and (root / name).is_file():
            kept.add((name, 0, 0))
    return ArchiveContent(tuple(sorted(folders)), tuple(sorted(kept)))


def _package(order: JobOrder) -> bytes:
    """Return a zip with the order and this package, so that the cluster runs the same version."""

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(orders.ORDER_FILE, orders.order_text(order))
        for path in _sources(Path(git_spacy.__file__).parent):
            package.write(path, path.relative_to(Path(git_spacy.__file__).parents[1]))
    return stream.getvalue()


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in _NOT_SENT:
            yield from _sources(path)
        elif path.suffix == ".py":
            yield path
