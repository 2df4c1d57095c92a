"""Run several commands at a time on this machine, without a terminal, and report their output.

A single thread waits for all pipes and processes, so an interruption stops everything that runs
and no locks are required.
"""

from __future__ import annotations

import os
import selectors
import signal
from typing import IO

from git_spacy import interrupts
from git_spacy.errors import InvalidInput, ScriptFailed
from git_spacy.project.model import Project
from git_spacy.run.events import LinePrinted, RunReporter, StepStarted
from git_spacy.run.executor import Job, JobResult
from git_spacy.run.foreground import GRACE, Process, check_module, end_groups, start_captured
from git_spacy.run.line_buffer import LineBuffer
from git_spacy.run.time_limit import EXIT_CODE, TimeLimit

_POLL_INTERVAL = 0.05  # seconds; for systems without pidfd, where processes must be polled
_CHUNK_SIZE = 1 << 16
_MAX_CHUNKS = 16  # per turn: a process that never stops printing must not starve the others


def create_executor(project: Project, address: str | None) -> ParallelExecutor:  # noqa: ARG001
    """Create the executor. Raises InvalidInput if there is an address."""

    if address:
        raise InvalidInput(
            "--address is only supported by the executor 'ray'", hint="add --executor ray"
        )
    return ParallelExecutor()


class ParallelExecutor:
    """Runs any number of jobs as local processes."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._running: list[_RunningJob] = []
        self._pending: list[Job] = []

    def start(self, job: Job) -> None:
        self._pending.append(job)

    def wait(self, report: RunReporter) -> JobResult:
        while True:
            while self._pending:
                job = _RunningJob(self._pending.pop(0), self._selector, report)
                self._running.append(job)
                job.start_next_step()
            for job in self._running:
                if job.result is not None:
                    self._running.remove(job)
                    return job.result
            self._poll()

    def cancel(self, command: str, reason: str) -> None:
        """Stop the job of a command soon; `wait` returns its result, with the reason."""

        for job in self._running:
            if job.job.command.name == command:
                job.cancelled = reason

    def _poll(self) -> None:
        timeout = _POLL_INTERVAL if any(job.needs_polling for job in self._running) else None
        for key, _ in self._selector.select(timeout):
            key.data()
        for job in self._running:
            job.check_exit()

    def stop(self, signal_number: int) -> None:
        end_groups([job.process for job in self._running if job.process], signal_number)
        for job in self._running:
            job.close()
        self._running.clear()
        self._pending.clear()

    def close(self) -> None:
        self._selector.close()


class _RunningJob:
    """A job in progress: the process of its current step, and the pipes with its output."""

    def __init__(self, job: Job, selector: selectors.BaseSelector, report: RunReporter) -> None:
        self.job = job
        self.process: Process | None = None
        self.result: JobResult | None = None
        self.cancelled = ""  # why it must stop
        self._steps = iter(job.steps)
        self._started = 0  # steps
        self._selector = selector
        self._report = report
        self._pipes: list[_Pipe] = []
        self._pidfd: int | None = None  # becomes readable when the process ends
        self._limit = TimeLimit(job.timeout, GRACE)

    @property
    def needs_polling(self) -> bool:
        return self.process is not None and self._pidfd is None

    def start_next_step(self) -> None:
        """Start the next step; end the job if there are no more steps."""

        step = next(self._steps, None)
        if step is None:
            self._end(JobResult(self.job.command))
            return
        name = self.job.command.name
        self._started += 1
        self._report(StepStarted(name, step.shown))
        try:
            # without buffering, so that output appears as soon as it is printed
            environ = {"PYTHONUNBUFFERED": "1", **self.job.environ}
            check_module(step, self.job.root, environ)
            with interrupts.deferred():
                self.process = start_captured(step, self.job.root, environ)
            self._limit.watch(self.process.pid)
        except ScriptFailed as failure:
            self._end(JobResult(self.job.command, failure=failure))
            return
        for stream, is_error in ((self.process.stdout, False), (self.process.stderr, True)):
            assert stream is not None
            self._pipes.append(_Pipe(stream, name, is_error, self._selector, self._report))
        self._pidfd = _open_pidfd(self.process)
        if self._pidfd is not None:
            self._selector.register(self._pidfd, selectors.EVENT_READ, self.check_exit)

    def check_exit(self) -> None:
        """Start the next step, or end the job, if the process has ended or is to be stopped."""

        if self.process is None:
            return
        if self.cancelled:
            end_groups([self.process], signal.SIGTERM)
        if self.process.poll() is None:
            return
        code = self.process.returncode
        if self._limit.has_expired:
            end_groups([self.process], signal.SIGTERM)
        self._release_process()
        for pipe in self._pipes:
            pipe.read()
        if self.cancelled:
            code = 128 + signal.SIGTERM
            self._end(JobResult(self.job.command, code, cancelled=self.cancelled))
        elif self._limit.has_expired:
            result = JobResult(self.job.command, EXIT_CODE, step=self._started - 1)
            self._end(result._replace(timeout=self._limit.timeout))
        elif code:
            code = code if code > 0 else 128 - code
            self._end(JobResult(self.job.command, code, step=self._started - 1))
        else:
            self.start_next_step()

    def _release_process(self) -> None:
        self.process = None
        if self._pidfd is not None:
            self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _end(self, result: JobResult) -> None:
        # background processes that a step left running could write until now
        self.close()
        self.result = result

    def close(self) -> None:
        """Close the pipes and the descriptor of the process."""

        self._limit.close()
        self._release_process()
        for pipe in self._pipes:
            pipe.close()
        self._pipes.clear()


class _Pipe:
    """Reports one output stream of a process line by line."""

    def __init__(
        self, stream: IO[bytes], command: str, is_error: bool,
        selector: selectors.BaseSelector, report: RunReporter,
    ) -> None:  # fmt: skip
        os.set_blocking(stream.fileno(), False)
        self._stream = stream
        self._command = command
        self._is_error = is_error
        self._selector = selector
        self._report = report
        self._buffer = LineBuffer()
        selector.register(stream, selectors.EVENT_READ, self.read)

    def read(self) -> None:
        """Report the lines that can be read without blocking."""

        for _ in range(_MAX_CHUNKS):
            if self._stream.closed:
                return
            try:
                data = os.read(self._stream.fileno(), _CHUNK_SIZE)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._report_lines(self._buffer.feed(data))

    def close(self) -> None:
        if self._stream.closed:
            return
        self._selector.unregister(self._stream)
        self._stream.close()
        self._report_lines(self._buffer.flush())

    def _report_lines(self, lines: list[str]) -> None:
        for text in lines:
            self._report(LinePrinted(self._command, text, self._is_error))


def _open_pidfd(process: Process) -> int | None:
    """Open a descriptor that becomes readable when the process ends; None if the system does not
    support it (only Linux does)."""

    pidfd_open = getattr(os, "pidfd_open", None)
    try:
        return None if pidfd_open is None else int(pidfd_open(process.pid))
    except OSError:
        return None
