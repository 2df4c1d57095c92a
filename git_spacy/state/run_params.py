"""What the variables of a run were: those that it was given, and of those that its command uses the
values that project.yml had.

A record has only what was given. A run notes the commit that it began on, and project.yml may have
been edited by then and committed later: it was the nearest one at or after that commit in which the
command, with what was given, is the very one that ran. Where none is, nothing is guessed.
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
from git_spacy.project import loader
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.matrix import Variants
from git_spacy.state.run_history import CommitRuns
from git_spacy.state.run_record import RunRecord

_MAX_VERSIONS = 8  # versions of project.yml for one run
_MAX_BYTES = 1 << 20  # bytes of each


class RunParams(NamedTuple):
    """Variables, by names without their `vars.`; `complete` if all that the command uses are
    there, else only those that the run was given are."""

    variables: Mapping[str, Any]
    complete: bool


class CommitParams:
    """The project.yml of each commit of `history` (newest first), and in `here` those of the work
    tree, by project."""

    def __init__(
        self, repository: Repository, history: Sequence[CommitRuns], here: Mapping[str, bytes]
    ) -> None:
        self._repository = repository
        self._history = history
        self._here = here
        self._versions: dict[str, list[_Version]] = {}

    def params(self, number: int, record: RunRecord) -> RunParams:
        """Those of a run of the commit with this number in the history."""

        for version in self._nearest_versions(number, record.project):
            found = version.values(record)
            if found is not None:
                return RunParams(found, True)
        return RunParams(short_names(record.vars), False)

    def _nearest_versions(self, number: int, project: str) -> Iterator[_Version]:
        if project not in self._versions:
            self._versions[project] = self._read(project)
        versions = self._versions[project]
        later = reversed(versions[: number + 2])  # (the work tree is the first)
        return islice(dict.fromkeys(later), _MAX_VERSIONS)

    def _read(self, project: str) -> list[_Version]:
        name = f"{project}/{PROJECT_FILE}" if project else PROJECT_FILE
        ids = commits.blobs(
            self._repository, [one.annotated.commit for one in self._history], name, _MAX_BYTES
        )
        different = list(dict.fromkeys(filter(None, ids.values())))
        known = {
            id: _Version(content.read())
            for id, content in objects.read_blobs(
                SAFE_CONFIG, different,
                cwd=self._repository.cwd(), environ=self._repository.environment(),
            )
        }  # fmt: skip
        none = _Version(b"")
        return [
            _Version(self._here.get(project, b"")),
            *(known.get(ids[one.annotated.commit], none) for one in self._history),
        ]


class _Version:
    """One project.yml; what is wrong with it is its own affair: it tells nothing."""

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
        """None: its command is not the one that ran."""

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
            {name: given.get(name, _lookup(document, name)) for name in (*used, *given)}
        )


def _is_same_command(command: Any, record: RunRecord) -> bool:
    paths = (
        ([path.text for path in some], [file.path for file in files])
        for some, files in ((command.deps, record.deps), (command.produced, record.outs))
    )
    return command.script == record.script and all(one == other for one, other in paths)


def _lookup(document: Mapping[str, Any], name: str) -> Any:
    value: Any = document
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def short_names(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables by the names that people use, without `vars.`."""

    return {
        name.removeprefix("variables.").removeprefix("vars."): value
        for name, value in variables.items()
    }
