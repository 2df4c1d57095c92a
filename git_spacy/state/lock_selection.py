"""Choose one of several entries for each command of project.lock: the one that is up to date.

Used where two sides changed the lock (`lock resolve`) and where it is rebuilt from run records
(`lock rebuild`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command, Project
from git_spacy.state.lock_check import LockChecker, rerun_reasons
from git_spacy.state.project_view import View
from git_spacy.state.verdict import Verdict


class EntryChoice(NamedTuple):
    """The chosen entry, its position among the candidates, and whether it may be up to date."""

    entry: LockEntry
    position: int
    matches_commit: bool


def pick_entries(
    project: Project, choices: Mapping[str, Sequence[LockEntry]], view: View
) -> dict[str, EntryChoice]:
    """Choose for each command the first entry that is up to date with the project in `view`.

    If there is no such entry, choose the first that is not known to be stale, or else the first.
    Producers of dependencies come first, because the entries of one lock must fit each other.
    Raises Refused, OSError, ExternalError.
    """

    checker = LockChecker(project, view)
    entries: dict[str, LockEntry] = {}
    chosen: dict[str, EntryChoice] = {}
    for command in producers_first(project):
        best = _STALE + 1
        for position, entry in enumerate(choices.get(command.name, ())):
            rank = _rank(checker.verdict(command, {**entries, command.name: entry}))
            if rank < best:
                best = rank
                entries[command.name] = entry
                chosen[command.name] = EntryChoice(entry, position, rank < _STALE)
            if best == _UP_TO_DATE:
                break
    return chosen


_UP_TO_DATE, _UNKNOWN, _STALE = range(3)


def _rank(verdict: Verdict) -> int:
    if verdict.state in ("up_to_date", "always_runs"):
        return _UP_TO_DATE
    return _STALE if rerun_reasons(verdict) else _UNKNOWN


def producers_first(project: Project) -> list[Command]:
    """Return all commands, each after the producers of its dependencies, except within a cycle."""

    by_name = {command.name: command for command in project.commands}
    return [by_name[name] for name in DependencyGraph(project.commands).producers_first()]
