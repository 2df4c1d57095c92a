"""Warn of commands that depend on their own output, directly or through each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from git_spacy.project import graph
from git_spacy.project.documents import Node
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath


def cycle_warnings(
    commands: Sequence[Command], nodes: Mapping[str, Node]
) -> Iterator[tuple[Node, str, str]]:
    """Yield the node of a dependency, a warning and a hint for each cycle.

    Such commands can be run one at a time, as weasel does. `nodes` are the commands by name.
    """

    for command in commands:
        if own := graph.self_dependencies(command):
            outputs = "outputs" if len(own) > 1 else "output"
            names = ", ".join(f"'{path}'" for path in own)
            yield (
                _dependency_node(nodes[command.name], own[0]),
                f"'{command.name}' depends on its own {outputs} {names}",
                "write the result to another path, so that a second run has the same input",
            )
    dependencies = graph.DependencyGraph(commands)
    if cycle := graph.find_cycle(dependencies.upstream_names()):
        pairs = dependencies.upstream[cycle[0]]
        path = next(path for producer, path in pairs if producer.name == cycle[-1])
        names = " → ".join(f"'{name}'" for name in (*cycle, cycle[0]))
        yield (
            _dependency_node(nodes[cycle[0]], path),
            f"dependency cycle: {names}",
            "remove one of the dependencies: each run makes another of these commands stale",
        )


def _dependency_node(command: Node, path: ProjectPath) -> Node:
    """Return the node of a dependency of a command."""

    deps: Node = command.value["deps"]
    return next((item for item in deps.value if item.value == path.text), deps)
