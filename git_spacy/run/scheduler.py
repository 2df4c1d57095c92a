"""Run the commands of a plan: judge each command, start its script, and record the result.

A command is judged just before it starts, since the commands before it change its dependencies.
Whether it must run is decided by `state.verdict`, when it may start by `project.plan`. Everything
happens in one thread; executors run the scripts in parallel.
"""

from __future__ import annotations

import signal
import time
from bisect import bisect_right
from functools import cached_property

from git_spacy import interrupts
from git_spacy.errors import (
    CheckFailed,
    ExternalError,
    GitSpacyError,
    Interrupted,
    InvalidInput,
    Refused,
    ScriptFailed,
    warning,
)
from git_spacy.files import make_directory
from git_spacy.light_typing import TYPE_CHECKING, NamedTuple
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command
from git_spacy.project.plan import RunPlan
from git_spacy.project.variables import environment_names
from git_spacy.run import refusals
from git_spacy.run.attempts import failed_attempt, may_be_repeated
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandPruned,
    CommandRepeated,
    CommandRestored,
    CommandSkipped,
    CommandStarted,
    RunPlanned,
)
from git_spacy.run.executor import Job, JobResult, missing_outputs, script_failure
from git_spacy.run.judging import displayed_reasons, judge, stale_producers
from git_spacy.run.outcome import RunOutcome
from git_spacy.run.run_context import RunContext
from git_spacy.run.script import build_steps, process_environment
from git_spacy.run.script_check import check_scripts
from git_spacy.state import worktree_status
from git_spacy.state.results import (
    is_only_churn,
    refresh_enclosing,
    refresh_entry,
)
from git_spacy.state.set_aside import SetAside
from git_spacy.state.stat_cache import Observed
from git_spacy.state.verdict import Verdict

if TYPE_CHECKING:
    from git_spacy.history.run_record import Attempt
    from git_spacy.run.previous_outputs import PreviousOutputs
    from git_spacy.run.recorder import PendingRecord


class _RunningCommand(NamedTuple):
    """A command that is running: its index in the plan, the state of its files before it started,
    its start time by the monotonic clock, its earlier outputs, its job, and its failed attempts."""

    number: int
    before: Observed
    pending_record: PendingRecord | None
    started: float
    aside: SetAside | None = None
    job: Job | None = None
    attempts: tuple[Attempt, ...] = ()


def run(plan: RunPlan, context: RunContext) -> RunOutcome:
    """Run the commands of `plan` as soon as they may start, and skip those that are up to date.

    The errors of failed commands are part of the outcome: CheckFailed for a missing dependency or
    output, ScriptFailed with the exit code of the script. After a failure no command starts unless
    `keep_going` is set. Raises Interrupted; the commands that finished before stay recorded. Before
    anything runs, raises InvalidInput for paths without a value.
    """

    commands = (*plan.commands, *(context.search.examples if context.search else ()))
    refusals.require_values(commands)
    if context.cache is None and context.variants is None:  # these may replace files by links
        context.stats.assume_no_changes()
    environ = process_environment(context.python, context.environ)
    check_scripts(
        commands,
        context.project.environment,
        environ,
        lambda c: c.name in context.force or judge(c, context)[0].must_run,
    )
    if context.dry:
        from git_spacy.run.dry_run import dry_run

        return dry_run(plan.commands, context)
    for directory in context.project.directories:
        if not (context.root / directory.normal).is_dir():
            context.stats.expect_changes()
        make_directory(context.root, directory.normal)
    scheduler = _Scheduler(plan, context)
    with interrupts.deferred():
        try:
            with interrupts.allowed():
                return scheduler.run_all()
        except BaseException as error:
            number: int = signal.SIGTERM
            if isinstance(error, Interrupted):
                number, error.running = error.number, scheduler.running
                error.not_started = scheduler.not_started
            context.executor.stop(number)
            scheduler.give_outputs_back()
            raise
        finally:
            context.executor.close()
            if context.variants:
                context.variants.close()
            context.stats.save()
            if context.logs:
                context.logs.close()
            if context.recorder:
                context.recorder.flush()


