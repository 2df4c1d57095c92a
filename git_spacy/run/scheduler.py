"""The loop of one run: for each command the verdict, then the script, then the record.

Each command changes what the next one sees, so each looks for itself, when its turn comes. Decides
nothing on its own: `state.verdict` does, `project.plan` says when a command may begin, and
`project.graph` who makes what is missing. One thread: executors do what goes on beside it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from git_spacy import interrupts
from git_spacy.errors import (
    CheckFailed,
    ExternalError,
    GitSpacyError,
    Interrupted,
    InvalidInput,
    Problem,
    Refused,
    ScriptFailed,
)
from git_spacy.files import file_lock, make_directory
from git_spacy.project.graph import producer_hint
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.plan import RunPlan
from git_spacy.project.variables import environment_names
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandRestored,
    CommandSkipped,
    CommandStarted,
    RunPlanned,
    RunReporter,
    RunWarning,
    StepStarted,
)
from git_spacy.run.executor import Executor, Job, JobResult
from git_spacy.run.recorder import PendingRecord, Recorder
from git_spacy.run.script import Interpreter, installed_version, process_environment, steps
from git_spacy.state import lock, worktree_status
from git_spacy.state.lock import LockEntry, TrackedPath
from git_spacy.state.stat_cache import Observed, PreviousRun, StatCache, state_dir
from git_spacy.state.verdict import Verdict, upstream


class RunOutcome(NamedTuple):
    """The names of the commands that ran (would run, in a dry run), that were skipped, that were
    restored, that failed with why, and that were not begun because of that."""

    ran: tuple[str, ...]
    skipped: tuple[str, ...]
    restored: tuple[str, ...] = ()
    failed: tuple[tuple[str, GitSpacyError], ...] = ()
    not_started: tuple[str, ...] = ()

    def error(self) -> GitSpacyError | None:
        """What failed, as one error with the exit code of the first."""

        if not self.failed:
            return None
        first = self.failed[0][1]
        first.problems = tuple(problem for _, error in self.failed for problem in error.problems)
        return first


class OutputCache(Protocol):
    """What commands made before."""

    def save(
        self, command: Command, deps: Observed, outs: Observed, *, verify: bool = True
    ) -> None:
        """Keep what `command` made of `deps`; without `verify` a copy that is kept already is only
        read where it may have been written to."""

    def restore(self, command: Command, deps: Observed) -> str | None:
        """Put the outputs that `command` would make of `deps` in place; where they came from, in
        words, or None."""
        ...


class RunContext(NamedTuple):
    """What all commands of one run share. Those called `force` run even if they are current; `jobs`
    is how many may run at a time; with `keep_going` a failure stops only what waits for it."""

    project: Project
    root: Path
    stats: StatCache
    executor: Executor
    python: Interpreter
    environ: Mapping[str, str]
    report: RunReporter
    recorder: Recorder | None = None
    force: frozenset[str] = frozenset()
    dry: bool = False
    jobs: int = 1
    keep_going: bool = False
    cache: OutputCache | None = None


class _RunningCommand(NamedTuple):
    """A command that runs: its number in the plan, what it read, and when it was begun."""

    number: int
    before: Observed
    noted: PendingRecord | None
    clock: float


def run(plan: RunPlan, shared: RunContext) -> RunOutcome:
    """Run the commands of `plan`, each when it may, skipping what is current.

    What goes wrong with a command (CheckFailed for a missing dependency or a declared output that
    was not made, ScriptFailed with the code of the script) is in the outcome; nothing new begins
    after that, unless `keep_going`. Raises Interrupted; what ran before that stays recorded.
    """

    if shared.dry:
        return _dry_run(plan.commands, shared)
    for directory in shared.project.directories:
        make_directory(shared.root, directory.normal)
    going = _Scheduler(plan, shared)
    with interrupts.deferred():
        try:
            with interrupts.allowed():
                return going.run_all()
        except BaseException as error:
            number = error.number if isinstance(error, Interrupted) else signal.SIGTERM
            shared.executor.stop(number)
            raise
        finally:
            shared.executor.close()
            shared.stats.save()


class _Scheduler:
    """How far a run is."""

    def __init__(self, plan: RunPlan, shared: RunContext) -> None:
        self._plan = plan
        self._shared = shared
        self._left = [set(after) for after in plan.after]
        self._todo = list(range(len(plan.commands)))
        self._running: dict[str, _RunningCommand] = {}
        self._ran: list[str] = []
        self._skipped: list[str] = []
        self._restored: list[str] = []
        self._failed: list[tuple[str, GitSpacyError]] = []
        known = lock.read(shared.root)
        self._new = [command.name not in known for command in plan.commands]

    def run_all(self) -> RunOutcome:
        shared = self._shared
        shared.report(RunPlanned(len(self._plan.commands)))
        while True:
            self._start_ready()
            if not self._running:
                break
            ended = shared.executor.wait(shared.report)
            begun = self._running.pop(ended.command.name)
            try:
                self._finish(ended, begun)
            except (CheckFailed, ScriptFailed, ExternalError, Refused) as error:
                self._fail(ended.command, error)
            else:
                self._ran.append(ended.command.name)
                self._mark_done(begun.number)
        held_back = (self._plan.commands[number].name for number in self._todo)
        return RunOutcome(
            tuple(self._ran),
            tuple(self._skipped),
            tuple(self._restored),
            tuple(self._failed),
            tuple(held_back),
        )

    def _start_ready(self) -> None:
        # in order: what is skipped frees others, which come after it
        for number in tuple(self._todo):
            stopped = self._failed and not self._shared.keep_going
            if stopped or len(self._running) >= self._shared.jobs:
                return
            if self._left[number]:
                continue
            self._todo.remove(number)
            command = self._plan.commands[number]
            try:
                self._start(number, command)
            except (CheckFailed, ScriptFailed, InvalidInput) as error:
                self._fail(command, error)

    def _start(self, number: int, command: Command) -> None:
        shared = self._shared
        judged, before = judge(command, shared)
        if judged.missing:
            raise CheckFailed.from_problems(
                _missing_dependencies(shared.project, command, judged.missing)
            )
        is_forced = command.name in shared.force
        if not judged.must_run and not is_forced:
            _refresh_entry(command, judged, before, shared)
            shared.report(CommandSkipped(command.name))
            _warn_of_stale_producers(command, self._plan.commands, shared)
            if shared.cache and judged.state == "up_to_date":
                shared.cache.save(command, before, before, verify=False)
            self._skipped.append(command.name)
            self._mark_done(number)
            return
        if shared.cache and judged.state != "always_runs" and not is_forced:
            noted = shared.recorder.begin() if shared.recorder else None
            if source := shared.cache.restore(command, before):
                why = _why(judged, (), False)
                self._record_restored(
                    command, _RunningCommand(number, before, noted, 0.0), source, why
                )
                return
        shared.report(CommandStarted(command.name, _why(judged, (), is_forced), False))
        _warn_of_unset(command, shared)
        environ = process_environment(shared.python, shared.root, shared.environ)
        noted = shared.recorder.begin() if shared.recorder else None
        lines = steps(command, shared.python, shared.project.environment, shared.environ)
        job = Job(command, lines, shared.root, environ, shared.python.path)
        shared.executor.start(job)
        self._running[command.name] = _RunningCommand(number, before, noted, time.monotonic())

    def _finish(self, ended: JobResult, begun: _RunningCommand) -> None:
        """Record how it ended. Raises CheckFailed, ScriptFailed."""

        command, shared = ended.command, self._shared
        if ended.failure:
            raise ended.failure
        if ended.code:
            _write_record(begun, command, begun.before, {}, shared, ended.code)
            raise ScriptFailed(
                f"'{command.name}' failed: a script line ended with exit code {ended.code}",
                ended.code,
                location=f"project.yml:{command.line}",
            )
        after = shared.stats.fingerprints(command.deps + command.produced)
        unmade = [output for output in command.produced if after[output.normal] is None]
        if unmade:
            _write_record(begun, command, begun.before, after, shared, CheckFailed.exit_code)
            raise CheckFailed.from_problems(
                Problem(
                    f"'{command.name}' did not make its output '{output}'",
                    "correct the script, or the path under 'outputs'",
                    f"project.yml:{command.line}",
                )
                for output in unmade
            )
        read = _as_read(command, begun.before, after, shared)
        record_result(command, read, shared, before=self._new_after(begun.number))
        _write_record(begun, command, read, after, shared)
        if shared.cache:
            shared.cache.save(command, read, after)
        shared.report(CommandFinished(command.name, time.monotonic() - begun.clock))

    def _record_restored(
        self, command: Command, begun: _RunningCommand, source: str, reasons: tuple[str, ...]
    ) -> None:
        """Record what was brought."""

        shared = self._shared
        after = shared.stats.fingerprints(command.deps + command.produced)
        record_result(command, after, shared, before=self._new_after(begun.number))
        if shared.recorder and begun.noted:
            shared.recorder.end(begun.noted, command, after, after, how="restore", source=source)
        shared.report(CommandRestored(command.name, reasons, source))
        self._restored.append(command.name)
        self._mark_done(begun.number)

    def _new_after(self, number: int) -> set[str]:
        """The commands to come that had no entry: the lock is the same with any number of jobs."""

        later = range(number + 1, len(self._new))
        return {self._plan.commands[other].name for other in later if self._new[other]}

    def _fail(self, command: Command, error: GitSpacyError) -> None:
        self._failed.append((command.name, error))
        self._shared.report(CommandFailed(command.name, error))

    def _mark_done(self, number: int) -> None:
        for left in self._left:
            left.discard(number)


def _dry_run(commands: Sequence[Command], shared: RunContext) -> RunOutcome:
    """Say what would run, one after the other."""

    ran: list[Command] = []
    skipped: list[str] = []
    failed: list[tuple[str, GitSpacyError]] = []
    for command in commands:
        judged, _ = judge(command, shared)
        remade = _remade(command, ran)
        absent = [path for path in judged.missing if not _made_by(remade, path)]
        if absent:
            problems = _missing_dependencies(shared.project, command, absent)
            failed.append((command.name, CheckFailed.from_problems(problems)))
        is_forced = command.name in shared.force
        if not judged.must_run and not is_forced and not remade:
            shared.report(CommandSkipped(command.name))
            _warn_of_stale_producers(command, commands, shared)
            skipped.append(command.name)
            continue
        shared.report(CommandStarted(command.name, _why(judged, remade, is_forced), True))
        for line in command.script:
            shared.report(StepStarted(command.name, line))
        ran.append(command)
    shared.stats.save()
    return RunOutcome(tuple(command.name for command in ran), tuple(skipped), failed=tuple(failed))


def record_existing(commands: Sequence[Command], shared: RunContext) -> None:
    """Enter the results of `commands`, which are there, into the lock and the ledger.

    Raises CheckFailed for what is not there, or has no outputs to be a result; nothing is entered.
    """

    seen = {c.name: shared.stats.fingerprints(c.deps + c.produced) for c in commands}
    problems = [
        Problem(
            f"'{command.name}' has no result to record: '{path}' is not there",
            f"git spacy run {command.name}",
            f"project.yml:{command.line}",
        )
        for command in commands
        for path in command.deps + command.produced
        if seen[command.name][path.normal] is None
    ]
    if problems:
        raise CheckFailed.from_problems(problems)
    for command in commands:
        begun = shared.recorder.begin() if shared.recorder else None
        record_result(command, seen[command.name], shared)
        if shared.recorder and begun:
            now = seen[command.name]
            shared.recorder.end(begun, command, now, now, how="record")
    shared.stats.save()


def judge(command: Command, shared: RunContext) -> tuple[Verdict, Observed]:
    """The verdict on one command as things stand, and what it is based on."""

    entry = lock.read(shared.root).get(command.name)
    return worktree_status.judge(shared.project, command, entry, shared.stats, shared.environ)


def _missing_dependencies(
    project: Project, command: Command, paths: Iterable[ProjectPath]
) -> Iterator[Problem]:
    """Which dependencies a command lacks, and who makes each."""

    for path in paths:
        yield Problem(
            f"'{command.name}' needs '{path}', which is not there",
            producer_hint(project, command.name, path),
            f"project.yml:{command.line}",
        )


def _remade(command: Command, ran: Iterable[Command]) -> tuple[ProjectPath, ...]:
    """In a dry run: the outputs that commands before this one would make anew for it."""

    outputs = [output for other in ran for output in other.produced]
    return tuple(output for output in outputs if any(output.touches(dep) for dep in command.deps))


def _made_by(remade: Iterable[ProjectPath], path: ProjectPath) -> bool:
    return any(output.touches(path) for output in remade)


def _why(judged: Verdict, remade: Sequence[ProjectPath], force: bool) -> tuple[str, ...]:
    if force and not judged.must_run:
        return ("--force",)
    awaited = {path.text for path in judged.missing} if remade else set()
    reasons = [reason.text for reason in judged.reasons if reason.about not in awaited]
    return tuple(reasons) or tuple(
        f"dependency '{output}' would be made again" for output in remade
    )


def _warn_of_stale_producers(
    command: Command, among: Sequence[Command], shared: RunContext
) -> None:
    """A command is current with what it reads; what it reads may not be, where nobody asked."""

    for maker, path in upstream(shared.project, command):
        if maker in among:
            continue
        above, _ = judge(maker, shared)
        if above.state in ("stale", "not_run"):
            text = f"'{maker.name}', which makes '{path}', is stale"
            shared.report(RunWarning(f"{text}: git spacy run {maker.name} {command.name}"))


def _refresh_entry(
    command: Command, judged: Verdict, snapshot: Observed, shared: RunContext
) -> None:
    """A command that is current: make the lock say so, if an earlier variable set is back, and
    remember the names of its files, if somebody else ran it."""

    if judged.entry is None:
        return
    _update_lock(judged.entry, shared)
    if not any(
        past.fingerprint_key == judged.entry.fingerprint_key
        for past in shared.stats.previous_runs(command.name)
    ):
        _remember(command, judged.entry, snapshot, shared)


def _write_record(
    begun: _RunningCommand,
    command: Command,
    deps: Observed,
    outs: Observed,
    shared: RunContext,
    code: int = 0,
) -> None:
    if shared.recorder and begun.noted:
        shared.recorder.end(begun.noted, command, deps, outs, exit=code)


def _as_read(command: Command, before: Observed, after: Observed, shared: RunContext) -> Observed:
    """What stands there after the run; of dependencies what the script read."""

    read = dict(after)
    for dep in command.deps:
        if before[dep.normal] == after[dep.normal]:
            continue
        if any(dep.touches(output) for output in command.produced):
            continue  # the script itself writes there
        # It was edited while the script ran: what was read is not what stands there now. With
        # the old fingerprint recorded, the next run sees the difference.
        read[dep.normal] = before[dep.normal]
        shared.report(RunWarning(f"'{dep}' changed while '{command.name}' ran; it will run again"))
    return read


def record_result(
    command: Command, seen: Observed, shared: RunContext, before: Collection[str] = ()
) -> None:
    """Enter the result of `command` into the lock: its dependencies and outputs as `seen`. A new
    entry comes above those called `before`."""

    entries = lock.read(shared.root)
    entry = LockEntry(
        name=command.name,
        script=command.script,
        deps=_tracked(command.deps, seen),
        outs=_tracked(command.produced, seen),
    )
    version = None
    if any("spacy_version" in dict(other.extra) for other in entries.values()):
        version = installed_version(shared.python, "spacy")
    entry = lock.match_format(entry, entries, version)
    _update_lock(entry, shared, before)
    _remember(command, entry, seen, shared)


def _update_lock(entry: LockEntry, shared: RunContext, before: Collection[str] = ()) -> None:
    # runs that a script of ours started may be writing, too
    with file_lock(state_dir(shared.root) / "project.lock.lock"):
        lock.update(shared.root, entry, before)


def _tracked(paths: Iterable[ProjectPath], snapshot: Observed) -> tuple[TrackedPath, ...]:
    found = ((path, snapshot[path.normal]) for path in paths)
    return tuple(TrackedPath(path.text, now.digest if now else None) for path, now in found)


def _remember(command: Command, entry: LockEntry, snapshot: Observed, shared: RunContext) -> None:
    names = {
        path.text: now.names
        for path in command.deps + command.produced
        if (now := snapshot[path.normal]) is not None
    }
    facts = (command.script, entry.deps, entry.outs)
    shared.stats.remember(command.name, PreviousRun(facts, names))


def _warn_of_unset(command: Command, shared: RunContext) -> None:
    used = dict.fromkeys(name for line in command.script for name in environment_names(line))
    for name in used:
        variable = shared.project.environment[name]
        if variable not in shared.environ:
            text = f"'{command.name}' uses the environment variable {variable}, which is not set"
            shared.report(RunWarning(text))
