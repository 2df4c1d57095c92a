"""Several entries for one command, and the one to have in the lock: the fresher by verdict.

For a lock that two sides have changed (`lock resolve`) and for one that is made of records
(`lock restore`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from git_spacy.project.model import Command, Project
from git_spacy.state.committed import Judge, faults
from git_spacy.state.lock import LockEntry
from git_spacy.state.verdict import Verdict, upstream
from git_spacy.state.view import View


class Choice(NamedTuple):
    """The entry chosen, its number among those given, and whether it is not known to be stale."""

    entry: LockEntry
    number: int
    fits: bool


def fresher(
    project: Project, choices: Mapping[str, Sequence[LockEntry]], view: View
) -> dict[str, Choice]:
    """For each command the first of its entries that is fresh as `view` has the project; if none
    is, one that is at least not known to be stale, or else the first of all.

    What makes a dependency is chosen first, since the entries of one lock must fit each other.
    Raises Unsafe, OSError, Unavailable.
    """

    judge = Judge(project, view)
    entries: dict[str, LockEntry] = {}
    chosen: dict[str, Choice] = {}
    for command in makers_first(project):
        best = _STALE + 1
        for number, entry in enumerate(choices.get(command.name, ())):
            age = _age(judge.of(command, {**entries, command.name: entry}))
            if age < best:
                best = age
                entries[command.name] = entry
                chosen[command.name] = Choice(entry, number, age < _STALE)
            if best == _FRESH:
                break
    return chosen


_FRESH, _UNKNOWN, _STALE = range(3)


def _age(verdict: Verdict) -> int:
    if verdict.state in ("fresh", "always"):
        return _FRESH
    return _STALE if faults(verdict) else _UNKNOWN


def makers_first(project: Project) -> Iterator[Command]:
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
