"""Compare the runs of each command in several commits, single runs, or the work tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Warn
from git_spacy.git.notes import AnnotatedCommit
from git_spacy.git.repository import Repository
from git_spacy.history import run_history
from git_spacy.history.commit_runs import CommitRuns
from git_spacy.history.lock_history import ResolvedEntry, lock_history, worktree_lock
from git_spacy.history.run_diff import differing_variables
from git_spacy.history.run_ids import find_run
from git_spacy.history.run_params import CommitParams, RunParams
from git_spacy.history.run_record import (
    Difference,
    RecordedFile,
    RunChange,
    RunRecord,
    differences,
    differing_values,
)
from git_spacy.project import loader
from git_spacy.project.matrix import to_cli


class Run(NamedTuple):
    """The run of a command that a side has: where it comes from, its record and its variables."""

    resolved: ResolvedEntry
    record: RunRecord
    params: RunParams


class Side(NamedTuple):
    """A commit, a run or the work tree, as the user named it, with its runs by command."""

    name: str
    runs: Mapping[str, Run]
    is_single_run: bool = False


class ComparedCommand(NamedTuple):
    """The runs of a command, one per side (None if it has none), and in what they differ.

    The value of a script is its text.
    """

    runs: tuple[Run | None, ...]
    differences: tuple[Difference, ...]

    def changes(self, first: int = 0, second: int = 1) -> tuple[RunChange, ...]:
        """Return the changes from one run to another, by position; those of a script by line."""

        before, after = self.runs[first], self.runs[second]
        if before is None or after is None:
            return ()
        variables = (
            RunChange("var", name, values[first], values[second])
            for kind, name, values in self.differences
            if kind == "var" and values[first] != values[second]
        )
        return (*variables, *differences(before.record, after.record))


def read_side(root: Path, repository: Repository, name: str, warn: Warn) -> Side:
    """Return the runs of a commit, or the single run, that `name` names.

    Raises InvalidInput for an unknown name or an invalid project.yml, ExternalError.
    """

    if found := find_run(repository, name, warn):
        entry = ResolvedEntry(found.record.entry(), found.record, found.commit)
        runs = _runs(root, repository, {entry.entry.name: entry}, found.commit)
        return Side(name, runs, is_single_run=True)
    history = lock_history(root, repository, name, warn=warn)
    return Side(name, _runs(root, repository, history.entries, history.commit))


def worktree_side(root: Path, repository: Repository, name: str, warn: Warn) -> Side:
    """Return the runs of the results in the work tree. Raises as `worktree_lock` does."""

    return Side(name, _runs(root, repository, worktree_lock(root, repository, warn).entries, ""))


def _runs(
    root: Path, repository: Repository, entries: Mapping[str, ResolvedEntry], commit: str
) -> dict[str, Run]:
    folder = run_history.project_folder(root, repository)
    history = [CommitRuns(AnnotatedCommit(commit, commit, 0, "", (), ""), ())] if commit else []
    past = CommitParams(repository, history, {folder: loader.read_bytes(root)})
    runs = {}
    for name, entry in entries.items():
        record = entry.record or _bare_record(name, entry)
        # a record that was made of a lock entry has neither a time nor variables
        params = past.params(0, record) if record.time else RunParams({}, False)
        runs[name] = Run(entry, record, params)
    return runs


def _bare_record(name: str, resolved: ResolvedEntry) -> RunRecord:
    """Make a record, without sizes and metrics, of a lock entry."""

    entry = resolved.entry
    deps, outs = (
        tuple(RecordedFile(item.path, item.md5, None) for item in items)
        for items in (entry.deps, entry.outs)
    )
    return RunRecord("", "", name, entry.script, deps, outs)


def compare_sides(sides: Sequence[Side]) -> dict[str, ComparedCommand]:
    """Compare the runs of each command; if single runs are compared, only of their commands."""

    single = [side for side in sides if side.is_single_run]
    names = dict.fromkeys(name for side in single or reversed(sides) for name in side.runs)
    return {name: _compare(tuple(side.runs.get(name) for side in sides)) for name in names}


def _compare(runs: tuple[Run | None, ...]) -> ComparedCommand:
    known = [run for run in runs if run]
    found = [*_differing_inputs(known), *differing_values([run.record for run in known])]
    spread = []
    for difference in found:
        values = iter(difference.values)
        spread.append(
            difference._replace(values=tuple(next(values) if run else "" for run in runs))
        )
    return ComparedCommand(runs, tuple(spread))


def _differing_inputs(runs: Sequence[Run]) -> list[Difference]:
    """Return the variables that differ, and the script if it does."""

    found = []
    for name in differing_variables([run.params for run in runs]):
        variables = [run.params.variables for run in runs]
        values = (to_cli(known[name]) if name in known else "" for known in variables)
        found.append(Difference("var", name, tuple(values)))
    scripts = tuple("\n".join(run.record.script) for run in runs)
    if len(set(scripts)) > 1:
        found.append(Difference("script", "", scripts))
    return found
