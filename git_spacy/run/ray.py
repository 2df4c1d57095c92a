"""Run commands as tasks of a Ray cluster: the driver's side.

Ray decides where and when each task runs, by the resources that project.yml requests. This module
submits the tasks, handles their events, restarts those whose worker was lost, and cancels them.
`ray_worker` is the code that runs on the workers; `workspace_archive` packs the files for workers
that do not share the project's folder.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, NamedTuple

from git_spacy import interrupts
from git_spacy.errors import Diagnostic, ExternalError, GitSpacyError, Interrupted, warning
from git_spacy.git.state_dir import state_dir
from git_spacy.project.model import Project
from git_spacy.run import ray_options, ray_worker, workspace_archive
from git_spacy.run.events import LinePrinted, RunReporter, StepStarted
from git_spacy.run.executor import Execution, Job, JobResult
from git_spacy.run.line_buffer import LineBuffer
from git_spacy.run.ray_cluster import Cluster, require_ray
from git_spacy.run.ray_packages import read_requirements

_NODE_ID = re.compile(r"[0-9a-f]{1,64}")
_MAX_RESTARTS = 3  # of one command, after its worker was lost
_POLL_INTERVAL = 0.25  # seconds; a signal is only handled between two calls into Ray
_MAX_EVENTS = 16  # per turn: a task that never stops printing must not starve the others


def create_executor(project: Project, address: str | None) -> RayExecutor:
    """Create the executor. Raises InvalidInput if Ray is not installed."""

    require_ray(address)
    return RayExecutor(project, address)


class RayExecutor:
    """Runs any number of jobs on a cluster, to which it connects when the first job starts."""

    def __init__(self, project: Project, address: str | None) -> None:
        self._project = project
        self._address = address
        self._cluster: Cluster | None = None
        self._proof: ray_worker.FolderProof | None = None
        self._secret = ""
        self.requirements: tuple[str, ...] = ()  # which Ray installs for each command
        self._always_upload = False  # set once a worker did not have the project's folder
        self._running: list[_Task] = []
        self._warnings: list[Diagnostic] = []
        self._warned: set[str] = set()  # names of commands

    def start(self, job: Job) -> None:
        if self._cluster is None:
            self.requirements = read_requirements(job.project_root)
            self._cluster = Cluster(self._address)
            if created := ray_options.create_folder_proof(job.project_root):
                self._proof, self._secret = created
        environ = {"PYTHONUNBUFFERED": "1", **job.environ}
        for name in self._cluster.added_variables:
            environ.pop(name, None)
        task = _Task(job._replace(environ=environ), self)
        self._running.append(task)
        if self._check_capacity(task):
            task.submit(self._always_upload or self._proof is None)

    def _check_capacity(self, task: _Task) -> bool:
        """Return whether the task can be submitted.

        If no machine has the resources that it requests, end the task (on our own cluster) or warn
        that it waits (on the user's cluster, which may grow).
        """

        assert self._cluster
        required = ray_options.required_amounts(task.resources)
        if self._cluster.has_capacity(required):
            return True
        name = task.command.variant_of or task.command.name
        amounts = ray_options.format_amounts(required)
        if self._cluster.is_ours:
            task.result = JobResult(
                task.command,
                failure=ExternalError(
                    f"'{name}' requires {amounts}, which this machine does not have",
                    hint="request less in 'resources:', or name a cluster with --address",
                ),
            )
            return False
        if name not in self._warned:
            self._warned.add(name)
            self.warn(f"'{name}' waits: no machine of the cluster currently has {amounts}")
        return True

    def wait(self, report: RunReporter) -> JobResult:
        try:
            while True:
                for waiting in self._warnings:
                    report(waiting)
                self._warnings.clear()
                for task in self._running:
                    if task.result is not None and time.monotonic() >= task.ready_at:
                        self._running.remove(task)
                        return task.result
                self._poll(report)
        except Interrupted:
            raise
        except KeyboardInterrupt:  # raised by Ray itself if a signal interrupts a call into it
            raise interrupts.interrupted(signal.SIGINT) from None

    def _poll(self, report: RunReporter) -> None:
        ray = self.ray
        unfinished = {id(task.events): task for task in self._running if task.result is None}
        streams = [task.events for task in unfinished.values()]
        if not streams:
            time.sleep(_POLL_INTERVAL)
            return
        ready, _ = ray.wait(streams, num_returns=1, timeout=_POLL_INTERVAL, fetch_local=False)
        for stream in ready:
            task = unfinished[id(stream)]
            for _ in range(_MAX_EVENTS):
                task.handle_event(report)
                if task.result is not None or task.events is not stream:
                    break
                if not ray.wait([stream], timeout=0, fetch_local=False)[0]:
                    break
            # move the task to the end, since Ray returns the first ready stream of the list
            self._running.remove(task)
            self._running.append(task)

    @property
    def ray(self) -> Any:
        """The `ray` module; available once the cluster is connected."""

        assert self._cluster
        return self._cluster.ray

    def upload(self, job: Job) -> UploadedArchive:
        """Upload the files of a job to Ray's object store, or reuse the identical archive of an
        unfinished task."""

        content = workspace_archive.archive_content(self._project, job.command, job.root)
        for task in self._running:
            if task.archive and task.archive.content == content:
                return task.archive
        chunks = workspace_archive.pack_chunks(content, job.root, self.ray.put)
        return UploadedArchive(content, chunks)

    def work_order(
        self, job: Job, archive: UploadedArchive | None, delay: float
    ) -> ray_worker.WorkOrder:
        """Return the work order for a job.

        `delay` is how many seconds the processes of a lost worker may take to end; it only applies
        where the next worker runs in the same folder.
        """

        chunks = archive and archive.chunks
        wait = delay if self._proof else 0
        order = ray_options.build_work_order(
            self._project, job, self._proof, self._secret, chunks, wait
        )
        return order._replace(has_own_python=bool(self.requirements))

    @property
    def project(self) -> Project:
        """The project of the jobs."""

        return self._project

    def warn(self, text: str) -> None:
        """Queue a warning, to be reported by `wait`."""

        self._warnings.append(warning(text))

    def always_upload(self) -> None:
        """Upload the files of every task that is submitted from now on."""

        self._always_upload = True

    def stop(self, signal_number: int) -> None:  # noqa: ARG002 (Ray has only one way to cancel)
        # a third signal does not shorten this: processes of a killed worker would outlive us
        unfinished = [task for task in self._running if task.result is None]
        for task in unfinished:
            with suppress(Exception):
                self.ray.cancel(task.events)
        deadline = time.monotonic() + 3 * ray_worker.GRACE
        while unfinished and time.monotonic() < deadline:
            with suppress(Exception):
                self.ray.wait([task.events for task in unfinished], timeout=_POLL_INTERVAL)
            unfinished = [task for task in unfinished if not task.is_cancelled()]
        for task in unfinished:
            with suppress(Exception):
                self.ray.cancel(task.events, force=True)
        if unfinished:
            time.sleep(ray_worker.GRACE + 1)
        self._running.clear()

    def close(self) -> None:
        for task in self._running:
            task.close()
        if self._proof:
            with suppress(OSError):
                os.unlink(self._proof.file)
        if self._cluster:
            self._cluster.close()
            self._cluster = None


class UploadedArchive(NamedTuple):
    """The files for a command, and the references to their chunks in Ray's object store."""

    content: workspace_archive.ArchiveContent
    chunks: tuple[Any, ...]


class _Task:
    """A job as a Ray task: its stream of events, its result, and its restarts."""

    def __init__(self, job: Job, executor: RayExecutor) -> None:
        self.command = job.command
        self.resources = executor.project.resources_for(job.command)
        self.result: JobResult | None = None
        self.ready_at = 0.0  # when the result can be used, by the monotonic clock
        self.events: Any = None
        self._job = job
        self._executor = executor
        self._losses = 0
        self.archive: UploadedArchive | None = None
        self._outputs_file: IO[bytes] | None = None
        self._buffers = (LineBuffer(), LineBuffer())
        self._current_step = 0
        self._submitted: float | None = None  # by the monotonic clock
        self._queued = 0.0
        self._has_timed_out = False

    def submit(self, with_files: bool) -> None:
        """Submit the task to Ray, and upload its files if `with_files`."""

        ray = self._executor.ray
        if self._submitted is None:
            self._submitted = time.monotonic()
        if with_files and self.archive is None:
            self.archive = self._executor.upload(self._job)
        order = self._executor.work_order(
            self._job, self.archive, ray_worker.GRACE + 1 if self._losses else 0
        )
        options = ray_options.task_options(
            self.resources, self.command.name, self._executor.requirements
        )
        remote = _remote_function(ray).options(**options)
        with interrupts.deferred():
            self.events = remote.remote(order)

    def handle_event(self, report: RunReporter) -> None:
        """Fetch and handle the next event of the task."""

        from ray import exceptions

        try:
            event: ray_worker.WorkerEvent = self._executor.ray.get(next(self.events))
        except StopIteration:
            self._restart("it ended unexpectedly")
        except ray_options.worker_lost_errors(exceptions) as error:
            self._restart(type(error).__name__)
        except exceptions.RayError as error:
            self._fail(ray_options.task_error(self.command.name, error))
        else:
            getattr(self, f"_on_{event[0]}")(report, *event[1:])

    def _on_no_folder(self, report: RunReporter) -> None:  # noqa: ARG002
        self._executor.always_upload()
        self.submit(with_files=True)

    def _on_step(self, report: RunReporter, number: int) -> None:
        self._current_step = number
        if number == 0 and self._submitted is not None:
            self._queued = time.monotonic() - self._submitted
        report(StepStarted(self.command.name, self._job.steps[number].shown))

    def _on_printed(self, report: RunReporter, is_error: bool, data: bytes) -> None:
        for text in self._buffers[is_error].feed(data):
            report(LinePrinted(self.command.name, text, is_error))

    def _on_archived(self, report: RunReporter, chunk: bytes) -> None:  # noqa: ARG002
        if self._outputs_file is None:
            folder = state_dir(self._job.project_root)
            self._outputs_file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._outputs_file.write(chunk)

    def _on_timed_out(self, report: RunReporter) -> None:  # noqa: ARG002
        self._has_timed_out = True

    def _on_exited(
        self, report: RunReporter, code: int, was_started: bool, seconds: Any, node: Any
    ) -> None:
        for buffer, is_error in zip(self._buffers, (False, True), strict=True):
            for text in buffer.flush():
                report(LinePrinted(self.command.name, text, is_error))
        if code and not was_started:
            self._fail(ray_options.start_error(self._job.steps[self._current_step], code))
            return
        if not code and self._outputs_file:
            self._outputs_file.seek(0)
            try:
                workspace_archive.unpack(self._outputs_file, self.command, self._job.root)
            except GitSpacyError as error:
                self._fail(error)
                return
        amounts = ray_options.required_amounts(self.resources)
        reserved = {name: amount for name, amount in amounts.items() if amount}
        now = time.monotonic()
        most = max(now - (self._submitted or now) - self._queued, 0.0)
        execution = reported_execution(
            seconds, node, most=most, queued=self._queued, resources=reserved
        )
        self.result = self.result or JobResult(
            self.command, code, step=self._current_step, execution=execution,
            timeout=self._job.timeout if self._has_timed_out else None,
        )  # fmt: skip
        self.close()

    def _restart(self, reason: str) -> None:
        self.close()
        self._buffers = (LineBuffer(), LineBuffer())
        self._submitted = None
        self._losses += 1
        name = self.command.name
        # with `retries`, the scheduler starts it again, and counts
        if self._losses > (_MAX_RESTARTS if self.resources.retries is None else 0):
            times = f" {self._losses} times" if self._losses > 1 else ""
            error = ExternalError(
                f"'{name}' lost its worker{times} ({reason})",
                hint="see Ray's logs; if it ran out of memory, request more in 'resources:'",
            )
            self.result = JobResult(self.command, failure=error, is_lost=True)
            # its processes may still write into the folder
            self.ready_at = time.monotonic() + ray_worker.GRACE + 1
            return
        self._executor.warn(
            f"'{name}' lost its worker ({reason}); restart {self._losses} of {_MAX_RESTARTS}"
        )
        self.submit(with_files=self.archive is not None)

    def _fail(self, error: GitSpacyError) -> None:
        self.result = JobResult(self.command, failure=error)
        self.close()

    def is_cancelled(self) -> bool:
        """Return whether the task has ended after it was cancelled."""

        try:
            while self._executor.ray.wait([self.events], timeout=0)[0]:
                self._executor.ray.get(next(self.events))
        except (Exception, StopIteration):
            return True
        return False

    def close(self) -> None:
        """Delete the outputs received so far."""

        if self._outputs_file:
            self._outputs_file.close()
            self._outputs_file = None


def _remote_function(ray: Any) -> Any:
    from ray import cloudpickle

    # by value, since git-spacy may not be installed on the workers
    with suppress(ValueError):
        cloudpickle.register_pickle_by_value(ray_worker)  # type: ignore[no-untyped-call]
    return ray.remote(ray_worker.execute)


def reported_execution(
    seconds: Any, node: Any, *, most: float, queued: float, resources: Mapping[str, float]
) -> Execution:
    """Return how a job ran, by what the worker reports, which may be anything: its run time if that
    is at most `most`, else `most`, and the id of the node, "" if it is none."""

    is_time = isinstance(seconds, float) and 0 <= seconds <= most
    is_node = isinstance(node, str) and _NODE_ID.fullmatch(node) is not None
    return Execution(seconds if is_time else most, queued, node if is_node else "", resources)
