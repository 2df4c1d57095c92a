"""Commands as tasks of a Ray cluster: this side of it.

Ray decides where and when each runs, by what project.yml says that it needs; here they are handed
over, listened to, begun again where a worker was lost, and cancelled. `ray_task` is what runs
there, `parcel` what travels where machines share no folder.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from contextlib import suppress
from typing import IO, Any, NamedTuple

from git_spacy import interrupts
from git_spacy.errors import ExternalError, GitSpacyError, Interrupted
from git_spacy.project.model import Project
from git_spacy.run import ray_options, ray_worker, workspace_archive
from git_spacy.run.events import LinePrinted, RunReporter, RunWarning, StepStarted
from git_spacy.run.executor import Job, JobResult
from git_spacy.run.line_buffer import Lines
from git_spacy.run.ray_cluster import Cluster, check
from git_spacy.state.stat_cache import state_dir

_AGAIN = 3  # times that a command begins again after its worker was lost
_LOOK = 0.25  # seconds: a signal is only noticed between two looks
_AT_ONCE = 16  # events: one that writes without end must not keep the others waiting


def create_executor(project: Project, address: str | None) -> RayExecutor:
    """Raises Malformed where Ray is not installed."""

    check(address)
    return RayExecutor(project, address)


class RayExecutor:
    """Runs any number of jobs, on a cluster that is asked for when there is one to run."""

    def __init__(self, project: Project, address: str | None) -> None:
        self._project = project
        self._address = address
        self._cluster: Cluster | None = None
        self._seen: ray_worker.FolderProof | None = None
        self._secret = ""
        self._ships = False  # whether some worker did not see the folder
        self._running: list[_Task] = []
        self._warnings: list[str] = []
        self._warned: set[str] = set()

    def start(self, job: Job) -> None:
        if self._cluster is None:
            self._cluster = Cluster(self._address)
            if shown := ray_options.shown(job.root):
                self._seen, self._secret = shown
        environ = {"PYTHONUNBUFFERED": "1", **job.environ}
        for name in self._cluster.added:
            environ.pop(name, None)
        task = _Task(job._replace(environ=environ), self)
        self._running.append(task)
        if self._has_room(task):
            task.begin(self._ships or self._seen is None)

    def _has_room(self, task: _Task) -> bool:
        """Warn, or end it, where no machine has what it needs."""

        assert self._cluster
        wanted = ray_options.wanted(task.needs)
        if self._cluster.has_room(wanted):
            return True
        name = task.command.variant_of or task.command.name
        asked = ray_options.told(wanted)
        if self._cluster.is_ours:
            task.ended = JobResult(
                task.command,
                failure=ExternalError(
                    f"'{name}' needs {asked}, which this machine does not have",
                    hint="ask for less in 'resources:', or name a cluster: --address",
                ),
            )
            return False
        if name not in self._warned:
            self._warned.add(name)
            self._warnings.append(
                f"'{name}' needs {asked}; no machine of the cluster has that now: it waits"
            )
        return True

    def wait(self, report: RunReporter) -> JobResult:
        try:
            while True:
                for text in self._warnings:
                    report(RunWarning(text))
                self._warnings.clear()
                for task in self._running:
                    if task.ended is not None:
                        self._running.remove(task)
                        return task.ended
                self._look(report)
        except Interrupted:
            raise
        except KeyboardInterrupt:  # Ray raises one of its own where a signal has interrupted it
            raise interrupts.interrupted(signal.SIGINT) from None

    def _look(self, report: RunReporter) -> None:
        ray = self.ray
        going = {id(task.events): task for task in self._running if task.ended is None}
        events = [task.events for task in going.values()]
        ready, _ = ray.wait(events, num_returns=1, timeout=_LOOK, fetch_local=False)
        for one in ready:
            task = going[id(one)]
            for _ in range(_AT_ONCE):
                task.take(report)
                if task.ended is not None or task.events is not one:
                    break
                if not ray.wait([one], timeout=0, fetch_local=False)[0]:
                    break
            # it comes last now: the next look is for another
            self._running.remove(task)
            self._running.append(task)

    @property
    def ray(self) -> Any:
        """The library, once there is a cluster."""

        assert self._cluster
        return self._cluster.ray

    def packed(self, job: Job) -> UploadedArchive:
        """The files of a job; one that waits or runs may have them, too."""

        some = workspace_archive.content(self._project, job.command, job.root)
        for task in self._running:
            if task.parcel and task.parcel.content == some:
                return task.parcel
        return UploadedArchive(some, workspace_archive.pack_chunks(some, job.root, self.ray.put))

    def order(self, job: Job, parcel: UploadedArchive | None, delay: float) -> ray_worker.WorkOrder:
        """What a worker is told of a job. What ran on a worker that was lost may take `delay`
        seconds to end, where the next one runs in the same folder."""

        chunks = parcel and parcel.chunks
        wait = delay if self._seen else 0
        return ray_options.order(self._project, job, self._seen, self._secret, chunks, wait)

    @property
    def project(self) -> Project:
        """What the jobs are of."""

        return self._project

    def warn(self, text: str) -> None:
        """Tell it when somebody listens."""

        self._warnings.append(text)

    def ship(self) -> None:
        """Let what begins from now on travel at once."""

        self._ships = True

    def stop(self, number: int) -> None:  # noqa: ARG002 (Ray knows one way to end)
        # a third signal does not make it quicker: what a worker leaves when it is killed ends later
        going = [task for task in self._running if task.ended is None]
        for task in going:
            with suppress(Exception):
                self.ray.cancel(task.events)
        deadline = time.monotonic() + 3 * ray_worker.GRACE
        while going and time.monotonic() < deadline:
            with suppress(Exception):
                self.ray.wait([task.events for task in going], timeout=_LOOK)
            going = [task for task in going if not task.is_gone()]
        for task in going:
            with suppress(Exception):
                self.ray.cancel(task.events, force=True)
        if going:
            time.sleep(ray_worker.GRACE + 1)
        self._running.clear()

    def close(self) -> None:
        for task in self._running:
            task.close()
        if self._seen:
            with suppress(OSError):
                os.unlink(self._seen.file)
        if self._cluster:
            self._cluster.close()
            self._cluster = None


class UploadedArchive(NamedTuple):
    """What travels, and where Ray has it."""

    content: workspace_archive.ArchiveContent
    chunks: tuple[Any, ...]


class _Task:
    """One job: what it tells, and how often its worker was lost."""

    def __init__(self, job: Job, on: RayExecutor) -> None:
        self.command = job.command
        self.needs = on.project.resources_for(job.command)
        self.ended: JobResult | None = None
        self.events: Any = None
        self._job = job
        self._on = on
        self._lost = 0
        self.parcel: UploadedArchive | None = None
        self._back: IO[bytes] | None = None
        self._lines = (Lines(), Lines())
        self._at = 0

    def begin(self, ships: bool) -> None:
        """Hand it over; `ships` says whether its files go along."""

        ray = self._on.ray
        if ships and self.parcel is None:
            self.parcel = self._on.packed(self._job)
        order = self._on.order(self._job, self.parcel, ray_worker.GRACE + 1 if self._lost else 0)
        options = ray_options.options(self.needs, self.command.name)
        remote = _remote(ray).options(**options)
        with interrupts.deferred():
            self.events = remote.remote(order)

    def take(self, report: RunReporter) -> None:
        """Take in the event that is there."""

        from ray import exceptions

        try:
            event: ray_worker.WorkerEvent = self._on.ray.get(next(self.events))
        except StopIteration:
            self._lose("it ended without a word")
        except ray_options.lost(exceptions) as error:
            self._lose(type(error).__name__)
        except exceptions.RayError as error:
            self._fail(ray_options.failed(self.command.name, error))
        else:
            getattr(self, f"_{event[0]}")(report, *event[1:])

    def _unseen(self, report: RunReporter) -> None:  # noqa: ARG002
        self._on.ship()
        self.begin(ships=True)

    def _step(self, report: RunReporter, number: int) -> None:
        self._at = number
        report(StepStarted(self.command.name, self._job.steps[number].shown))

    def _wrote(self, report: RunReporter, is_error: bool, data: bytes) -> None:
        for text in self._lines[is_error].feed(data):
            report(LinePrinted(self.command.name, text, is_error))

    def _made(self, report: RunReporter, piece: bytes) -> None:  # noqa: ARG002
        if self._back is None:
            self._back = tempfile.TemporaryFile(dir=state_dir(self._job.root))  # noqa: SIM115
        self._back.write(piece)

    def _ended(self, report: RunReporter, code: int, was_started: bool) -> None:
        for lines, is_error in zip(self._lines, (False, True), strict=True):
            for text in lines.rest():
                report(LinePrinted(self.command.name, text, is_error))
        if code and not was_started:
            self._fail(ray_options.not_started(self._job.steps[self._at], code))
            return
        if not code and self._back:
            self._back.seek(0)
            try:
                workspace_archive.unpack(self._back, self.command, self._job.root)
            except GitSpacyError as error:
                self._fail(error)
                return
        self.ended = self.ended or JobResult(self.command, code)
        self.close()

    def _lose(self, why: str) -> None:
        self.close()
        self._lines = (Lines(), Lines())
        self._lost += 1
        name = self.command.name
        if self._lost > _AGAIN:
            self._fail(
                ExternalError(
                    f"'{name}' lost its worker {self._lost} times ({why})",
                    hint="see Ray's logs; perhaps it needs more memory: 'resources:'",
                )
            )
            return
        self._on.warn(f"'{name}' lost its worker ({why}): begun again, {self._lost} of {_AGAIN}")
        self.begin(ships=self.parcel is not None)

    def _fail(self, error: GitSpacyError) -> None:
        self.ended = JobResult(self.command, failure=error)
        self.close()

    def is_gone(self) -> bool:
        """Whether it has ended, after it was cancelled."""

        try:
            while self._on.ray.wait([self.events], timeout=0)[0]:
                self._on.ray.get(next(self.events))
        except (Exception, StopIteration):
            return True
        return False

    def close(self) -> None:
        """Let go of what came back."""

        if self._back:
            self._back.close()
            self._back = None


def _remote(ray: Any) -> Any:
    from ray import cloudpickle

    # workers need not have git-spacy
    with suppress(ValueError):
        cloudpickle.register_pickle_by_value(ray_worker)  # type: ignore[no-untyped-call]
    return ray.remote(ray_worker.work)
