"""The graph as text: the commands in the order in which they run, what each needs and from whom,
what it makes and for whom; in colours if somebody gives them. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from git_spacy.generate.drawing import label, text_lanes
from git_spacy.generate.drawing.columns import FileLine, Paint, format_files
from git_spacy.generate.graph import Adjacency, Graph, GraphNode, NodeStates
from git_spacy.state.verdict import state_label

WIDTH = 80
_HEADS = ("  needs  ", "  makes  ")


def draw(
    graph: Graph, words: NodeStates, width: int = WIDTH, paint: Paint = lambda text, _: text
) -> str:
    """`graph` in lines of `width` cells (60 at the least)."""

    lines = _Text(graph, words, max(width, 60), paint).lines()
    return "".join(line.rstrip() + "\n" for line in lines)


class _Text:
    def __init__(self, graph: Graph, words: NodeStates, width: int, paint: Paint) -> None:
        self._graph, self._words, self._width, self._paint = graph, words, width, paint
        self._ways = Adjacency.from_graph(graph)
        self._nodes = {node.id: node for node in graph.nodes}
        self._called = {node.id: label.single_line(node.name) for node in graph.nodes}
        self._commands = [node for node in graph.nodes if node.kind == "command"]
        self._place = {node.id: at for at, node in enumerate(self._commands)}

    def lines(self) -> Iterator[str]:
        if self._graph.title:
            for line in textwrap.wrap(label.single_line(self._graph.title), self._width):
                yield self._paint(label.shorten(line, self._width), "title")
            yield ""
        beside = text_lanes.lane_rows({node.id: self._makers(node) for node in self._commands})
        for node, row in zip(self._commands, beside, strict=True):
            yield from self._command(node, row)
        yield from self._unused()
        if not self._graph.nodes:
            yield "There are no commands and no assets."

    def _command(self, node: GraphNode, row: text_lanes.LaneRow) -> Iterator[str]:
        room = self._width - len(row.head)
        state = self._words.get(node.id, "")
        word = state_label(state)
        name = label.shorten(self._called[node.id], room - (len(word) + 2 if word else 0))
        said = f"  {self._paint(word, state)}" if word else ""
        yield row.head + self._paint(name, "command") + said
        reads = [self._from(node, edge.start) for edge in self._ways.incoming[node.id]]
        makes = [self._to(node, edge.end) for edge in self._ways.outgoing[node.id]]
        for head, files in zip(_HEADS, (reads, makes), strict=True):
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
            if node.kind == "asset" and not self._ways.users(node.id)
        ]
        if unused:
            if self._commands:
                yield ""
            yield "Assets that no command here needs" if self._commands else "Assets"
            yield from (f"  {line}" for line in format_files(unused, self._width - 2, self._paint))

    def _makers(self, node: GraphNode) -> tuple[str, ...]:
        reads = [edge.start for edge in self._ways.incoming[node.id]]
        return tuple(maker for key in reads for maker in self._ways.producers(key))

    def _from(self, node: GraphNode, key: str) -> FileLine:
        """A file that `node` needs, and where it comes from."""

        kind = "asset" if self._nodes[key].kind == "asset" else ""
        makers = self._others(node, self._ways.producers(key))
        is_later = any(self._place.get(one, -1) > self._place[node.id] for one in makers)
        after = " (later)" if is_later else ""
        return self._line(key)._replace(
            kind=kind, prefix="from", names=self._names(makers), suffix=after
        )

    def _to(self, node: GraphNode, key: str) -> FileLine:
        """A file that it makes, and whom it is for."""

        users = self._others(node, self._ways.users(key))
        return self._line(key)._replace(prefix="for", names=self._names(users))

    def _others(self, node: GraphNode, keys: Sequence[str]) -> list[str]:
        """Those but `node`, in the order in which they run."""

        others = [key for key in keys if key != node.id]
        return sorted(others, key=lambda key: self._place.get(key, -1))

    def _line(self, key: str) -> FileLine:
        return FileLine(self._called[key], self._words.get(key, ""))

    def _names(self, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._called[key] for key in keys)
