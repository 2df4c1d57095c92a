"""Run the variants of a matrix that write the same paths: each in a copy of the project.

Such a variant has no entry in project.lock, since its outputs are not in the project. Its state is
its last run record and the outputs in the run cache: if it ran with the same script, variables and
dependencies, and its outputs can be restored, it is up to date.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from git_spacy.errors import CheckFailed, ExternalError, GitSpacyError, local_failure, warning
from git_spacy.history import run_history
from git_spacy.history.metrics import metric_files, metrics_in
from git_spacy.history.run_record import Attempt, RunRecord
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.project.plan import RunPlan
from git_spacy.run.events import RunReporter
from git_spacy.run.executor import Job, JobResult, missing_outputs, script_failure
from git_spacy.run.recorder import PendingRecord, plain_variables
from git_spacy.run.script import build_steps, process_environment
from git_spacy.run.variant_trees import VariantTree
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.state.variant_folder import remove_variant_folders
from git_spacy.state.verdict import Reason, Verdict

if TYPE_CHECKING:
    from git_spacy.run.run_context import RunContext

# variables with the folder of a tool's own logs, which must not be lost with the copy
_TOOL_FOLDERS = ("WANDB_DIR",)
_ATTEMPTS = 3  # to copy the dependencies while somebody edits them


class VariantCache(Protocol):
    """The interface of the run cache, where the outputs of variants are kept."""

    def in_folder(self, folder: Path) -> VariantCache:
        """Return the cache for outputs in `folder`, a copy of the project."""
        ...

    def has(self, outs: Iterable[Fingerprint]) -> bool:
        """Return whether all these outputs can be restored from this machine."""
        ...

    def keep(self, command: Command, deps: Observed, outs: Observed) -> None:
        """Save the outputs that `command` produced from the dependencies `deps`.

        Raises GitSpacyError, OSError.
        """

    def restore(self, command: Command, deps: Observed) -> str | None:
        """Restore the outputs that `command` would produce from `deps`; return their source."""
        ...

    def restore_outputs(self, command: Command, deps: Observed, outs: Observed) -> bool:
        """Restore exactly these outputs; return whether that was possible."""
        ...


class _Result(NamedTuple):
    """The dependencies, the outputs and the metrics (by file) of a variant that is up to date or
    has just run."""

    deps: Observed
    outs: Observed
    metrics: Mapping[str, Mapping[str, float]]


class VariantRuns:
    """The commands of one run that run in copies of the project, by name, with the isolated
    commands that each depends on.

    The copies are in `folder`. With `may_restore`, outputs that the cache has are restored instead
    of running a command. `metric_patterns` choose the outputs with metrics.
    """

    def __init__(
        self, commands: Iterable[Command], upstream: Mapping[str, tuple[str, ...]],
        cache: VariantCache, folder: Path, *, may_restore: bool,
        metric_patterns: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._commands = {c.name: c for c in commands if c.name in upstream}
        self._upstream = dict(upstream)
        self._metric_patterns = metric_patterns
        self._cache = cache
        self._folder = folder
        self._may_restore = may_restore
        self._results: dict[str, _Result] = {}
        self._trees: dict[str, VariantTree] = {}
        self._known_records: dict[tuple[str, str], list[RunRecord]] | None = None
        self._warned: set[str] = set()  # commands that wrote files beside their outputs

    def __contains__(self, name: object) -> bool:
        return name in self._commands

    def sees(self, command: Command, other: Command) -> bool:
        """Return whether `command` can depend on what `other` produces in this run."""

        return other.name not in self or other.name in self._upstream.get(command.name, ())

    def add(self, plan: RunPlan) -> None:
        """Add the isolated commands of another plan."""

        self._upstream |= plan.isolated
        self._commands |= {c.name: c for c in plan.commands if c.name in plan.isolated}

    def metrics(self, name: str) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of a variant that is up to date or has run, by file."""

        return self._results[name].metrics

    def forget(self, names: Iterable[str], others: Iterable[str]) -> None:
        """Remove the copies that the variants `names` ran in, unless one of `others` does, too."""

        unused = set(map(self._tree_name, names)) - set(map(self._tree_name, others))
        for key in unused & self._trees.keys():
            remove_variant_folders([self._trees.pop(key).root])

    # Judging

    def judge(self, command: Command, context: RunContext) -> tuple[Verdict, Observed]:
        """Return the verdict on a variant and the fingerprints of its dependencies."""

        self._results.pop(command.name, None)
        before = self._dependencies(command, context)
        missing = tuple(path for path in command.deps if before[path.normal] is None)
        if command.no_skip or not command.produced:
            text = "sets no_skip" if command.no_skip else "declares no outputs"
            return Verdict("always_runs", (Reason("always_runs", text),), missing), before
        records = self.records(command, context)
        if not any(record.exit == 0 for record in records) or missing:
            return Verdict("not_run", (Reason("not_run", "not run yet"),), missing), before
        same = [
            record
            for record in records
            if record.exit == 0 and _has_same_inputs(record, command, before)
        ]
        if not same:
            reason = Reason("script", "its script or a dependency changed")
            return Verdict("stale", (reason,)), before
        outs = _recorded_outputs(command, same[-1])
        if not self._cache.has(outs.values()):
            reason = Reason("output", "its outputs are not in the cache any more")
            return Verdict("stale", (reason,)), before
        self._results[command.name] = _Result(before, outs, same[-1].metrics)
        return Verdict("up_to_date"), before

    def pruned_record(self, command: Command, before: Observed, context: RunContext) -> (
        RunRecord | None
    ):  # fmt: skip
        """Return the record of a run of the variant that a search stopped, with the same inputs."""

        records = reversed(self.records(command, context))
        return next((r for r in records if r.pruned and _has_read(r, command, before)), None)

    def _dependencies(self, command: Command, context: RunContext) -> dict[str, Fingerprint | None]:
        """Return the fingerprints of the dependencies: in the project, or of results of variants.

        None for what a variant has not produced yet.
        """

        own: list[ProjectPath] = []
        found: dict[str, Fingerprint | None] = {}
        for path in command.deps:
            producers = self._producers(command, path)
            if not producers:
                own.append(path)
            elif all(producer.name in self._results for producer in producers):
                found[path.normal] = self._produced(command, path, producers, context)
            else:
                found[path.normal] = None
        return {**context.stats.fingerprints(own), **found}

    def _producers(self, command: Command, path: ProjectPath) -> list[Command]:
        upstream = [self._commands[name] for name in self._upstream[command.name]]
        return [c for c in upstream if any(output.touches(path) for output in c.produced)]

    def _produced(
        self, command: Command, path: ProjectPath, producers: list[Command], context: RunContext
    ) -> Fingerprint | None:
        outs = self._results[producers[0].name].outs
        if len(producers) == 1 and path.normal in outs:
            return outs[path.normal]
        tree = self._tree(command, context)  # a part of an output, or more than one
        self._place_outputs(tree, command, path)
        return _stats_of(tree).fingerprint(path.normal)

    def records(self, command: Command, context: RunContext) -> Sequence[RunRecord]:
        """Return the records of the isolated runs of a variant before this run, the oldest first:
        those that succeeded or were pruned."""

        if context.recorder is None:
            return ()
        key = command.variant_of, plain_variables(context.recorder.variables(command))
        return self._all_records(context).get(key, ())

    def recorded_variables(self, commands: Collection[str], context: RunContext) -> (
        list[Mapping[str, Any]]
    ):  # fmt: skip
        """Return the variables of all such records of `commands`, the oldest first."""

        records = [
            record
            for (name, _), records in self._all_records(context).items()
            if name in commands
            for record in records
        ]
        return [record.vars for record in sorted(records, key=lambda record: record.time)]

    def _all_records(self, context: RunContext) -> Mapping[tuple[str, str], list[RunRecord]]:
        """Return the records by command and variables. All notes are read once."""

        if self._known_records is None:
            found: dict[tuple[str, str], list[RunRecord]] = {}
            self._known_records = found
            with suppress(GitSpacyError, OSError):  # without a repository there are no run records
                for record in run_history.all_records(context.root):
                    if record.isolated and (record.exit == 0 or record.pruned):
                        key = record.command, plain_variables(record.vars)
                        found.setdefault(key, []).append(record)
            for records in found.values():
                records.sort(key=lambda record: record.time)
        return self._known_records

    # Running

    def restore(
        self, command: Command, before: Observed, context: RunContext, pending: PendingRecord | None
    ) -> str | None:
        """Restore the outputs of a variant that ran elsewhere, e.g. in the project, or with the
        same script under another name. Return their source, or None."""

        if not self._may_restore:
            return None
        tree = self._tree(command, context)
        source = self._cache.in_folder(tree.create()).restore(command, before)
        if source:
            outs = _stats_of(tree).fingerprints(command.produced)
            self._keep(command, before, outs, tree)
            if context.recorder and pending:
                context.recorder.end(
                    pending, command, before, outs, how="restore", source=source, tree=tree.root
                )
        return source

    def job(
        self, command: Command, before: Observed, context: RunContext,
        pending: PendingRecord | None,
    ) -> Job:  # fmt: skip
        """Prepare the copy of the project that a variant runs in, and return its job."""

        tree = self._tree(command, context)
        tree.fill(command)
        for path in command.deps:
            if self._producers(command, path):
                self._place_outputs(tree, command, path)
        own = [path for path in command.deps if not self._producers(command, path)]
        for _ in range(_ATTEMPTS):
            for path in own:
                tree.copy_dependency(path)
            now = context.stats.fingerprints(own)
            if all(now[path.normal] == before[path.normal] for path in own):
                break
        else:
            raise CheckFailed(
                f"a dependency of '{command.name}' changed while it was copied",
                hint=command.cli_name,
            )
        environ = {
            **dict.fromkeys(_TOOL_FOLDERS, str(context.root)),
            **process_environment(context.python, context.environ),
            **(pending.environment() if pending else {}),
        }
        steps = build_steps(command, context.python, context.project.environment, context.environ)
        timeout = context.project.resources_for(command).timeout
        return Job(command, steps, tree.root, environ, context.python.path, context.root, timeout)

    def remove_outputs(self, command: Command, context: RunContext) -> None:
        """Remove what a failed attempt of a variant wrote, so that it can start again."""

        self._tree(command, context).remove_outputs(command)

    def finish(
        self, result: JobResult, before: Observed, context: RunContext,
        pending: PendingRecord | None, attempts: Sequence[Attempt] = (),
    ) -> RunRecord | None:  # fmt: skip
        """Keep and record the result of a variant, whose `attempts` failed before.

        Raises its failure, CheckFailed for a missing output, LocalFailure if it cannot be kept.
        """

        command = result.command
        tree = self._tree(command, context)
        outs = {} if result.code else _stats_of(tree).fingerprints(command.produced)
        missing = [path for path in command.produced if not result.code and not outs[path.normal]]
        code = result.code or (CheckFailed.exit_code if missing else 0)
        record = None
        if not code and command.produced:
            self._keep(command, before, outs, tree)
        if context.recorder and pending:
            record = context.recorder.end(
                pending,
                command,
                before,
                outs,
                exit=code,
                tree=tree.root,
                execution=result.execution,
                timeout=result.timeout,
                attempts=attempts,
            )
        if result.code:
            raise script_failure(command, result)
        if missing:
            raise missing_outputs(command, missing)
        _warn_of_changed_dependencies(command, tree, context.report)
        self._warn_of_undeclared_files(command, tree, context.report)
        return record

    def prune(
        self, command: Command, before: Observed, context: RunContext,
        pending: PendingRecord | None,
    ) -> RunRecord | None:  # fmt: skip
        """Record that a variant was stopped, and return the record."""

        if not context.recorder or not pending:
            return None
        tree = self._tree(command, context)
        code = 128 + signal.SIGTERM
        return context.recorder.end(
            pending, command, before, {}, exit=code, tree=tree.root, pruned=True
        )

    def _keep(self, command: Command, before: Observed, outs: Observed, tree: VariantTree) -> None:
        try:
            self._cache.in_folder(tree.root).keep(command, before, outs)
        except OSError as error:
            action = f"cannot save the outputs of '{command.name}' to the local cache"
            raise local_failure(error, action) from None
        for path in command.produced:
            tree.remember(path)
        files = metric_files(command, self._metric_patterns)
        metrics = {path.text: metrics_in(tree.root, path.normal) for path in files}
        self._results[command.name] = _Result(before, outs, metrics)

    def _warn_of_undeclared_files(
        self, command: Command, tree: VariantTree, report: RunReporter
    ) -> None:
        """Warn, once for all variants of a command, of files that will be lost with the copy."""

        files = [] if command.variant_of in self._warned else tree.undeclared_files()
        if files:
            self._warned.add(command.variant_of)
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            report(warning(
                f"'{command.variant_of}' wrote '{files[0]}'{more}, which the variants do not keep",
                "to keep them, list them under 'outputs' in project.yml",
            ))  # fmt: skip

    def _place_outputs(self, tree: VariantTree, command: Command, path: ProjectPath) -> None:
        """Let the copy that `command` runs in have the outputs of the producers of `path`."""

        if tree.is_unchanged(path):
            return
        producers = self._producers(command, path)
        outputs = [output for producer in producers for output in producer.produced]
        if any(path.holds(output) and output.normal != path.normal for output in outputs):
            tree.fill(command)
            tree.copy_dependency(path)  # its other files
        for producer in producers:
            if all(tree.is_unchanged(output) for output in producer.produced):
                continue
            result = self._results[producer.name]
            cache = self._cache.in_folder(tree.create())
            if not cache.restore_outputs(producer, result.deps, result.outs):
                raise ExternalError(
                    f"the outputs of '{producer.name}' cannot be restored from the local cache",
                    hint="start the same run again: it makes them anew",
                )
            for output in producer.produced:
                tree.remember(output)
        tree.remember(path)

    def _tree(self, command: Command, context: RunContext) -> VariantTree:
        key = self._tree_name(command.name)
        if key not in self._trees:
            self._trees[key] = VariantTree(context.project, context.root, self._folder, key)
        return self._trees[key]

    def _tree_name(self, name: str) -> str:
        """Return what the variants have in common that share a copy: their values."""

        return name.removeprefix(self._commands[name].variant_of).strip()

    def close(self) -> None:
        """Remove the copies of the project."""

        remove_variant_folders([self._folder])


