"""In which order commands run, and which of them may run at the same time. Pure.

In turn: as they were named, each after the one before it. By the graph: each after those that make
what it needs, and never at the same time as another that makes something at, in or around what it
makes itself; else as they were named.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Problem
from git_spacy.project.graph import PathIndex, find_cycle, topological_sort
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath


class RunPlan(NamedTuple):
    """Commands in an order in which they may run; `after` has for each the numbers (from 0) of
    those that must have ended before it begins, all of them smaller than its own."""

    commands: tuple[Command, ...]
    after: tuple[frozenset[int], ...]

    def dependents(self, number: int) -> set[int]:
        """Those that wait for this one, by way of others as well."""

        found = {number}
        for later in range(number + 1, len(self.commands)):
            if not found.isdisjoint(self.after[later]):
                found.add(later)
        return found - {number}


def sequential_plan(commands: Sequence[Command]) -> RunPlan:
    """One after the other, one of them perhaps more than once."""

    return RunPlan(
        tuple(commands), tuple(frozenset(range(max(n - 1, 0), n)) for n in range(len(commands)))
    )


def graph_plan(commands: Iterable[Command]) -> RunPlan:
    """Each once, by what they read and make. Raises Malformed for a circle, and for two makers of
    one path: nobody could say which of them is to be the last."""

    some = list({command.name: command for command in commands}.values())
    made = PathIndex((path, number) for number, one in enumerate(some) for path in one.produced)
    _refuse_two_producers(some, made)
    needs = {
        number: dict.fromkeys(
            maker for dep in one.deps for _, maker in made.touching(dep) if maker != number
        )
        for number, one in enumerate(some)
    }
    if way := find_cycle(needs):
        raise _circular([some[number] for number in way])
    order = topological_sort(needs)
    place = {number: at for at, number in enumerate(order)}
    after = [
        frozenset(
            place[other]
            for other in (*needs[number], *_beside(some[number], made))
            if place[other] < place[number]
        )
        for number in order
    ]
    return RunPlan(tuple(some[number] for number in order), tuple(after))


def with_producers(project: Project, commands: Sequence[Command]) -> tuple[Command, ...]:
    """`commands`, and whatever makes what they need, and what those need: makers first."""

    made = PathIndex((path, one) for one in project.commands for path in one.produced)
    found: dict[str, Command] = {}
    waiting = list(reversed(commands))
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one
            makers = {maker.name: maker for dep in one.deps for _, maker in made.touching(dep)}
            waiting += reversed(makers.values())
    known = {one.name: number for number, one in enumerate(project.commands)}
    named = {one.name for one in commands}
    makers_first = sorted(
        (one for name, one in found.items() if name not in named),
        key=lambda one: known.get(one.name, 0),
    )
    return (*makers_first, *commands)


def _beside(command: Command, made: PathIndex[int]) -> Iterable[int]:
    """Who writes at, in or around what `command` writes."""

    for path in command.produced:
        for _, other in made.touching(path):
            yield other


def _refuse_two_producers(commands: Sequence[Command], made: PathIndex[int]) -> None:
    problems = []
    for number, one in enumerate(commands):
        for path in one.produced:
            others = [o for there, o in made.touching(path) if there.normal == path.normal]
            if first := [other for other in others if other < number]:
                problems.append(_both(commands[first[0]], one, path))
    if problems:
        raise InvalidInput.from_problems(problems)


def _both(first: Command, second: Command, path: ProjectPath) -> Problem:
    what = f"'{first.name}' and '{second.name}' both make '{path}'"
    where = f"project.yml:{second.line}"
    variant = first if first.variant_of else second
    if not variant.variant_of:
        return Problem(what, "give each an output of its own, or run them one by one", where)
    variable = shlex.split(variant.name)[1].removeprefix("--")
    hint = f"put the variable into the path, as in '{path}/${{{variable}}}'"
    return Problem(f"{what}: one would overwrite the other", hint, where)


def _circular(way: Sequence[Command]) -> InvalidInput:
    around = " → ".join(f"'{one.name}'" for one in (*way, way[0]))
    return InvalidInput(
        f"each of these needs what the one before it makes: {around}",
        location=f"project.yml:{way[0].line}",
        hint="take one of the dependencies out, or run them one by one",
    )
