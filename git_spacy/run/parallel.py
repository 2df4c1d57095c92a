"""Several commands at a time on this machine: processes without a terminal, their output by lines.

One thread: it waits for all pipes and processes at once, so that an interruption ends everything
that runs, and nothing has to be guarded.
"""

from __future__ import annotations

import os
import selectors
from typing import IO

from git_spacy import interrupts
from git_spacy.errors import InvalidInput, ScriptFailed
from git_spacy.project.model import Project
from git_spacy.run.events import LinePrinted, RunReporter, StepStarted
from git_spacy.run.executor import Job, JobResult
from git_spacy.run.foreground import Process, check_module, end_groups, start_step
from git_spacy.run.line_buffer import Lines

_POLL = 0.05  # seconds between looks at processes, where the system cannot tell of their end
_CHUNK = 1 << 16
_AT_ONCE = 16  # chunks: one that writes without end must not keep the others waiting


def create_executor(project: Project, address: str | None) -> ParallelExecutor:  # noqa: ARG001
    """It needs to know nothing. Raises Malformed for an address."""

    if address:
        raise InvalidInput("an address is for another executor", hint="--executor ray")
    return ParallelExecutor()


class ParallelExecutor:
    """Runs any number of jobs."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._running: list[_RunningJob] = []
        self._fresh: list[Job] = []

    def start(self, job: Job) -> None:
        self._fresh.append(job)

    def wait(self, report: RunReporter) -> JobResult:
        while True:
            while self._fresh:
                one = _RunningJob(self._fresh.pop(0), self._selector, report)
                self._running.append(one)
                one.next_step()
            for one in self._running:
                if one.ended is not None:
                    self._running.remove(one)
                    return one.ended
            self._poll()

    def _poll(self) -> None:
        timeout = _POLL if any(one.is_polled for one in self._running) else None
        for key, _ in self._selector.select(timeout):
            key.data()
        for one in self._running:
            one.look()

    def stop(self, number: int) -> None:
        end_groups([one.process for one in self._running if one.process], number)
        for one in self._running:
            one.close()
        self._running.clear()
        self._fresh.clear()

    def close(self) -> None:
        self._selector.close()


class _RunningJob:
    """One job: the process of the step that it is at, and what that writes."""

    def __init__(self, job: Job, selector: selectors.BaseSelector, report: RunReporter) -> None:
        self.job = job
        self.process: Process | None = None
        self.ended: JobResult | None = None
        self._steps = iter(job.steps)
        self._selector = selector
        self._report = report
        self._pipes: list[_Pipe] = []
        self._exit: int | None = None  # a descriptor that is readable once the process has ended

    @property
    def is_polled(self) -> bool:
        return self.process is not None and self._exit is None

    def next_step(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self._end(JobResult(self.job.command))
            return
        name = self.job.command.name
        self._report(StepStarted(name, step.shown))
        try:
            # unbuffered: what it prints is to be seen when it prints it
            environ = {"PYTHONUNBUFFERED": "1", **self.job.environ}
            check_module(step, self.job.root, environ)
            with interrupts.deferred():
                self.process = start_step(step, self.job.root, environ, capture=True)
        except ScriptFailed as failure:
            self._end(JobResult(self.job.command, failure=failure))
            return
        for stream, is_error in ((self.process.stdout, False), (self.process.stderr, True)):
            assert stream is not None
            self._pipes.append(_Pipe(stream, name, is_error, self._selector, self._report))
        self._exit = _told_of_exit(self.process)
        if self._exit is not None:
            self._selector.register(self._exit, selectors.EVENT_READ, self.look)

    def look(self) -> None:
        """Go on if the process has ended."""

        if self.process is None or self.process.poll() is None:
            return
        code = self.process.returncode
        self._forget_process()
        for pipe in self._pipes:
            pipe.read()
        if code:
            self._end(JobResult(self.job.command, code if code > 0 else 128 - code))
        else:
            self.next_step()

    def _forget_process(self) -> None:
        self.process = None
        if self._exit is not None:
            self._selector.unregister(self._exit)
            os.close(self._exit)
            self._exit = None

    def _end(self, ended: JobResult) -> None:
        # (what a step left behind in the background may have written until now)
        self.close()
        self.ended = ended

    def close(self) -> None:
        """Let go of everything."""

        self._forget_process()
        for pipe in self._pipes:
            pipe.close()
        self._pipes.clear()


class _Pipe:
    """One stream of a process, told in lines."""

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
        self._lines = Lines()
        selector.register(stream, selectors.EVENT_READ, self.read)

    def read(self) -> None:
        """Tell of what is there."""

        for _ in range(_AT_ONCE):
            if self._stream.closed:
                return
            try:
                data = os.read(self._stream.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._tell(self._lines.feed(data))

    def close(self) -> None:
        if self._stream.closed:
            return
        self._selector.unregister(self._stream)
        self._stream.close()
        self._tell(self._lines.rest())

    def _tell(self, lines: list[str]) -> None:
        for text in lines:
            self._report(LinePrinted(self._command, text, self._is_error))


def _told_of_exit(process: Process) -> int | None:
    """A descriptor for the end of a process; None where there is no such thing (not Linux)."""

    opened = getattr(os, "pidfd_open", None)
    try:
        return None if opened is None else int(opened(process.pid))
    except OSError:
        return None
