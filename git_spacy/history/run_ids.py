"""Name single runs: `run-` and the first digits of the digest of the run's record.

A record is never changed, so a run has the same name in every clone. The prefix keeps these names
apart from the ids of commits; where Git knows a branch or a tag of that name, the name is Git's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from git_spacy.errors import InvalidInput, Warn
from git_spacy.git import commits
from git_spacy.git.repository import Repository
from git_spacy.history.commit_runs import RunFinder
from git_spacy.history.run_index import digest_line
from git_spacy.history.run_record import RunRecord, parse_line, to_line
from git_spacy.light_typing import NamedTuple

_PREFIX = "run-"
_NAME = rf"{_PREFIX}[0-9a-f]{{4,40}}"
_SHORT = len(_PREFIX) + 7
_MAX_CANDIDATES = 8


class NamedRun(NamedTuple):
    """A run that was found by its id, and the commit that it began on ("" if it is missing)."""

    record: RunRecord
    commit: str


def run_id(record: RunRecord) -> str:
    """Return the full id of a run."""

    return _PREFIX + digest_line(to_line(record))


def short_run_id(record: RunRecord) -> str:
    """Return an id of a run to print; it can be ambiguous among very many runs."""

    return run_id(record)[:_SHORT]


def find_run(repository: Repository, name: str, warn: Warn = lambda _: None) -> NamedRun | None:
    """Return the run whose id starts with `name`; None if `name` is not the id of a run.

    Raises InvalidInput for the id of no run, or of several.
    """

    if not re.fullmatch(_NAME, name) or commits.resolve_or_empty(repository, name):
        return None
    finder = RunFinder(repository, warn)
    commit_of: dict[str, str] = {}
    for run in sorted(finder.index.find(name.removeprefix(_PREFIX))):
        commit_of.setdefault(run.note, run.commit)
    indexed = ((commit_of[note], lines) for note, lines in finder.stream_separate_notes(commit_of))
    # a line that is not written as we write it is indexed by another id
    found = _select(indexed, name) or _select(finder.stream_notes(finder.index.commits()), name)
    if not found:
        raise InvalidInput(f"unknown run '{name}'", hint="git spacy log --all")
    if len(found) > 1:
        candidates = _distinct_prefixes(found)
        listed = ", ".join(candidates[:_MAX_CANDIDATES])
        more = len(candidates) - _MAX_CANDIDATES
        raise InvalidInput(
            f"run id '{name}' is ambiguous; candidates: {listed}"
            + (f" and {more} more" if more > 0 else ""),
            hint=f"git spacy show {candidates[0]}",
        )
    named = next(iter(found.values()))
    return named._replace(commit=commits.resolve_or_empty(repository, named.commit))


def _select(notes: Iterable[tuple[str, Iterable[str]]], name: str) -> dict[str, NamedRun]:
    """Return the runs whose ids start with `name`, by id; `notes` are pairs of commit and lines."""

    found: dict[str, NamedRun] = {}
    for commit, lines in notes:
        for record in filter(None, map(parse_line, lines)):
            id = run_id(record)
            if id.startswith(name):
                found.setdefault(id, NamedRun(record, commit))
    return found


def _distinct_prefixes(ids: Iterable[str]) -> list[str]:
    """Shorten ids to the same number of digits, so that all remain different."""

    in_order = sorted(ids)
    length = _SHORT
    while len({id[:length] for id in in_order}) < len(in_order):
        length += 1
    return [id[:length] for id in in_order]
