"""Drawing of the graph as text: the commands in order, with their dependencies and outputs.

Each dependency is listed with its producers, and each output with the commands that use it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from git_spacy.generate.drawing import label, text_lanes
from git_spacy.generate.drawing.columns import FileLine, Paint, format_files
from git_spacy.generate.graph import Adjacency, Graph, GraphNode, NodeStates
from git_spacy.state.verdict import state_label

WIDTH = 80
_HEADS = ("  deps     ", "  outputs  ")


def draw(
    graph: Graph, states: NodeStates, width: int = WIDTH, paint: Paint = lambda text, _: text
) -> str:
    """Draw `graph` in lines of `width` cells, at least 60; `paint` adds colours."""

    lines = _Text(graph, states, max(width, 60), paint).lines()
    return "".join(line.rstrip() + "\n" for line in lines)


class _Text:
    def __init__(self, graph: Graph, states: NodeStates, width: int, paint: Paint) -> None:
        self._graph, self._states, self._width, self._paint = graph, states, width, paint
        self._adjacency = Adjacency.from_graph(graph)
        self._nodes = {node.id: node for node in graph.nodes}
        self._labels = {node.id: label.single_line(node.name) for node in graph.nodes}
        self._commands = [node for node in graph.nodes if node.kind == "command"]
        self._order = {node.id: at for at, node in enumerate(self._commands)}

    def lines(self) -> Iterator[str]:
        if self._graph.title:
            for line in textwrap.wrap(label.single_line(self._graph.title), self._width):
                yield self._paint(label.shorten(line, self._width), "title")
            yield ""
        beside = text_lanes.lane_rows({node.id: self._producers(node) for node in self._commands})
        for node, row in zip(self._commands, beside, strict=True):
            yield from self._command(node, row)
        yield from self._unused()
        if not self._graph.nodes:
            yield "No commands or assets."

    def _command(self, node: GraphNode, row: text_lanes.LaneRow) -> Iterator[str]:
        room = self._width - len(row.head)
        state_name = self._states.get(node.id, "")
        word = state_label(state_name)
        name = label.shorten(self._labels[node.id], room - (len(word) + 2 if word else 0))
        state = f"  {self._paint(word, state_name)}" if word else ""
        yield row.head + self._paint(name, "command") + state
        dependencies = [self._from(node, edge.start) for edge in self._adjacency.incoming[node.id]]
        outputs = [self._to(node, edge.end) for edge in self._adjacency.outgoing[node.id]]
        for head, files in zip(_HEADS, (dependencies, outputs), strict=True):
            for line in format_files(files, room - len(head), self._paint):
                yield row.rest + self._paint(head, "faint") + line
                head = " " * len(head)
        if node is not self._commands[-1]:
            yield row.rest

    def _unused(self) -> Iterator[str]:
        unused = [
            self._line(node.id)._replace(
                kind=label.single_line(node.description) if node.description else ""
            )
            for node in self._graph.nodes
            if node.kind == "asset" and not self._adjacency.users(node.id)
        ]
        if unused:
            if self._commands:
                yield ""
            yield "Assets that no command uses" if self._commands else "Assets"
            yield from (f"  {line}" for line in format_files(unused, self._width - 2, self._paint))

    def _producers(self, node: GraphNode) -> tuple[str, ...]:
        dependencies = [edge.start for edge in self._adjacency.incoming[node.id]]
        return tuple(
            producer for key in dependencies for producer in self._adjacency.producers(key)
        )

    def _from(self, node: GraphNode, key: str) -> FileLine:
        """Return the line of a dependency of `node`, with its producers."""

        kind = "asset" if self._nodes[key].kind == "asset" else ""
        producers = self._others(node, self._adjacency.producers(key))
        is_later = any(self._order.get(other, -1) > self._order[node.id] for other in producers)
        after = " (later)" if is_later else ""
        return self._line(key)._replace(
            kind=kind, prefix="from", names=self._names(producers), suffix=after
        )

    def _to(self, node: GraphNode, key: str) -> FileLine:
        """Return the line of an output of `node`, with the commands that use it."""

        users = self._others(node, self._adjacency.users(key))
        return self._line(key)._replace(prefix="for", names=self._names(users))

    def _others(self, node: GraphNode, keys: Sequence[str]) -> list[str]:
        """Return `keys` without `node`, in the order in which the commands run."""

        others = [key for key in keys if key != node.id]
        return sorted(others, key=lambda key: self._order.get(key, -1))

    def _line(self, key: str) -> FileLine:
        place = "outside the project" if self._nodes[key].is_outside else ""
        return FileLine(self._labels[key], self._states.get(key, ""), place=place)

    def _names(self, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._labels[key] for key in keys)
