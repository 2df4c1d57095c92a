"""The lock of a commit, from what was noted on it, on its ancestors, and elsewhere.

A run is noted on the commit that it began on, and what it was run for is often only committed after
it, or squashed. So every record that agrees with the commit counts, wherever it is; one that does
not only where it lies in the commit's own history.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.git import notes
from git_spacy.git.notes import Reader
from git_spacy.git.repository import Repository
from git_spacy.project import loader
from git_spacy.project.matrix import Variants, split_name, with_variants
from git_spacy.project.model import Command, Project
from git_spacy.state import lock, run_history
from git_spacy.state.lock import LockEntry
from git_spacy.state.lock_selection import pick_entries
from git_spacy.state.project_view import AtCommit
from git_spacy.state.run_history import OrphanedRuns, RecordedRun
from git_spacy.state.run_record import RunRecord


class ResolvedEntry(NamedTuple):
    """What is known of one command at a commit. `noted_on` is the id of the commit whose note says
    so; "" and no `record`: a lock does. The `entry` of a variant is called as such. Where it does
    not `fit`, the commit has no run of its own, and this is the last one before."""

    entry: LockEntry
    record: RunRecord | None = None
    recorded_on: str = ""
    matches_commit: bool = True


class LockHistory(NamedTuple):
    """A commit (its id), the project as it has it and the variants that something is known of, what
    it has in its lock (None: no lock, or one that cannot be understood), and what is known of each
    command."""

    commit: str
    project: Project
    committed: Mapping[str, LockEntry] | None
    entries: Mapping[str, ResolvedEntry]


def lock_history(
    root: Path, repository: Repository, revision: str, extra_entries: Sequence[LockEntry] = (),
    warn: Callable[[str], None] = lambda _: None,
) -> LockHistory:  # fmt: skip
    """What is known of the project in the folder `root` at `revision`; `also` are entries that
    count as those of its own lock do. `warn` is called with records that are too large to be read.

    Raises Malformed for a wrong revision or one whose project.yml is, Unavailable.
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
    for one in run_history.read_history(repository, folder, [commit], warn):
        for run in reversed(one.runs):
            _add_run(
                choices, names.name_of(run.record), run, run.recorded_on or one.annotated.commit
            )
    near = {name: {one.entry.fingerprint_key for one in some} for name, some in choices.items()}
    reader = Reader(repository, warn)
    for run in reversed(OrphanedRuns(reader, repository, folder, [commit]).runs):
        _add_run(choices, names.name_of(run.record), run, run.recorded_on)
    project = with_variants(loader.parse(data).project, data, choices)
    different = {name: _distinct_entries(some) for name, some in choices.items()}
    chosen = pick_entries(
        project, {name: [one.entry for one in some] for name, some in different.items()}, view
    )
    known = {}
    for name, choice in chosen.items():
        best = different[name][choice.position]
        # (the last run of a variant that nobody has in a lock was an experiment, and is over)
        is_due = name in names.locked or not split_name(name)[1]
        if choice.matches_commit or (is_due and best.entry.fingerprint_key in near.get(name, ())):
            known[name] = best._replace(matches_commit=choice.matches_commit)
    return LockHistory(commit, project, committed, known)


class _VariantNames:
    """What runs are called in the lock of a commit, of whose project.yml `data` is the text;
    `locked` are the names that are there already.

    A record says which command ran with which variables. That was a variant if the lock has one of
    these variables, or if it left alone what the command itself makes. Else it was the command
    itself, with other values for once.
    """

    def __init__(self, data: bytes, locked: Collection[str]) -> None:
        self.locked = locked
        self._variants = Variants(data)
        self._split = {name: split_name(name) for name in locked}

    def name_of(self, record: RunRecord) -> str:
        try:
            given = self._variants.full_names(record.vars)
        except InvalidInput:  # a variable that the project does not have (any more)
            return record.command
        called = [
            (len(values), name)
            for name, (base, values) in self._split.items()
            if values and base == record.command and {**given, **values} == given
        ]
        if called:
            return max(called)[1]
        variant = self._variants.variant(record.command, record.vars) if given else None
        if variant is None or self._overwrites(variant):
            return record.command
        return variant.name

    def _overwrites(self, variant: Command) -> bool:
        plain = self._variants.variant(variant.variant_of, {})
        made = plain.produced if plain else ()
        return any(one.touches(other) for one in variant.produced for other in made)


def _add_run(
    choices: dict[str, list[ResolvedEntry]], name: str, run: RecordedRun, noted_on: str
) -> None:
    if run.record.exit == 0:
        one = ResolvedEntry(run.record.entry()._replace(name=name), run.record, noted_on)
        choices.setdefault(name, []).append(one)


def _distinct_entries(some: Sequence[ResolvedEntry]) -> list[ResolvedEntry]:
    """One for each set of facts, the first; with its record, if there is one."""

    found: dict[tuple[object, ...], ResolvedEntry] = {}
    for one in some:
        first = found.setdefault(one.entry.fingerprint_key, one)
        if first.record is None:
            found[one.entry.fingerprint_key] = first._replace(
                record=one.record, recorded_on=one.recorded_on
            )
    return list(found.values())


def _committed_entries(view: AtCommit) -> dict[str, LockEntry] | None:
    text = view.lock()
    try:
        return None if text is None else lock.parse(text)
    except InvalidInput:
        return None
