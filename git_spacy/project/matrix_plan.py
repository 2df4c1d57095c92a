"""Plan the runs of a matrix, and decide which of them need a copy of the project.

Variants of a command that write the same path would replace each other's outputs. They are
isolated: each runs in a copy of the project, and so do the commands that depend on their outputs,
once for each variant. All other commands run in the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from git_spacy.project.graph import DependencyGraph, topological_sort
from git_spacy.project.matrix import Matrix, MatrixCell
from git_spacy.project.model import Command
from git_spacy.project.plan import RunPlan, graph_plan


def plan_matrix(matrix: Matrix) -> RunPlan:
    """Return the plan for all commands of a matrix.

    Raises InvalidInput as `graph_plan` does.
    """

    variants = matrix.variants()
    isolated = _isolated_names(matrix, variants)
    return _plan(matrix, isolated) if isolated else graph_plan(variants)


def plan_trial(matrix: Matrix) -> RunPlan:
    """Return the plan for the only cell of a matrix, as one of many trials.

    Isolated are all commands that use its variables, and those that depend on them. Raises
    InvalidInput as `graph_plan` does.
    """

    (cell,) = matrix.cells
    names = {
        c.name for c in cell.commands if not cell.values.keys().isdisjoint(matrix.used[c.name])
    }
    return _plan(matrix, _with_dependents(matrix, names))


def _plan(matrix: Matrix, isolated: set[str]) -> RunPlan:
    variants = matrix.variants()
    shared = [command for command in variants if _base(command) not in isolated]
    commands: dict[str, Command] = {}
    after: dict[str, set[str]] = {}
    upstream: dict[str, tuple[str, ...]] = {}
    for cell in matrix.cells:
        own, sources = _isolated_commands(matrix, cell, isolated)
        upstream |= sources
        plan = graph_plan((*shared, *own))
        for command, positions in zip(plan.commands, plan.after, strict=True):
            commands.setdefault(command.name, command)
            names = {plan.commands[position].name for position in positions}
            after.setdefault(command.name, set()).update(names)
    order = topological_sort({name: sorted(names) for name, names in after.items()})
    index = {name: position for position, name in enumerate(order)}
    return RunPlan(
        tuple(commands[name] for name in order),
        tuple(frozenset(index[other] for other in after[name]) for name in order),
        upstream,
    )


def _isolated_names(matrix: Matrix, variants: Iterable[Command]) -> set[str]:
    """Return the commands whose variants write the same path, and those that depend on them."""

    names: set[str] = set()
    producers: dict[tuple[str, str], str] = {}
    for variant in variants:
        for path in variant.produced:
            key = (_base(variant), path.normal)
            if producers.setdefault(key, variant.name) != variant.name:
                names.add(_base(variant))
    return _with_dependents(matrix, names)


def _with_dependents(matrix: Matrix, names: set[str]) -> set[str]:
    names = set(names)
    for cell in matrix.cells if names else ():
        graph = DependencyGraph(cell.commands)
        upstream = graph.upstream_names()
        for name in graph.producers_first():
            if not names.isdisjoint(upstream[name]):
                names.add(name)
    return names


def _isolated_commands(
    matrix: Matrix, cell: MatrixCell, isolated: set[str]
) -> tuple[list[Command], Mapping[str, tuple[str, ...]]]:
    """Return the isolated commands of a cell, and those of them that each depends on, by name.

    A command is named after the values that it uses and those that its upstream commands use.
    """

    graph = DependencyGraph(cell.commands)
    upstream = graph.upstream_names()
    variables: dict[str, set[str]] = {}
    named: dict[str, Command] = {}
    sources: dict[str, tuple[str, ...]] = {}
    by_name = {command.name: command for command in cell.commands}
    for name in graph.producers_first():
        if name in isolated:
            producers = [other for other in upstream[name] if other in named]
            variables[name] = set(matrix.used[name]).union(*(variables[o] for o in producers))
            named[name] = matrix.named_variant(cell, by_name[name], variables[name])
            sources[named[name].name] = tuple(named[other].name for other in producers)
    return list(named.values()), sources


def _base(command: Command) -> str:
    return command.variant_of or command.name