class _Scheduler:
    """Tracks which commands of a run are waiting, running and finished."""

    def __init__(self, plan: RunPlan, context: RunContext) -> None:
        self._plan = plan
        self._context = context
        self._done: set[int] = set()
        self._unfinished: list[set[int]] = []
        self._dependents: list[list[int]] = []
        self._waiting: dict[int, str] = {}  # the names of the commands that wait, by index
        self._await(plan)
        self._running: dict[str, _RunningCommand] = {}
        self._ran: list[str] = []
        self._skipped: list[str] = []
        self._restored: list[str] = []
        self._failed: list[tuple[str, GitSpacyError]] = []
        self._pruned: list[str] = []
        known = context.lock.entries
        self._new = [n for n, command in enumerate(plan.commands) if command.name not in known]
        self._graph = DependencyGraph(context.project.commands)
        self._warn_of_stale_producers = stale_producers(plan.commands, context, self._graph)
        self._has_checked_requirements = False
        self._known = known

    @cached_property
    def _previous_outputs(self) -> PreviousOutputs:
        from git_spacy.run.previous_outputs import PreviousOutputs  # not if nothing has to run

        context = self._context
        return PreviousOutputs(
            context.project,
            context.root,
            self._known,
            context.stats,
            context.keep_outputs,
            context.report,
            context.cache,
        )

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the commands that run now."""

        return tuple(self._running)

    @property
    def not_started(self) -> tuple[str, ...]:
        """The names of the commands that wait."""

        return tuple(self._waiting.values())

    def _await(self, plan: RunPlan) -> None:
        """Let the commands of `plan` wait, which come after those that are known already."""

        for number in range(len(self._unfinished), len(plan.commands)):
            self._unfinished.append(set(plan.after[number] - self._done))
            self._dependents.append([])
            for other in self._unfinished[number]:
                self._dependents[other].append(number)
            self._waiting[number] = plan.commands[number].name

    def run_all(self) -> RunOutcome:
        context = self._context
        commands = self._plan.commands
        names = tuple(c.name for c in commands) if any(c.variant_of for c in commands) else ()
        context.report(RunPlanned(len(commands), names))
        while True:
            self._start_ready()
            while self._add_trial():
                self._start_ready()
            if not self._running:
                break
            context.show_running(self.running, self.not_started)
            result = context.executor.wait(context.report)
            command = result.command
            running = self._running[command.name]
            try:
                if result.cancelled:
                    self._prune(result, running)
                elif self._start_again(result, running):
                    continue
                else:
                    self._finish(result, running)
            except (CheckFailed, ScriptFailed, ExternalError, Refused) as error:
                if not self._is_isolated(command):
                    running = self._running[command.name]
                    self._previous_outputs.failed(command, running.aside, running.before)
                self._fail(command, error)
            else:
                if not result.cancelled:
                    self._ran.append(command.name)
                    self._mark_done(running.number)
            del self._running[command.name]
            if result.was_interrupted and command.name in self._ran and self._waiting:
                raise interrupts.interrupted(signal.SIGINT)
        return RunOutcome(
            tuple(self._ran),
            tuple(self._skipped),
            tuple(self._restored),
            tuple(self._failed),
            self.not_started,
            tuple(self._pruned),
        )

    @property
    def _is_stopped(self) -> bool:
        """Whether no command may start any more."""

        return bool(self._failed) and not self._context.keep_going

    def give_outputs_back(self) -> None:
        """Bring back the earlier outputs of the commands that were running when this run ended."""

        for running in self._running.values():
            self._previous_outputs.interrupted(running.aside)

    def _start_ready(self) -> None:
        # in the order of the plan: commands that depend on a skipped one come after it
        for number in tuple(self._waiting):
            if self._is_stopped or len(self._running) >= self._context.jobs:
                return
            if self._unfinished[number]:
                continue
            del self._waiting[number]
            command = self._plan.commands[number]
            try:
                self._start(number, command)
            except (CheckFailed, ScriptFailed, InvalidInput) as error:
                self._fail(command, error)

    def _add_trial(self) -> bool:
        """Add the commands of the next trial of a search, if there is one and it can start."""

        context = self._context
        if context.search is None or len(self._running) >= context.jobs:
            return False
        plan = context.search.next_trial(context)
        if plan is None:
            return False
        first = len(self._plan.commands)
        self._plan = self._plan.extended(plan)
        self._await(self._plan)
        self._new += range(first, len(self._plan.commands))
        forced = context.force | context.search.forced(plan)
        self._context = context._replace(force=forced)
        if context.logs:
            context.logs.add_commands(plan.commands)
        context.report(RunPlanned(len(self._plan.commands)))
        return True

    def _prune(self, result: JobResult, running: _RunningCommand) -> None:
        """Record a command that was stopped, and forget those that depend on it."""

        command, context = result.command, self._context
        assert context.variants
        record = context.variants.prune(command, running.before, context, running.pending_record)
        if record and context.logs:
            context.logs.recorded(command, record)
        self._pruned.append(command.name)
        self._forget_dependents(running.number)
        context.report(CommandPruned(command.name, result.cancelled))

    def _forget_dependents(self, number: int) -> None:
        for other in self._dependents[number]:
            if self._waiting.pop(other, None) is not None:
                self._forget_dependents(other)

    def _is_isolated(self, command: Command) -> bool:
        return self._context.variants is not None and command.name in self._context.variants

    def _start(self, number: int, command: Command) -> None:
        context = self._context
        verdict, before = judge(command, context)
        is_forced = command.name in context.force
        if verdict.missing and (verdict.must_run or is_forced):
            raise CheckFailed.from_problems(
                refusals.missing_dependencies(
                    context.project, context.root, command, verdict.missing
                )
            )
        if wrong := worktree_status.wrong_assets(context.project, command, context.stats):
            raise CheckFailed.from_problems(refusals.wrong_assets(command, wrong))
        if self._is_isolated(command):
            self._start_isolated(number, command, verdict, before)
            return
        if not verdict.must_run and not is_forced:
            if verdict.entry:
                refresh_entry(command, verdict.entry, before, context.lock, context.stats)
            context.report(CommandSkipped(command.name))
            self._warn_of_stale_producers(command)
            if context.cache and verdict.state == "up_to_date" and not verdict.missing:
                context.cache.save(command, before, before, verify=False)
            self._skipped.append(command.name)
            self._mark_done(number)
            return
        context.stats.expect_changes()
        if enclosing := self._graph.enclosing(command):
            before = {**context.stats.fingerprints(path for _, path in enclosing), **before}
        if context.cache and verdict.state != "always_runs" and not is_forced:
            pending = context.recorder.begin() if context.recorder else None
            if source := context.cache.restore(command, before):
                reasons = displayed_reasons(verdict, (), False)
                running = _RunningCommand(number, before, pending, 0.0)
                self._record_restored(command, running, source, reasons)
                return
        self._report_start(command, verdict)
        environ = process_environment(context.python, context.environ)
        pending = context.recorder.begin() if context.recorder else None
        if pending:
            environ = {**environ, **pending.environment()}
        steps = build_steps(command, context.python, context.project.environment, context.environ)
        timeout = context.project.resources_for(command).timeout
        job = Job(command, steps, context.root, environ, context.python.path, timeout=timeout)
        self._start_job(_RunningCommand(number, before, pending, 0.0, job=job), job)

    def _start_job(self, running: _RunningCommand, job: Job) -> None:
        """Set the earlier outputs of a command aside, and start its script."""

        command = job.command
        outputs = self._previous_outputs.choose(command, running.before)
        with interrupts.deferred():
            aside = self._previous_outputs.set_aside(command, outputs)
            self._running[command.name] = running._replace(started=time.monotonic(), aside=aside)
        self._previous_outputs.prepare(command)
        self._context.executor.start(job)

    def _report_start(self, command: Command, verdict: Verdict) -> None:
        """Report that a command starts, and what could keep it from succeeding."""

        context = self._context
        if not self._has_checked_requirements:
            from git_spacy.run.requirements import unmet_requirements

            self._has_checked_requirements = True
            for unmet in unmet_requirements(context.project, context.root, context.python):
                context.report(unmet)
        reasons = displayed_reasons(verdict, (), command.name in context.force)
        context.report(CommandStarted(command.name, reasons, False))
        _warn_of_unset_variables(command, context)

    def _start_isolated(
        self, number: int, command: Command, verdict: Verdict, before: Observed
    ) -> None:
        """Start a variant in a copy of the project, unless its outputs are in the cache."""

        context, variants = self._context, self._context.variants
        assert variants
        is_forced = command.name in context.force
        if not verdict.must_run and not is_forced:
            context.report(CommandSkipped(command.name))
            self._skipped.append(command.name)
            self._mark_done(number)
            return
        pending = context.recorder.begin() if context.recorder else None
        may_restore = verdict.state != "always_runs" and not is_forced
        if may_restore and (source := variants.restore(command, before, context, pending)):
            reasons = displayed_reasons(verdict, (), False)
            context.report(CommandRestored(command.name, reasons, source))
            self._restored.append(command.name)
            self._mark_done(number)
            return
        self._report_start(command, verdict)
        job = variants.job(command, before, context, pending)
        self._running[command.name] = _RunningCommand(number, before, pending, time.monotonic())
        context.executor.start(job)

    def _start_again(self, result: JobResult, running: _RunningCommand) -> bool:
        """Start a failed command again, as if it started for the first time, if it may be repeated
        once more; return whether it was."""

        command, context = result.command, self._context
        retries = context.project.resources_for(command).retries or 0
        attempts = (*running.attempts, failed_attempt(result, _seconds(result, running)))
        if len(attempts) > retries or not may_be_repeated(result) or self._is_stopped:
            return False
        error = result.failure or script_failure(command, result)
        context.report(CommandRepeated(command.name, error, len(attempts) + 1, retries + 1))
        pending = running.pending_record and running.pending_record.started_again()
        running = running._replace(pending_record=pending, attempts=attempts, aside=None)
        if self._is_isolated(command):
            assert context.variants
            context.variants.remove_outputs(command, context)
            _, before = judge(command, context)
            job = context.variants.job(command, before, context, pending)
            running = running._replace(before=before, started=time.monotonic())
            self._running[command.name] = running
            context.executor.start(job)
            return True
        with interrupts.deferred():
            earlier = self._running[command.name]
            self._previous_outputs.bring_back(command, earlier.aside, earlier.before)
            self._running[command.name] = running
        _, before = judge(command, context)
        assert running.job
        environ = {**running.job.environ, **(pending.environment() if pending else {})}
        job = running.job._replace(environ=environ)
        self._start_job(running._replace(before={**running.before, **before}), job)
        return True

    def _finish(self, result: JobResult, running: _RunningCommand) -> None:
        """Record the result of a job. Raises its failure, or CheckFailed for a missing output."""

        command, context = result.command, self._context
        if result.failure:
            raise result.failure
        if context.variants and command.name in context.variants:
            record = context.variants.finish(
                result, running.before, context, running.pending_record, running.attempts
            )
            if record and context.logs:
                context.logs.recorded(command, record)
            context.report(CommandFinished(command.name, _seconds(result, running)))
            return
        if result.code:
            _write_record(running, result, running.before, {}, context, result.code)
            raise script_failure(command, result)
        after = context.stats.fingerprints(command.deps + command.produced)
        missing = [output for output in command.produced if after[output.normal] is None]
        if missing:
            _write_record(running, result, running.before, after, context, CheckFailed.exit_code)
            raise missing_outputs(command, missing)
        observed = _observed_inputs(command, running.before, after, context)
        if not is_only_churn(command, context.root, context.lock):
            self._record_result(command, running, observed)
        _write_record(running, result, observed, after, context)
        if context.cache:
            context.cache.save(command, observed, after)
        self._previous_outputs.succeeded(command, running.aside)
        context.report(CommandFinished(command.name, _seconds(result, running)))

    def _record_restored(
        self, command: Command, running: _RunningCommand, source: str, reasons: tuple[str, ...]
    ) -> None:
        """Record a command whose outputs were restored from the run cache."""

        context, pending = self._context, running.pending_record
        after = context.stats.fingerprints(command.deps + command.produced)
        self._record_result(command, running, after)
        if context.recorder and pending:
            context.recorder.end(pending, command, after, after, how="restore", source=source)
        context.report(CommandRestored(command.name, reasons, source))
        self._restored.append(command.name)
        self._mark_done(running.number)

    def _record_result(
        self, command: Command, running: _RunningCommand, observed: Observed
    ) -> None:
        """Write the lock entry of a command. The entries of those in whose outputs its own are get
        the md5 that these have now, unless they were out of date before."""

        context = self._context
        context.record_result(command, observed, self._later_new_entries(running.number))
        enclosing = self._graph.enclosing(command)
        refresh_enclosing(enclosing, running.before, context.lock, context.stats)

    def _later_new_entries(self, number: int) -> set[str]:
        """Return the later commands of the plan that had no lock entry before the run.

        New entries are inserted above theirs, so the lock does not depend on the number of jobs.
        """

        later = self._new[bisect_right(self._new, number) :]
        return {self._plan.commands[other].name for other in later}

    def _fail(self, command: Command, error: GitSpacyError) -> None:
        if self._context.logs:
            self._context.logs.add_hint(command, error)
        self._failed.append((command.name, error))
        self._context.report(CommandFailed(command.name, error))

    def _mark_done(self, number: int) -> None:
        self._done.add(number)
        for dependent in self._dependents[number]:
            self._unfinished[dependent].discard(number)


def _seconds(result: JobResult, running: _RunningCommand) -> float:
    return result.execution.seconds if result.execution else time.monotonic() - running.started


def _write_record(
    running: _RunningCommand,
    result: JobResult,
    deps: Observed,
    outs: Observed,
    context: RunContext,
    code: int = 0,
) -> None:
    if context.recorder and running.pending_record:
        record = context.recorder.end(
            running.pending_record, result.command, deps, outs,
            exit=code, execution=result.execution, timeout=result.timeout,
            attempts=running.attempts,
        )  # fmt: skip
        if record and context.logs:
            context.logs.recorded(result.command, record)


def _observed_inputs(
    command: Command, before: Observed, after: Observed, context: RunContext
) -> Observed:
    """Return the state of the files after the run, with each dependency in the state in which the
    script read it."""

    observed = dict(after)
    for dep in command.deps:
        if before[dep.normal] == after[dep.normal]:
            continue
        if any(dep.touches(output) for output in command.produced):
            continue  # changed by the script itself
        # Edited while the script ran, which may have read the old content. With the old
        # fingerprint recorded, the next run detects the change.
        observed[dep.normal] = before[dep.normal]
        text = f"'{dep}' changed while '{command.name}' was running; the next run repeats it"
        context.report(warning(text))
    return observed


def _warn_of_unset_variables(command: Command, context: RunContext) -> None:
    names = dict.fromkeys(name for line in command.script for name in environment_names(line))
    for name in names:
        variable = context.project.environment[name]
        if variable not in context.environ:
            text = f"environment variable {variable} is not set, but used by '{command.name}'"
            context.report(warning(text))