def _stats_of(tree: VariantTree) -> StatCache:
    """Return fingerprints of a copy; it has no stat cache, since it is removed soon."""

    return StatCache(tree.root, tree.root.with_suffix(".index"))


def _has_same_inputs(record: RunRecord, command: Command, before: Observed) -> bool:
    return (
        _has_read(record, command, before)
        and [file.path for file in record.outs] == [path.text for path in command.produced]
        and all(file.md5 for file in record.outs)
    )


def _has_read(record: RunRecord, command: Command, before: Observed) -> bool:
    read = {
        path.text: (now.digest, now.names) if (now := before[path.normal]) else (None, "")
        for path in command.deps
    }
    return (
        record.script == command.script
        and {file.path: (file.md5, file.names) for file in record.deps} == read
    )


def _recorded_outputs(command: Command, record: RunRecord) -> dict[str, Fingerprint]:
    return {
        path.normal: Fingerprint(file.md5 or "", file.names, file.size or 0)
        for path, file in zip(command.produced, record.outs, strict=True)
    }


def _warn_of_changed_dependencies(command: Command, tree: VariantTree, report: RunReporter) -> None:
    for path in command.deps:
        is_output = any(path.touches(output) for output in command.produced)
        if not is_output and not tree.is_unchanged(path):
            text = f"'{command.name}' changed its dependency '{path}', only in its own copy"
            report(warning(text))
