"""Return the lock of a commit with its run records, or reconstruct it from run records.

A commit's runs are those whose results its project.lock holds. Only where the lock is missing, or
is to be repaired, the records decide: each one that agrees with the commit counts, wherever it is;
a record that does not agree counts only if it is in the history of the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import GitSpacyError, InvalidInput, Warn
from git_spacy.git import commits, notes
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from git_spacy.history import run_history
from git_spacy.history.commit_runs import RecordedRun, RunFinder
from git_spacy.history.lock_digests import digest_entry
from git_spacy.history.metrics import metrics_in
from git_spacy.history.run_record import RecordedFile, RunRecord, parse_lines
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project import loader
from git_spacy.project.matrix import Variants, split_name, with_variants
from git_spacy.project.model import Command, Project
from git_spacy.project.project_file import PROJECT_FILE
from git_spacy.state.lock_selection import pick_entries
from git_spacy.state.project_view import AtCommit, WorkTree


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
    warn: Warn = lambda _: None, *, repair: bool = False,
) -> LockHistory:  # fmt: skip
    """Return the lock history of the project at `root` for `revision`.

    `extra_entries` count as if they were in the lock of the commit. With `repair`, a run that
    agrees with the commit replaces an entry of the lock that does not. `warn` is called for records
    that are too large to read. Raises InvalidInput for an invalid revision or project.yml,
    ExternalError.
    """

    commit = notes.resolve_commit(repository, revision)
    folder = run_history.project_folder(root, repository)
    then = _folder_at(repository, commit, folder)
    view = AtCommit(root, repository, commit, f"{then}/" if then else "")
    data = view.project()
    committed = _committed_entries(view)
    finder = RunFinder(repository, warn)
    held = (*(committed or {}).values(), *extra_entries)
    choices: dict[str, list[ResolvedEntry]] = {}
    for candidate in _with_records(held, finder, folder, commit):
        choices.setdefault(candidate.entry.name, []).append(candidate)
    names = _VariantNames(data, tuple(choices))
    in_history: dict[str, set[tuple[object, ...]]] = {
        name: {candidate.entry.fingerprint_key for candidate in candidates}
        for name, candidates in choices.items()
    }
    if repair or committed is None:
        for run, is_reachable in _all_runs(repository, finder, {folder, then}, commit):
            name = names.name_of(run.record)
            _add_run(choices, name, run)
            if is_reachable:
                in_history.setdefault(name, set()).add(run.record.fingerprint_key)
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


def worktree_lock(root: Path, repository: Repository, warn: Warn = lambda _: None) -> LockHistory:
    """Return the present project and project.lock with the run records of their results.

    An entry without a record gets the metrics that its files have now; those `matches_commit` that
    are not stale. Raises InvalidInput for an invalid file, Refused, OSError, ExternalError.
    """

    held = lock_format.read(root)
    data = loader.read_bytes(root)
    project = with_variants(loader.parse(data).project, data, held)
    finder = RunFinder(repository, warn)
    folder = run_history.project_folder(root, repository)
    found = {
        item.entry.name: item if item.record else item._replace(record=_as_record(root, item.entry))
        for item in _with_records(tuple(held.values()), finder, folder, "")
    }
    chosen = pick_entries(
        project, {name: [item.entry] for name, item in found.items()}, WorkTree(root)
    )
    entries = {
        name: found[name]._replace(matches_commit=choice.matches_commit)
        for name, choice in chosen.items()
    }
    return LockHistory("", project, held, entries)


def _as_record(root: Path, entry: LockEntry) -> RunRecord:
    """Return a record of an entry, with the metrics in its files as they are now."""

    deps, outs = (
        tuple(RecordedFile(item.path, item.md5, None) for item in items)
        for items in (entry.deps, entry.outs)
    )
    metrics = {}
    for out in entry.outs:
        with suppress(OSError, GitSpacyError):
            if numbers := metrics_in(root, out.path):
                metrics[out.path] = numbers
    return RunRecord("", "", entry.name, entry.script, deps, outs, metrics=metrics)


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


def _folder_at(repository: Repository, commit: str, folder: str) -> str:
    """Return the folder that the project has in a commit; it may have been renamed since."""

    def has_project(name: str) -> bool:
        file = f"{commit}:{name}/{PROJECT_FILE}" if name else f"{commit}:{PROJECT_FILE}"
        return bool(commits.existing_blobs(ObjectReader(repository), [file]))

    if has_project(folder):
        return folder
    file = f"{folder}/{PROJECT_FILE}" if folder else PROJECT_FILE
    return next(filter(has_project, commits.former_folders(repository, file)), folder)


def _with_records(
    entries: Sequence[LockEntry], finder: RunFinder, folder: str, commit: str
) -> Iterator[ResolvedEntry]:
    """Yield lock entries with the latest record of their results, if there is any."""

    digests = [digest_entry(entry).digest for entry in entries]
    finder.prepare(digests)
    for entry, digest in zip(entries, digests, strict=True):
        runs = finder.runs(digest, entry, prefer=commit)
        own = [run for run in runs if run.record.project == folder] or runs
        if own:
            yield ResolvedEntry(entry, own[-1].record, own[-1].recorded_on)
        else:
            yield ResolvedEntry(entry)


def _all_runs(
    repository: Repository, finder: RunFinder, folders: Collection[str], commit: str
) -> list[tuple[RecordedRun, bool]]:
    """Return all runs of the project, and whether each is in the history of the commit.

    Those in the history come first, and then the newest.
    """

    annotated = finder.index.commits()
    elsewhere = commits.unreachable(repository, annotated, [commit]) if annotated else set()
    runs = []
    for is_reachable in (True, False):
        selected = [id for id in annotated if (id not in elsewhere) == is_reachable]
        found = [
            (RecordedRun(record, id), is_reachable)
            for id, lines in finder.stream_notes(selected)
            for record in parse_lines(lines)
            # the outputs of an isolated run were never in the project
            if record.project in folders and not record.isolated
        ]
        runs += sorted(found, key=lambda item: item[0].record.time, reverse=True)
    return runs


def _add_run(choices: dict[str, list[ResolvedEntry]], name: str, run: RecordedRun) -> None:
    if run.record.exit == 0:
        entry = run.record.entry()._replace(name=name)
        choices.setdefault(name, []).append(ResolvedEntry(entry, run.record, run.recorded_on))


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
