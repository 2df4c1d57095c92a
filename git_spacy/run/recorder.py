"""From one run of a command to its record in the ledger.

What keeps no lock entry (a failure) is recorded, too. Nothing that goes wrong here fails a run: it
is told once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy import __version__
from git_spacy.errors import GitSpacyError, local_failure, redact
from git_spacy.files import open_beneath
from git_spacy.git.repository import Repository
from git_spacy.project.matrix import variant_variables
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.run.script import Interpreter, installed_version, python_version
from git_spacy.state import run_history
from git_spacy.state.run_history import BaseCommit
from git_spacy.state.run_record import How, RecordedFile, RunRecord, numbers
from git_spacy.state.stat_cache import Observed

_SMALL = 64 << 10  # bytes: a larger JSON file is data, no metrics


class PendingRecord(NamedTuple):
    """A run that is going on: what it began on (None: git could not say), and when, in seconds
    since 1970 and by a clock that nobody sets."""

    base: BaseCommit | None
    time: float
    clock: float


class Recorder:
    """Notes the runs of one project. `overrides` are the variables given; `warn` is called at most
    once, with why something could not be noted."""

    def __init__(
        self,
        project: Project,
        root: Path,
        python: Interpreter,
        overrides: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> None:
        self._project = project
        self._root = root
        self._python = python
        self._overrides = overrides
        self._warn = warn
        self._warned = False

    def begin(self) -> PendingRecord:
        """Look where HEAD is, before the command does anything."""

        own = [path for command in self._project.commands for path in command.produced]
        brought = [asset.dest for asset in self._project.assets]
        standing = None
        try:
            standing = run_history.base_commit(self._root, [*own, *brought])
        except (GitSpacyError, OSError) as error:
            self._warn_failure(error)
        return PendingRecord(standing, time.time(), time.monotonic())

    def end(
        self, begun: PendingRecord, command: Command, deps: Observed, outs: Observed, *,
        exit: int = 0, how: How = "run", source: str = "",
    ) -> None:  # fmt: skip
        """Note that `command` ended with the code `exit`, having read `deps` and made `outs`."""

        if begun.base is None:
            return
        given = {**self._overrides, **variant_variables(command)}
        seconds = round(time.monotonic() - begun.clock, 3) if how == "run" else 0.0
        try:
            repository = Repository.discover(self._root)
            record = RunRecord(
                time=_utc(begun.time),
                project=run_history.folder(self._root, repository) if repository else "",
                command=command.variant_of or command.name,
                script=command.script,
                deps=_files(command.deps, deps),
                outs=_files(command.produced, outs),
                how=how,
                source=source,
                seconds=seconds,
                exit=exit,
                tree=begun.base.tree,
                dirty=begun.base.dirty,
                vars={_plain_name(name): _shown(one) for name, one in given.items()},
                versions=versions(self._python),
                metrics=dict(self._metrics(command, outs)),
            )
            run_history.append(self._root, begun.base.commit, record)
        except (GitSpacyError, OSError) as error:
            self._warn_failure(error)

    def _metrics(
        self, command: Command, outs: Observed
    ) -> Iterable[tuple[str, Mapping[str, float]]]:
        for path in command.produced:
            now = outs.get(path.normal)
            if now is None or now.names or now.size > _SMALL or not path.normal.endswith(".json"):
                continue
            with open_beneath(self._root, path.normal) as stream:
                if found := numbers(stream.read(_SMALL)):
                    yield path.text, found

    def _warn_failure(self, error: GitSpacyError | OSError) -> None:
        if not self._warned:
            self._warned = True
            told = error if isinstance(error, GitSpacyError) else local_failure(error, "noting")
            first = told.problems[0]
            hint = f"\nhint: {first.hint}" if first.hint else ""
            self._warn(f"not noted for its commit: {first.message}{hint}")


def versions(python: Interpreter) -> dict[str, str]:
    """What a run depends on and project.yml does not say: of python, spacy, git-spacy."""

    found = {
        "python": python_version(python),
        "spacy": installed_version(python, "spacy"),
        "git-spacy": __version__,
    }
    return {name: version for name, version in found.items() if version}


def _files(paths: Iterable[ProjectPath], seen: Observed) -> tuple[RecordedFile, ...]:
    found = ((path, seen.get(path.normal)) for path in paths)
    return tuple(
        RecordedFile(path.text, now.digest, now.size, now.names)
        if now
        else RecordedFile(path.text, None, None)
        for path, now in found
    )


def _plain_name(name: str) -> str:
    return name.removeprefix("variables.").removeprefix("vars.")


def _shown(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value


def _utc(seconds: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{int(seconds % 1 * 1000):03}Z"
