"""Write the run record of a command to the run history.

Failed commands are recorded, too, although they have no lock entry. A record that cannot be written
does not fail the run: it is reported once, as a warning.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from git_spacy import __version__
from git_spacy.errors import GitSpacyError, Warn, as_warning, redact
from git_spacy.git import commits
from git_spacy.git.repository import Repository
from git_spacy.git.state_dir import state_dir
from git_spacy.history import run_history
from git_spacy.history.metrics import metric_files, metrics_in
from git_spacy.history.run_history import BaseCommit
from git_spacy.history.run_record import Attempt, How, RecordedFile, RunRecord, format_time
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.project.matrix import variant_variables
from git_spacy.project.model import Command, Project, Timeout
from git_spacy.project.paths import ProjectPath
from git_spacy.run.executor import Execution
from git_spacy.run.interpreter import Interpreter, installed_version, python_version
from git_spacy.run.links import link_environment, take_links
from git_spacy.state.stat_cache import Observed

_INTERVAL = 1.0  # seconds between calls of git, however short the commands are


class PendingRecord(NamedTuple):
    """The start of a run that is in progress: its base commit (None if Git could not determine it)
    and its start time, in seconds since 1970 and by the monotonic clock. `links` is the file for
    the ids that other tools give to the run."""

    base: BaseCommit | None
    started: float
    clock_started: float
    links: Path | None = None

    def started_again(self) -> PendingRecord:
        """Return the start of another attempt of the run."""

        return self._replace(started=time.time(), clock_started=time.monotonic())

    def environment(self) -> dict[str, str]:
        """Return the environment variables that tell a script about its record."""

        return link_environment(self.links, self.started)


class Recorder:
    """Records the runs of one project.

    `overrides` are the variables set on the command line or in params.yaml; `warn` is called at
    most once, with the reason why a run could not be recorded; `metric_patterns` choose the outputs
    with metrics.
    """

    def __init__(
        self,
        project: Project,
        root: Path,
        python: Interpreter,
        overrides: Mapping[str, Any],
        warn: Warn,
        metric_patterns: Sequence[str] = (),
    ) -> None:
        self._metric_patterns = metric_patterns
        self._project = project
        self._root = root
        self._python = python
        self._overrides = overrides
        self._warn = warn
        self._warned = False
        self._number = 0
        self._base: tuple[object, float, BaseCommit] | None = None
        self._flushed = time.monotonic()

    def begin(self) -> PendingRecord:
        """Determine the base commit, before the command changes anything."""

        base = links = None
        try:
            base = self._base_commit()
            self._number += 1
            links = state_dir(self._root) / f"links-{os.getpid()}-{self._number}"
        except (GitSpacyError, OSError) as error:
            self._warn_failure(error)
        return PendingRecord(base, time.time(), time.monotonic(), links)

    def _base_commit(self) -> BaseCommit:
        """Return the base commit; ask Git at most once a second unless HEAD or the index moves."""

        repository = Repository.discover(self._root)
        state, now = commits.head_state(repository) if repository else None, time.monotonic()
        if self._base and state is not None:
            known_state, asked, base = self._base
            if state == known_state and now - asked < _INTERVAL:
                return base
        outputs = [path for command in self._project.commands for path in command.produced]
        assets = [asset.dest for asset in self._project.assets]
        base = run_history.base_commit(self._root, [*outputs, *assets])
        self._base = state, now, base
        return base

    def end(
        self, pending: PendingRecord, command: Command, inputs: Observed, outs: Observed, *,
        exit: int = 0, how: How = "run", source: str = "", tree: Path | None = None,
        execution: Execution | None = None, timeout: Timeout | None = None,
        attempts: Sequence[Attempt] = (), pruned: bool = False,
    ) -> RunRecord | None:  # fmt: skip
        """Record that `command` ended with the exit code `exit`, having read the dependencies
        `inputs` and written the outputs `outs`: in the project, or in `tree`, a copy of it.
        `execution` has its times if it ran on a cluster, and `timeout` is the limit at which it was
        ended. `attempts` failed before. It was `pruned` if a search stopped it. Return the record,
        or None if that failed.
        """

        if pending.base is None:
            return None
        record = None
        ran = execution or Execution(time.monotonic() - pending.clock_started, 0.0, "", {})
        try:
            repository = Repository.discover(self._root)
            record = RunRecord(
                time=format_time(pending.started),
                project=run_history.project_folder(self._root, repository) if repository else "",
                command=command.variant_of or command.name,
                script=command.script,
                deps=_recorded_files(command.deps, inputs),
                outs=_recorded_files(command.produced, outs),
                how=how,
                source=source,
                seconds=round(ran.seconds, 3) if how == "run" else 0.0,
                queued=round(ran.queued, 3),
                node=ran.node,
                resources=ran.resources,
                exit=exit,
                tree=pending.base.tree,
                dirty=pending.base.dirty,
                vars=self.variables(command),
                versions=versions(self._python),
                metrics=dict(self._metrics(command, outs, tree or self._root)),
                links=take_links(pending.links),
                isolated=tree is not None,
                timeout=timeout.seconds if timeout else 0.0,
                attempts=tuple(attempts),
                pruned=pruned,
            )
            run_history.queue_record(self._root, pending.base.commit, record)
        except (GitSpacyError, OSError) as error:
            self._warn_failure(error)
        if time.monotonic() - self._flushed >= _INTERVAL:
            self.flush()
        return record

    def flush(self) -> None:
        """Write the records of ended commands into the notes. Until then they are in a file, from
        which a later command takes them if this process is killed."""

        try:
            run_history.flush_pending(self._root)
        except (GitSpacyError, OSError) as error:
            self._warn_failure(error)
        self._flushed = time.monotonic()

    def variables(self, command: Command) -> dict[str, Any]:
        """Return the overridden variables of a run of `command`, as its record has them."""

        overridden = {**self._overrides, **variant_variables(command)}
        return {_plain_name(name): _redacted(value) for name, value in overridden.items()}

    def _metrics(
        self, command: Command, outs: Observed, root: Path
    ) -> Iterable[tuple[str, Mapping[str, float]]]:
        for path in metric_files(command, self._metric_patterns):
            state = outs.get(path.normal)
            if state is None or state.names:
                continue
            if metrics := metrics_in(root, path.normal):
                yield path.text, metrics

    def _warn_failure(self, error: GitSpacyError | OSError) -> None:
        if not self._warned:
            self._warned = True
            self._warn(as_warning(error, "run not recorded"))


def versions(python: Interpreter) -> dict[str, str]:
    """Return the versions of python, spacy and git-spacy, omitting unknown ones."""

    known = {
        "python": python_version(python),
        "spacy": installed_version(python, "spacy"),
        "git-spacy": __version__,
    }
    return {name: version for name, version in known.items() if version}


def _recorded_files(paths: Iterable[ProjectPath], observed: Observed) -> tuple[RecordedFile, ...]:
    states = ((path, observed.get(path.normal)) for path in paths)
    return tuple(
        RecordedFile(path.text, state.digest, state.size, state.names)
        if state
        else RecordedFile(path.text, None, None)
        for path, state in states
    )


def plain_variables(variables: Mapping[str, Any]) -> str:
    """Return a text that two sets of variables share if they are equal."""

    return json.dumps(variables, sort_keys=True)


def _plain_name(name: str) -> str:
    return name.removeprefix("variables.").removeprefix("vars.")


def _redacted(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value
