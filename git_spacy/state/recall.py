"""The lock of a commit, from what was noted on it, on its ancestors, and elsewhere.

A run is noted on the commit that it began on, and what it was run for is often only committed after
it, or squashed. So every record that agrees with the commit counts, wherever it is; one that does
not only where it lies in the commit's own history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Malformed
from git_spacy.git import notes
from git_spacy.git.repository import Repository
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.state import ledger, lock
from git_spacy.state.choice import fresher
from git_spacy.state.ledger import Elsewhere, Run
from git_spacy.state.lock import LockEntry
from git_spacy.state.record import Record
from git_spacy.state.view import AtCommit


class Known(NamedTuple):
    """What is known of one command at a commit. `noted_on` is the id of the commit whose note says
    so; "" and no `record`: a lock does. Where it does not `fit`, the commit has no run of its own,
    and this is the last one before."""

    entry: LockEntry
    record: Record | None = None
    noted_on: str = ""
    fits: bool = True


class Recalled(NamedTuple):
    """A commit (its id), the project as it has it, what it has in its lock (None: no lock, or
    one that cannot be understood), and what is known of each command."""

    commit: str
    project: Project
    committed: Mapping[str, LockEntry] | None
    known: Mapping[str, Known]


def recall(
    root: Path, repository: Repository, revision: str, also: Sequence[LockEntry] = ()
) -> Recalled:
    """What is known of the project in the folder `root` at `revision`; `also` are entries that
    count as those of its own lock do.

    Raises Malformed for a wrong revision or one whose project.yml is, Unavailable.
    """

    commit = notes.one(repository, revision)
    view = AtCommit(root, repository, commit)
    project = loader.parse(view.project()).project
    committed = _entries(view)
    choices: dict[str, list[Known]] = {}
    for entry in (*(committed or {}).values(), *also):
        choices.setdefault(entry.name, []).append(Known(entry))
    folder = ledger.folder(root, repository)
    for one in ledger.history(repository, folder, [commit]):
        for run in reversed(one.runs):
            _add(choices, run, run.noted_on or one.noted.commit)
    near = {name: {one.entry.facts for one in some} for name, some in choices.items()}
    for run in reversed(Elsewhere(repository, folder, [commit]).runs):
        _add(choices, run, run.noted_on)
    different = {name: _without_doubles(some) for name, some in choices.items()}
    chosen = fresher(
        project, {name: [one.entry for one in some] for name, some in different.items()}, view
    )
    known = {}
    for name, choice in chosen.items():
        best = different[name][choice.number]
        if choice.fits or best.entry.facts in near.get(name, ()):
            known[name] = best._replace(fits=choice.fits)
    return Recalled(commit, project, committed, known)


def _add(choices: dict[str, list[Known]], run: Run, noted_on: str) -> None:
    if run.record.exit == 0:
        one = Known(run.record.entry(), run.record, noted_on)
        choices.setdefault(run.record.command, []).append(one)


def _without_doubles(some: Sequence[Known]) -> list[Known]:
    """One for each set of facts, the first; with its record, if there is one."""

    found: dict[tuple[object, ...], Known] = {}
    for one in some:
        first = found.setdefault(one.entry.facts, one)
        if first.record is None:
            found[one.entry.facts] = first._replace(record=one.record, noted_on=one.noted_on)
    return list(found.values())


def _entries(view: AtCommit) -> dict[str, LockEntry] | None:
    text = view.lock()
    try:
        return None if text is None else lock.parse(text)
    except Malformed:
        return None
