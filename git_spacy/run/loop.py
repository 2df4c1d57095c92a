"""The loop of one run: for each command the verdict, then the script, then the record.

Each command changes what the next one sees, so each looks for itself. Decides nothing on its own:
`state.verdict` does, and `project.graph` says who makes what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import CheckFailed, Problem, ScriptFailed
from git_spacy.files import held, make_directory
from git_spacy.project.graph import who_makes
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.variables import environment_names
from git_spacy.run.executor import Executor
from git_spacy.run.recorder import Begun, Recorder
from git_spacy.run.reporter import Finished, Reporter, Skipped, Started, StepStarted, Warned
from git_spacy.run.script import Interpreter, installed_version, process_environment, steps
from git_spacy.state import lock, present
from git_spacy.state.index import Observed, Past, StatIndex, home
from git_spacy.state.lock import LockEntry, Tracked
from git_spacy.state.verdict import Verdict, upstream


class Outcome(NamedTuple):
    """The names of the commands that ran (would run, in a dry run) and of those skipped."""

    ran: tuple[str, ...]
    skipped: tuple[str, ...]


class Run(NamedTuple):
    """What all commands of one run share."""

    project: Project
    root: Path
    stats: StatIndex
    executor: Executor
    python: Interpreter
    environ: Mapping[str, str]
    report: Reporter
    recorder: Recorder | None = None
    force: bool = False
    dry: bool = False


def run(commands: Sequence[Command], shared: Run) -> Outcome:
    """Run `commands` in order, skipping what is current.

    Raises CheckFailed for a missing dependency (a dry run goes on first, to tell of all of them) or
    a declared output that was not made, ScriptFailed with the code of the script, Interrupted;
    what ran before that stays recorded.
    """

    if not shared.dry:
        for directory in shared.project.directories:
            make_directory(shared.root, directory.normal)
    ran: list[Command] = []
    skipped: list[Command] = []
    lacking: list[Problem] = []
    try:
        for command in commands:
            judged, before = judge(command, shared)
            remade = _remade(command, ran) if shared.dry else ()
            absent = [path for path in judged.absent if not _made_by(remade, path)]
            if absent:
                lacking += _missing_dependencies(shared.project, command, absent)
                if not shared.dry:
                    raise CheckFailed.of(lacking)
            if not judged.must_run and not shared.force and not remade:
                _keep(command, judged, before, shared)
                shared.report(Skipped(command.name))
                _warn_of_stale_makers(command, commands, shared)
                skipped.append(command)
                continue
            reasons = _why(judged, remade, shared.force)
            shared.report(Started(command.name, reasons, shared.dry))
            if shared.dry:
                for line in command.script:
                    shared.report(StepStarted(line))
            else:
                _execute(command, before, shared)
            ran.append(command)
    finally:
        shared.stats.save()
    if lacking:
        raise CheckFailed.of(lacking)
    return Outcome(tuple(c.name for c in ran), tuple(c.name for c in skipped))


def record(commands: Sequence[Command], shared: Run) -> None:
    """Enter the results of `commands`, which are there, into the lock and the ledger.

    Raises CheckFailed for what is not there, or has no outputs to be a result; nothing is entered.
    """

    seen = {c.name: shared.stats.observe(c.deps + c.produced) for c in commands}
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
        raise CheckFailed.of(problems)
    for command in commands:
        begun = shared.recorder.begin() if shared.recorder else None
        enter(command, seen[command.name], shared)
        if shared.recorder and begun:
            now = seen[command.name]
            shared.recorder.end(begun, command, now, now, how="record")
    shared.stats.save()


def judge(command: Command, shared: Run) -> tuple[Verdict, Observed]:
    """The verdict on one command as things stand, and what it is based on."""

    entry = lock.read(shared.root).get(command.name)
    return present.judge(shared.project, command, entry, shared.stats, shared.environ)


def _missing_dependencies(
    project: Project, command: Command, paths: Iterable[ProjectPath]
) -> Iterator[Problem]:
    """Which dependencies a command lacks, and who makes each."""

    for path in paths:
        yield Problem(
            f"'{command.name}' needs '{path}', which is not there",
            who_makes(project, command.name, path),
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
    awaited = {path.text for path in judged.absent} if remade else set()
    reasons = [reason.text for reason in judged.reasons if reason.about not in awaited]
    return tuple(reasons) or tuple(
        f"dependency '{output}' would be made again" for output in remade
    )


def _warn_of_stale_makers(command: Command, among: Sequence[Command], shared: Run) -> None:
    """A command is current with what it reads; what it reads may not be, where nobody asked."""

    for maker, path in upstream(shared.project, command):
        if maker in among:
            continue
        above, _ = judge(maker, shared)
        if above.state in ("stale", "never"):
            text = f"'{maker.name}', which makes '{path}', is stale"
            shared.report(Warned(f"{text}: git spacy run {maker.name} {command.name}"))


def _keep(command: Command, judged: Verdict, snapshot: Observed, shared: Run) -> None:
    """A command that is current: make the lock say so, if an earlier variable set is back, and
    remember the names of its files, if somebody else ran it."""

    if shared.dry or judged.entry is None:
        return
    _update_lock(judged.entry, shared)
    if not any(past.facts == judged.entry.facts for past in shared.stats.past(command.name)):
        _remember(command, judged.entry, snapshot, shared)


def _execute(command: Command, before: Observed, shared: Run) -> None:
    _warn_of_unset(command, shared)
    environ = process_environment(shared.python, shared.root, shared.environ)
    begun = shared.recorder.begin() if shared.recorder else None
    started = time.monotonic()
    for step in steps(command, shared.python, shared.project.environment, shared.environ):
        shared.report(StepStarted(step.shown))
        code = shared.executor.run(step, shared.root, environ)
        if code:
            _note(begun, command, before, {}, shared, code)
            raise ScriptFailed(
                f"'{command.name}' failed: a script line ended with exit code {code}",
                code,
                where=f"project.yml:{command.line}",
                mend=f"mend what it says above, then: git spacy run {command.name}",
            )
    after = shared.stats.observe(command.deps + command.produced)
    unmade = [output for output in command.produced if after[output.normal] is None]
    if unmade:
        _note(begun, command, before, after, shared, CheckFailed.exit_code)
        raise CheckFailed.of(
            Problem(
                f"'{command.name}' did not make its output '{output}'",
                "correct the script, or the path under 'outputs'",
                f"project.yml:{command.line}",
            )
            for output in unmade
        )
    read = _as_read(command, before, after, shared)
    enter(command, read, shared)
    _note(begun, command, read, after, shared)
    shared.report(Finished(command.name, time.monotonic() - started))


def _note(
    begun: Begun | None, command: Command, deps: Observed, outs: Observed, shared: Run,
    code: int = 0,
) -> None:  # fmt: skip
    if shared.recorder and begun:
        shared.recorder.end(begun, command, deps, outs, exit=code)


def _as_read(command: Command, before: Observed, after: Observed, shared: Run) -> Observed:
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
        shared.report(Warned(f"'{dep}' changed while '{command.name}' ran; it will run again"))
    return read


def enter(command: Command, seen: Observed, shared: Run) -> None:
    """Enter the result of `command` into the lock: its dependencies and outputs as `seen`."""

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
    entry = lock.in_dialect(entry, entries, version)
    _update_lock(entry, shared)
    _remember(command, entry, seen, shared)


def _update_lock(entry: LockEntry, shared: Run) -> None:
    # runs that a script of ours started may be writing, too
    with held(home(shared.root) / "project.lock.lock"):
        lock.update(shared.root, entry)


def _tracked(paths: Iterable[ProjectPath], snapshot: Observed) -> tuple[Tracked, ...]:
    found = ((path, snapshot[path.normal]) for path in paths)
    return tuple(Tracked(path.text, now.digest if now else None) for path, now in found)


def _remember(command: Command, entry: LockEntry, snapshot: Observed, shared: Run) -> None:
    names = {
        path.text: now.names
        for path in command.deps + command.produced
        if (now := snapshot[path.normal]) is not None
    }
    facts = (command.script, entry.deps, entry.outs)
    shared.stats.remember(command.name, Past(facts, names))


def _warn_of_unset(command: Command, shared: Run) -> None:
    used = dict.fromkeys(name for line in command.script for name in environment_names(line))
    for name in used:
        variable = shared.project.environment[name]
        if variable not in shared.environ:
            text = f"'{command.name}' uses the environment variable {variable}, which is not set"
            shared.report(Warned(text))
