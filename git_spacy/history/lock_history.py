"""Reconstruct the lock of a commit from run records on it, on its ancestors and elsewhere.

A run is recorded on the commit that it began on, but its results are often committed later, or
squashed. So every record that agrees with the commit counts, wherever it is; a record that does not
agree counts only if it is in the history of the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Warn
from git_spacy.git import notes
from git_spacy.git.notes import NotesReader
from git_spacy.git.repository import Repository
from git_spacy.history import run_history
from git_spacy.history.run_history import OrphanedRuns, RecordedRun
from git_spacy.history.run_record import RunRecord
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project import loader
from git_spacy.project.matrix import Variants, split_name, with_variants
from git_spacy.project.model import Command, Project
from git_spacy.state.lock_selection import pick_entries
from git_spacy.state.project_view import AtCommit


class ResolvedEntry(NamedTuple):
    """The lock entry of one command at a commit, and where it comes from.

    `recorded_on` is the id of the commit with the note; it is "", and `record` is None, if the
    entry comes from a lock. An entry of a variant has the name of the variant. Unless it
    `matches_commit`, the entry is of the last run before the commit, which has none of its own.
    """

    entry: LockEntry
    record: RunRecord | None = None
    recorded_on: str = ""
    matches_commit: bool = True


class LockHistory(NamedTuple):
    """A commit (its id), its project with the variants that have entries, and those entries.

    `committed` has the entries of its project.lock; None if there is no lock, or an invalid one.
    """

    commit: str
    project: Project
    committed: Mapping[str, LockEntry] | None
    entries: Mapping[str, ResolvedEntry]


def lock_history(
    root: Path, repository: Repository, revision: str, extra_entries: Sequence[LockEntry] = (),
    warn: Warn = lambda _: None,
) -> LockHistory:  # fmt: skip
    """Return the lock history of the project at `root` for `revision`.

    `extra_entries` count as if they were in the lock of the commit. `warn` is called for records
    that are too large to read. Raises InvalidInput for an invalid revision or project.yml,
    ExternalError.
    """

    commit = notes.resolve_commit(repository, revision)
    view = AtCommit(root, repository, commit)
    data = view.project()
    committed = _committed_entries(view)
    choices: dict[str, list[ResolvedEntry]] = {}
    for entry in (*(committed or {}).values(), *extra_entries):
        choices.setdefault(entry.name, []).append(ResolvedEntry(entry))
    names = _VariantNames(data, tuple(choices))
    folder = run_history.project_folder(root, repository)
    for commit_runs in run_history.read_history(repository, folder, [commit], warn):
        for run in reversed(commit_runs.runs):
            recorded_on = run.recorded_on or commit_runs.annotated.commit
            _add_run(choices, names.name_of(run.record), run, recorded_on)
    in_history = {
        name: {candidate.entry.fingerprint_key for candidate in candidates}
        for name, candidates in choices.items()
    }
    reader = NotesReader(repository, warn)
    for run in reversed(OrphanedRuns(reader, repository, folder, [commit]).runs):
        _add_run(choices, names.name_of(run.record), run, run.recorded_on)
    project = with_variants(loader.parse(data).project, data, choices)
    distinct = {name: _distinct_entries(candidates) for name, candidates in choices.items()}
    chosen = pick_entries(
        project,
        {name: [item.entry for item in candidates] for name, candidates in distinct.items()},
        view,
    )
    entries = {}
    for name, choice in chosen.items():
        best = distinct[name][choice.position]
        # the last run of a variant that is in no lock was an experiment, and is not due again
        is_due = name in names.locked or not split_name(name)[1]
        is_in_history = best.entry.fingerprint_key in in_history.get(name, ())
        if choice.matches_commit or (is_due and is_in_history):
            entries[name] = best._replace(matches_commit=choice.matches_commit)
    return LockHistory(commit, project, committed, entries)


class _VariantNames:
    """Finds the names of runs in the lock of a commit; `locked` are the names in that lock.

    `data` is the text of the commit's project.yml. A record has a command and its variables. The
    run is of a variant if the lock has one with these variables, or if it does not write to the
    outputs of the plain command. Otherwise it was the plain command, run with other values.
    """

    def __init__(self, data: bytes, locked: Collection[str]) -> None:
        self.locked = locked
        self._variants = Variants(data)
        self._split = {name: split_name(name) for name in locked}

    def name_of(self, record: RunRecord) -> str:
        """Return the name of the lock entry that the run of `record` belongs to."""

        try:
            values_of_run = self._variants.full_names(record.vars)
        except InvalidInput:  # a variable that the project no longer has
            return record.command
        matching = [
            (len(values), name)
            for name, (base, values) in self._split.items()
            if values and base == record.command and {**values_of_run, **values} == values_of_run
        ]
        if matching:
            return max(matching)[1]
        variant = self._variants.variant(record.command, record.vars) if values_of_run else None
        if variant is None or self._overwrites_plain_command(variant):
            return record.command
        return variant.name

    def _overwrites_plain_command(self, variant: Command) -> bool:
        plain = self._variants.variant(variant.variant_of, {})
        outputs = plain.produced if plain else ()
        return any(path.touches(other) for path in variant.produced for other in outputs)


def _add_run(
    choices: dict[str, list[ResolvedEntry]], name: str, run: RecordedRun, recorded_on: str
) -> None:
    if run.record.exit == 0:
        entry = run.record.entry()._replace(name=name)
        choices.setdefault(name, []).append(ResolvedEntry(entry, run.record, recorded_on))


def _distinct_entries(candidates: Sequence[ResolvedEntry]) -> list[ResolvedEntry]:
    """Return the first candidate for each fingerprint key, with a record if any of them has one."""

    distinct: dict[tuple[object, ...], ResolvedEntry] = {}
    for candidate in candidates:
        key = candidate.entry.fingerprint_key
        first = distinct.setdefault(key, candidate)
        if first.record is None:
            distinct[key] = first._replace(
                record=candidate.record, recorded_on=candidate.recorded_on
            )
    return list(distinct.values())


def _committed_entries(view: AtCommit) -> dict[str, LockEntry] | None:
    text = view.lock()
    try:
        return None if text is None else lock_format.parse(text)
    except InvalidInput:
        return None
