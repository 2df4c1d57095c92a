"""The graph of a project's assets, commands and files, from which all drawings are made.

An asset is represented by the file or folder at its destination. Paths that overlap, e.g. a folder
and a file in it, are connected. The graph contains neither layout nor states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from git_spacy.light_typing import Literal, NamedTuple
from git_spacy.project.graph import (
    DependencyGraph,
    PathIndex,
    workflow_commands,
)
from git_spacy.project.model import Asset, Command, Project, Workflow
from git_spacy.project.paths import ProjectPath

NodeKind = Literal["asset", "command", "source", "file"]
NodeStates = Mapping[str, str]
"""The states of nodes by their id, as `git spacy status` has them; {} if not known."""


class GraphNode(NamedTuple):
    """An asset, a command, an output of a command, or a file that no command produces.

    `id` is a letter and a number, which is valid in every format. `name` is that of project.yml.
    `is_outside` is set for a path that leads out of the project.
    """

    id: str
    kind: NodeKind
    name: str
    description: str = ""
    is_outside: bool = False


class GraphEdge(NamedTuple):
    """An edge from a dependency to its command, or from a command to its output, by node ids.

    If `is_part` is set, it connects two files of which one contains the other.
    """

    start: str
    end: str
    is_part: bool = False


class Graph(NamedTuple):
    """The nodes and edges of a project.

    The nodes are the assets, the commands in the order in which they run, and the files in the
    order in which the commands name them.
    """

    title: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class Adjacency(NamedTuple):
    """The incoming and outgoing edges of each node."""

    incoming: Mapping[str, tuple[GraphEdge, ...]]
    outgoing: Mapping[str, tuple[GraphEdge, ...]]

    @classmethod
    def from_graph(cls, graph: Graph) -> Adjacency:
        """Return the adjacency of `graph`."""

        into: dict[str, list[GraphEdge]] = {node.id: [] for node in graph.nodes}
        out_of: dict[str, list[GraphEdge]] = {node.id: [] for node in graph.nodes}
        for edge in graph.edges:
            into[edge.end].append(edge)
            out_of[edge.start].append(edge)
        return cls(
            {key: tuple(edges) for key, edges in into.items()},
            {key: tuple(edges) for key, edges in out_of.items()},
        )

    def producers(self, file: str) -> tuple[str, ...]:
        """Return the commands and other assets that produce a file, a part of it, or its parent."""

        found: dict[str, None] = {}
        for edge in self.incoming[file]:
            if edge.is_part:
                found |= {
                    produced.start: None
                    for produced in self.incoming[edge.start]
                    if not produced.is_part
                }
            if not edge.is_part or edge.start.startswith("a"):
                found[edge.start] = None
        return tuple(found)

    def users(self, file: str) -> tuple[str, ...]:
        """Return the commands that depend on a file, a part of it, or its parent."""

        found: dict[str, None] = {}
        for edge in self.outgoing[file]:
            if edge.is_part:
                found |= {used.end: None for used in self.outgoing[edge.end] if not used.is_part}
            else:
                found[edge.end] = None
        return tuple(found)


def build_graph(project: Project, workflow: Workflow | None = None) -> Graph:
    """Build the graph of a project, or of one workflow with the assets and files that it uses."""

    commands = _sorted_commands(project, workflow)
    paths = _Paths(commands, project.assets, unused_assets=workflow is None)
    nodes = (
        *paths.assets.values(),
        *(
            GraphNode(f"c{number}", "command", command.name, command.help)
            for number, command in enumerate(commands, 1)
        ),
        *paths.files.values(),
    )
    edges = dict.fromkeys((*paths.parts(), *paths.uses()))
    return Graph(project.title, nodes, tuple(edges))


def _sorted_commands(project: Project, workflow: Workflow | None) -> tuple[Command, ...]:
    commands = workflow_commands(project, workflow)
    if workflow:  # which defines the order
        return commands
    named = {command.name: command for command in commands}
    return tuple(named[name] for name in DependencyGraph(project.commands).producers_first())


class _Paths:
    """The paths of commands and assets, by `ProjectPath.normal`."""

    def __init__(
        self, commands: tuple[Command, ...], assets: Iterable[Asset], *, unused_assets: bool
    ) -> None:
        self._commands = commands
        dependencies = [path for command in commands for path in command.deps]
        outputs = [path for command in commands for path in command.produced]
        self._dependencies = {path.normal: path for path in dependencies}
        self._producers: dict[str, set[str]] = defaultdict(set)
        for number, command in enumerate(commands, 1):
            for path in command.produced:
                self._producers[path.normal].add(f"c{number}")
        used = PathIndex((path, None) for path in (*dependencies, *outputs))
        self.assets: dict[str, GraphNode] = {}
        for asset in assets:
            dest = asset.dest
            if unused_assets or any(used.touching(dest)):
                node_id = f"a{len(self.assets) + 1}"
                self._producers[dest.normal].add(node_id)
                self.assets.setdefault(
                    dest.normal,
                    GraphNode(node_id, "asset", dest.text, asset.description, dest.outside),
                )
        self._all = {path.normal: path for path in (*dependencies, *outputs)}
        self._all |= {
            asset.dest.normal: asset.dest for asset in assets if asset.dest.normal in self.assets
        }
        self._produced = PathIndex(
            (path, None) for name, path in self._all.items() if name in self._producers
        )
        self.files: dict[str, GraphNode] = {}
        for command in commands:
            for path in (*command.deps, *command.produced):
                if path.normal not in self.assets and path.normal not in self.files:
                    is_produced = any(self._produced.touching(path))
                    kind: NodeKind = "file" if is_produced else "source"
                    self.files[path.normal] = GraphNode(
                        f"f{len(self.files) + 1}", kind, path.text, is_outside=path.outside
                    )

    def _id(self, path: ProjectPath) -> str:
        node = self.assets.get(path.normal) or self.files[path.normal]
        return node.id

    def parts(self) -> Iterator[GraphEdge]:
        """Yield the edges between paths of which one contains the other.

        They lead from outputs to dependencies and, between two outputs that are not dependencies,
        from the inner to the outer one. Outputs of the same command are not connected.
        """

        for name, path in self._all.items():
            for other, _ in self._produced.touching(path):
                if other.normal == name:
                    continue
                if self._producers[other.normal] == self._producers.get(name):
                    continue
                is_inner = path.holds(other) and other.normal not in self._dependencies
                if name in self._dependencies or is_inner:
                    yield GraphEdge(self._id(other), self._id(path), is_part=True)

    def uses(self) -> Iterator[GraphEdge]:
        """Yield the edges between commands and their dependencies and outputs."""

        for number, command in enumerate(self._commands, 1):
            yield from (GraphEdge(self._id(path), f"c{number}") for path in command.deps)
            yield from (GraphEdge(f"c{number}", self._id(path)) for path in command.produced)
