"""What hangs together in a project: assets, commands, files, and which is made of which. Pure.

The drawings' one source; it knows nothing of how they look, nor of what is up to date. An asset
is the file or folder at its destination; a path that is, holds or lies in what another makes is
linked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from git_spacy.project.graph import (
    PathIndex,
    topological_sort,
    upstream_commands,
    workflow_commands,
)
from git_spacy.project.model import Asset, Command, Project, Workflow
from git_spacy.project.paths import ProjectPath

NodeKind = Literal["asset", "command", "source", "file"]
NodeStates = Mapping[str, str]
"""What is known of a node now, by its id: `up_to_date`, `missing` … ({}: nothing is)."""


class GraphNode(NamedTuple):
    """An asset, a command, a file that a command makes, or a source: one that nothing here makes.
    `id` is a letter and a number, safe in every format; `name` is as project.yml has it."""

    id: str
    kind: NodeKind
    name: str
    description: str = ""


class GraphEdge(NamedTuple):
    """`end` is made of `start` (ids): a command of what it needs, a file by its command; or, where
    `is_part`, one is a path that holds the other's."""

    start: str
    end: str
    is_part: bool = False


class Graph(NamedTuple):
    """Assets, commands in the order in which they run, files in the order in which those name
    them; the edges in the order of their ends."""

    title: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class Adjacency(NamedTuple):
    """The edges of a graph by their ends."""

    incoming: Mapping[str, tuple[GraphEdge, ...]]
    outgoing: Mapping[str, tuple[GraphEdge, ...]]

    @classmethod
    def from_graph(cls, graph: Graph) -> Adjacency:
        """Those of `graph`."""

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
        """The commands (and assets other than itself) that make a file or asset, or a part of it,
        or what it is a part of."""

        found: dict[str, None] = {}
        for edge in self.incoming[file]:
            if edge.is_part:
                found |= {
                    made.start: None for made in self.incoming[edge.start] if not made.is_part
                }
            if not edge.is_part or edge.start.startswith("a"):
                found[edge.start] = None
        return tuple(found)

    def users(self, file: str) -> tuple[str, ...]:
        """The commands that need it, or a part of it, or what it is a part of."""

        found: dict[str, None] = {}
        for edge in self.outgoing[file]:
            if edge.is_part:
                found |= {used.end: None for used in self.outgoing[edge.end] if not used.is_part}
            else:
                found[edge.end] = None
        return tuple(found)


def build_graph(project: Project, workflow: Workflow | None = None) -> Graph:
    """The graph of all of `project`; or of one workflow's commands, with the assets and files that
    they touch."""

    commands = _in_order(project, workflow)
    paths = _Paths(commands, project.assets, alone=workflow is None)
    nodes = (
        *paths.assets.values(),
        *(GraphNode(f"c{at}", "command", one.name, one.help) for at, one in enumerate(commands, 1)),
        *paths.files.values(),
    )
    edges = dict.fromkeys((*paths.parts(), *paths.uses()))
    return Graph(project.title, nodes, tuple(edges))


def _in_order(project: Project, workflow: Workflow | None) -> tuple[Command, ...]:
    commands = workflow_commands(project, workflow)
    if workflow:  # which says it itself
        return commands
    named = {command.name: command for command in commands}
    return tuple(named[name] for name in topological_sort(upstream_commands(project)))


class _Paths:
    """The paths of some commands, by what is compared (`ProjectPath.normal`)."""

    def __init__(
        self, commands: tuple[Command, ...], assets: Iterable[Asset], *, alone: bool
    ) -> None:
        self._commands = commands
        needed = [path for command in commands for path in command.deps]
        made = [path for command in commands for path in command.produced]
        self._needed = {path.normal: path for path in needed}
        self._makers: dict[str, set[str]] = defaultdict(set)
        for at, command in enumerate(commands, 1):
            for path in command.produced:
                self._makers[path.normal].add(f"c{at}")
        mentioned = PathIndex((path, None) for path in (*needed, *made))
        self.assets: dict[str, GraphNode] = {}
        for asset in assets:
            dest = asset.dest
            if alone or any(mentioned.touching(dest)):
                key = f"a{len(self.assets) + 1}"
                self._makers[dest.normal].add(key)
                self.assets.setdefault(
                    dest.normal, GraphNode(key, "asset", dest.text, asset.description)
                )
        self._all = {path.normal: path for path in (*needed, *made)}
        self._all |= {one.dest.normal: one.dest for one in assets if one.dest.normal in self.assets}
        self._owned = PathIndex(
            (path, None) for name, path in self._all.items() if name in self._makers
        )
        self.files: dict[str, GraphNode] = {}
        for command in commands:
            for path in (*command.deps, *command.produced):
                if path.normal not in self.assets and path.normal not in self.files:
                    is_made = any(self._owned.touching(path))
                    kind: NodeKind = "file" if is_made else "source"
                    self.files[path.normal] = GraphNode(f"f{len(self.files) + 1}", kind, path.text)

    def _id(self, path: ProjectPath) -> str:
        node = self.assets.get(path.normal) or self.files[path.normal]
        return node.id

    def parts(self) -> Iterator[GraphEdge]:
        """From what is made to what is needed where one holds the other; between two that are
        only made from the one that lies in the other. What the same command makes is linked by
        that."""

        for name, path in self._all.items():
            for other, _ in self._owned.touching(path):
                if other.normal == name or self._makers[other.normal] == self._makers.get(name):
                    continue
                is_inner = path.holds(other) and other.normal not in self._needed
                if name in self._needed or is_inner:
                    yield GraphEdge(self._id(other), self._id(path), is_part=True)

    def uses(self) -> Iterator[GraphEdge]:
        """Between commands and what they need and make."""

        for at, command in enumerate(self._commands, 1):
            yield from (GraphEdge(self._id(path), f"c{at}") for path in command.deps)
            yield from (GraphEdge(f"c{at}", self._id(path)) for path in command.produced)
