"""Several entries for one command, and the one to have in the lock: the fresher by verdict.

For a lock that two sides have changed (`lock resolve`) and for one that is made of records
(`lock rebuild`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from git_spacy.project.model import Command, Project
from git_spacy.state.lock import LockEntry
from git_spacy.state.lock_check import LockChecker, rerun_reasons
from git_spacy.state.project_view import View
from git_spacy.state.verdict import Verdict, upstream


class EntryChoice(NamedTuple):
    """The entry chosen, its number among those given, and whether it is not known to be stale."""

    entry: LockEntry
    number: int
    matches_commit: bool


def pick_entries(
    project: Project, choices: Mapping[str, Sequence[LockEntry]], view: View
) -> dict[str, EntryChoice]:
    """For each command the first of its entries that is up to date as `view` has the project;
    if none is, one that is at least not known to be stale, or else the first of all.

    What makes a dependency is chosen first, since the entries of one lock must fit each other.
    Raises Unsafe, OSError, Unavailable.
    """

    judge = LockChecker(project, view)
    entries: dict[str, LockEntry] = {}
    chosen: dict[str, EntryChoice] = {}
    for command in producers_first(project):
        best = _STALE + 1
        for number, entry in enumerate(choices.get(command.name, ())):
            age = _age(judge.verdict(command, {**entries, command.name: entry}))
            if age < best:
                best = age
                entries[command.name] = entry
                chosen[command.name] = EntryChoice(entry, number, age < _STALE)
            if best == _FRESH:
                break
    return chosen


_FRESH, _UNKNOWN, _STALE = range(3)


def _age(verdict: Verdict) -> int:
    if verdict.state in ("up_to_date", "always_runs"):
        return _FRESH
    return _STALE if rerun_reasons(verdict) else _UNKNOWN


def producers_first(project: Project) -> Iterator[Command]:
    """All commands, each after those that make what it reads (as far as they do not go round)."""

    seen: set[str] = set()
    for start in project.commands:
        path = [(start, iter(upstream(project, start)))] if start.name not in seen else []
        seen.add(start.name)
        while path:
            command, above = path[-1]
            maker = next((maker for maker, _ in above if maker.name not in seen), None)
            if maker is None:
                yield command
                path.pop()
            else:
                seen.add(maker.name)
                path.append((maker, iter(upstream(project, maker))))
