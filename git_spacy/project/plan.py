"""The order in which commands run, and which of them may run at the same time.

A sequential plan runs commands as named, one after another. A graph plan runs each command after
those that produce its dependencies, and never at the same time as a command whose outputs overlap
with its own; otherwise it keeps the order in which they were named.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.light_typing import NamedTuple
from git_spacy.project.graph import DependencyGraph, find_cycle
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath


class RunPlan(NamedTuple):
    """Commands in an order in which they may run.

    `after` has, for each command, the indices of the commands that must have finished before it
    starts. They are all lower than its own. The commands in `isolated`, by name, run in a copy of
    the project, since their outputs would replace each other; it has the names of the isolated
    commands that each depends on.
    """

    commands: tuple[Command, ...]
    after: tuple[frozenset[int], ...]
    isolated: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def in_project(self) -> tuple[Command, ...]:
        """The commands that run in the project itself."""

        return tuple(command for command in self.commands if command.name not in self.isolated)

    def extended(self, other: RunPlan) -> RunPlan:
        """Return the plan with the commands of another one after its own, each name once."""

        index = {command.name: position for position, command in enumerate(self.commands)}
        commands, after = list(self.commands), list(self.after)
        for command, positions in zip(other.commands, other.after, strict=True):
            if command.name not in index:
                index[command.name] = len(commands)
                commands.append(command)
                names = (other.commands[position].name for position in positions)
                after.append(frozenset(index[name] for name in names))
        return RunPlan(tuple(commands), tuple(after), {**self.isolated, **other.isolated})


def sequential_plan(commands: Sequence[Command]) -> RunPlan:
    """Plan to run `commands` one after another; a command may occur more than once."""

    return RunPlan(
        tuple(commands), tuple(frozenset(range(max(n - 1, 0), n)) for n in range(len(commands)))
    )


def graph_plan(commands: Iterable[Command]) -> RunPlan:
    """Plan to run each command once, ordered by dependencies and outputs.

    Raises InvalidInput for a dependency cycle, and for two producers of one path, since neither of
    them is clearly the last to write it.
    """

    unique = list({command.name: command for command in commands}.values())
    graph = DependencyGraph(unique)
    _refuse_two_producers(graph)
    upstream = graph.upstream_names()
    by_name = {command.name: command for command in unique}
    if cycle := find_cycle(upstream):
        raise _cycle_error([by_name[name] for name in cycle])
    order = graph.producers_first()
    index = {name: position for position, name in enumerate(order)}
    after = [
        frozenset(
            index[other]
            for other in (*upstream[name], *_overlapping(by_name[name], graph))
            if index[other] < index[name]
        )
        for name in order
    ]
    return RunPlan(tuple(by_name[name] for name in order), tuple(after))


def with_producers(project: Project, commands: Sequence[Command]) -> tuple[Command, ...]:
    """Return `commands`, preceded by all commands that they depend on, directly or indirectly.

    Of several commands that produce the same, those in `commands` count, or else the first.
    """

    graph = DependencyGraph(project.commands)
    named = {command.name for command in commands}
    order = {command.name: index for index, command in enumerate(project.commands)}
    found: dict[str, Command] = {}
    pending = list(reversed(commands))
    while pending:
        command = pending.pop()
        if command.name not in found:
            found[command.name] = command
            producers = [
                producer
                for dependency in command.deps
                for producer in graph.producers(dependency)
                if producer.name in named
                or all(
                    other.name not in named and order[producer.name] < order[other.name]
                    for other in graph.alternatives(producer, dependency)
                )
            ]
            pending += reversed(producers)
    upstream = sorted(
        (command for name, command in found.items() if name not in named),
        key=lambda command: order.get(command.name, 0),
    )
    return (*upstream, *commands)


def _overlapping(command: Command, graph: DependencyGraph) -> Iterable[str]:
    """Yield the names of the commands whose outputs overlap with those of `command`."""

    for path in command.produced:
        for other in graph.producers(path):
            yield other.name


def _refuse_two_producers(graph: DependencyGraph) -> None:
    producers: dict[str, list[tuple[Command, ProjectPath]]] = {}
    for command in graph.commands:
        for path in {path.normal: path for path in command.produced}.values():
            producers.setdefault(path.normal, []).append((command, path))
    problems: list[Diagnostic] = []
    for (first, _), *others in producers.values():
        groups: dict[str, list[tuple[Command, ProjectPath]]] = {}
        for command, path in others:
            groups.setdefault(command.variant_of or command.name, []).append((command, path))
        for group in groups.values():  # all variants of a command
            problems.append(_two_producers(first, [command for command, _ in group], group[0][1]))
    if problems:
        raise InvalidInput.from_problems(problems)


def _two_producers(first: Command, others: Sequence[Command], path: ProjectPath) -> Diagnostic:
    """Return the problem that a command, or its first variant, and `others` produce one path."""

    second = others[0]
    message = f"'{first.name}' and '{second.name}' both produce '{path}'"
    if (first.variant_of or first.name) != (second.variant_of or second.name):
        hint = "give each its own output, or run them one at a time"
        return Diagnostic(message, hint, "project.yml", second.line)
    variables = _differing_variables([first, *others])
    which = "the variable" if len(variables) == 1 else "the variables"
    hint = (
        f"include {which} in the path, also where the script writes it:"
        f" '{_with_variables(path.text, variables)}'"
    )
    return Diagnostic(f"{message}: one would overwrite the other", hint, "project.yml", second.line)


def _differing_variables(commands: Iterable[Command]) -> list[str]:
    """Return the full names of the variables that do not have the same value in all commands."""

    named = [shlex.split(command.name)[1:] if command.variant_of else [] for command in commands]
    values = [dict(zip(words[::2], words[1::2], strict=True)) for words in named]
    variables = dict.fromkeys(variable for one in values for variable in one)
    return [
        variable.removeprefix("--")
        for variable in variables
        if len({one.get(variable) for one in values}) > 1
    ]


def _with_variables(path: str, variables: Iterable[str]) -> str:
    """Return a path that differs for each value of the variables. The last part stays, since many
    programs choose it: `spacy train` writes `model-best` into the folder that it is given."""

    values = "-".join(f"${{{variable}}}" for variable in variables)
    folder, slash, name = path.rstrip("/").rpartition("/")
    if slash:
        return f"{folder}/{values}/{name}"
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{values}.{suffix}" if dot and stem else f"{name}/{values}"


def _cycle_error(cycle: Sequence[Command]) -> InvalidInput:
    names = " → ".join(f"'{command.name}'" for command in (*cycle, cycle[0]))
    return InvalidInput(
        f"dependency cycle: {names}",
        file="project.yml",
        line=cycle[0].line,
        hint="remove one of the dependencies, or run the commands one at a time",
    )
