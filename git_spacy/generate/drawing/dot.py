"""Drawing of the graph in Graphviz's DOT language (graphviz.org, "DOT Language").

Labels are quoted strings in which quotes, backslashes and HTML entities are escaped.
"""

from __future__ import annotations

from git_spacy.generate.drawing import label, palette
from git_spacy.generate.graph import Graph, GraphNode, NodeStates

_LINE = 60  # cells
_SHAPES = {
    "asset": 'shape=cylinder style="filled"',
    "command": 'shape=box style="filled,rounded,bold"',
    "source": 'shape=note style="filled,dashed"',
    "file": 'shape=note style="filled"',
}


def draw(graph: Graph, states: NodeStates) -> str:
    """Draw `graph` in DOT, with nodes coloured by their state."""

    title = _quoted(label.single_line(graph.title) if graph.title else " ")
    lines = [
        "digraph project {",
        f"  graph [rankdir=TB bgcolor=transparent tooltip={title}]",
        f'  node [fontname="monospace" fontsize=11 fontcolor="{palette.INK}"]',
        f'  edge [color="{palette.GREY}"]',
        *(f"  {node.id} [{_look(node, states)}]" for node in graph.nodes),
        *(
            f"  {edge.start} -> {edge.end}{' [style=dashed]' if edge.is_part else ''}"
            for edge in graph.edges
        ),
        "}",
    ]
    return "".join(line + "\n" for line in lines)


def _look(node: GraphNode, states: NodeStates) -> str:
    lines = label.lines(label.single_line(node.name), _LINE)
    word = palette.note(node, states)
    name = '"' + "\\n".join(map(_escape, [*lines, word] if word else lines)) + '"'
    look = palette.style(node, states)
    tooltip = _quoted(label.single_line(palette.tooltip(node, states)))
    return (
        f'label={name} {_SHAPES[node.kind]} fillcolor="{look.fill}" color="{look.stroke}"'
        f" tooltip={tooltip}"
    )


def _quoted(text: str) -> str:
    return f'"{_escape(text)}"'


def _escape(text: str) -> str:
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;")):
        text = text.replace(plain, written)
    return text
