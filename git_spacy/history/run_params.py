"""Find the values of the variables of a run: overrides, and the values in project.yml.

A record has only the overrides. It names the commit that the run began on, but project.yml may have
been edited before the run and committed later. So the version used is the nearest one, at or after
that commit, in which the command with these overrides is exactly the one that ran. If there is no
such version, no values are guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.git import commits, objects
from git_spacy.git.repository import SAFE_CONFIG, Repository
from git_spacy.history.commit_runs import CommitRuns
from git_spacy.history.run_record import RunRecord
from git_spacy.project import loader
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.matrix import Variants

_MAX_VERSIONS = 8  # versions of project.yml for one run
_MAX_BYTES = 1 << 20  # bytes of each


class RunParams(NamedTuple):
    """The variables of a run, by names without `vars.`.

    If they are not `complete`, only overrides are known.
    """

    variables: Mapping[str, Any]
    complete: bool


class CommitParams:
    """Finds the params of runs in a history of commits, newest first.

    `worktree` has the present text of project.yml, by project.
    """

    def __init__(
        self, repository: Repository, history: Sequence[CommitRuns], worktree: Mapping[str, bytes]
    ) -> None:
        self._repository = repository
        self._history = history
        self._worktree = worktree
        self._versions: dict[str, list[_Version]] = {}

    def params(self, number: int, record: RunRecord) -> RunParams:
        """Return the params of a run of the commit at position `number` in the history."""

        for version in self._nearest_versions(number, record.project):
            variables = version.values(record)
            if variables is not None:
                return RunParams(variables, True)
        return RunParams(short_names(record.vars), False)

    def _nearest_versions(self, number: int, project: str) -> Iterator[_Version]:
        if project not in self._versions:
            self._versions[project] = self._read(project)
        versions = self._versions[project]
        later = reversed(versions[: number + 2])  # the first one is the worktree
        return islice(dict.fromkeys(later), _MAX_VERSIONS)

    def _read(self, project: str) -> list[_Version]:
        name = f"{project}/{PROJECT_FILE}" if project else PROJECT_FILE
        ids = commits.blob_ids(
            self._repository, [item.annotated.commit for item in self._history], name, _MAX_BYTES
        )
        distinct = list(dict.fromkeys(filter(None, ids.values())))
        versions = {
            id: _Version(content.read())
            for id, content in objects.read_blobs(
                SAFE_CONFIG, distinct,
                cwd=self._repository.cwd(), environ=self._repository.environment(),
            )
        }  # fmt: skip
        empty = _Version(b"")
        return [
            _Version(self._worktree.get(project, b"")),
            *(versions.get(ids[item.annotated.commit], empty) for item in self._history),
        ]


class _Version:
    """One version of project.yml; an invalid one has no commands."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._documents: dict[str, dict[str, Any]] = {}

    @cached_property
    def _variants(self) -> Variants | None:
        try:
            return Variants(self._data)
        except (InvalidInput, Refused):
            return None

    def values(self, record: RunRecord) -> Mapping[str, Any] | None:
        """Return the variables of a run; None if its command is not the one that ran."""

        variants = self._variants
        command = variants.variant(record.command, record.vars) if variants else None
        if variants is None or command is None or not _is_same_command(command, record):
            return None
        key = json.dumps(record.vars, sort_keys=True)
        if key not in self._documents:
            self._documents[key] = loader.resolve_document(self._data, record.vars)
        document = self._documents[key]
        given = variants.full_names(record.vars)
        used = variants.used_variables(record.command)
        return short_names(
            {name: given.get(name, loader.lookup(document, name)) for name in (*used, *given)}
        )


def _is_same_command(command: Any, record: RunRecord) -> bool:
    pairs = ((command.deps, record.deps), (command.produced, record.outs))
    return command.script == record.script and all(
        [path.text for path in paths] == [file.path for file in files] for paths, files in pairs
    )


def short_names(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Remove `vars.` from the names of variables."""

    return {
        name.removeprefix("variables.").removeprefix("vars."): value
        for name, value in variables.items()
    }
