"""The graph in Graphviz's language (graphviz.org, "DOT Language"). Pure.

Ids are ours, labels are quoted: what would end the quotes, begin an escape of Graphviz's own or an
entity of HTML is written so that it means itself.
"""

from __future__ import annotations

from git_spacy.generate.drawing import label, palette
from git_spacy.generate.graph import Graph, GraphNode, NodeStates
from git_spacy.state.verdict import state_label

_LABEL = 60  # cells
_SHAPES = {
    "asset": 'shape=cylinder style="filled"',
    "command": 'shape=box style="filled,rounded,bold"',
    "source": 'shape=note style="filled,dashed"',
    "file": 'shape=note style="filled"',
}


def draw(graph: Graph, words: NodeStates) -> str:
    """`graph` for `dot`, coloured by what is known."""

    title = _quoted(label.single_line(graph.title) if graph.title else " ")
    lines = [
        "digraph project {",
        f"  graph [rankdir=TB bgcolor=transparent tooltip={title}]",
        f'  node [fontname="monospace" fontsize=11 fontcolor="{palette.INK}"]',
        f'  edge [color="{palette.GREY}"]',
        *(f"  {node.id} [{_look(node, words)}]" for node in graph.nodes),
        *(
            f"  {edge.start} -> {edge.end}{' [style=dashed]' if edge.is_part else ''}"
            for edge in graph.edges
        ),
        "}",
    ]
    return "".join(line + "\n" for line in lines)


def _look(node: GraphNode, words: NodeStates) -> str:
    name = _quoted(label.single_line(node.name, _LABEL))
    word = state_label(words.get(node.id, ""))
    if word:
        name = f'{name[:-1]}\\n{word}"'
    look = palette.style(node, words)
    tooltip = _quoted(label.single_line(palette.tooltip(node, words)))
    return (
        f'label={name} {_SHAPES[node.kind]} fillcolor="{look.fill}" color="{look.stroke}"'
        f" tooltip={tooltip}"
    )


def _quoted(text: str) -> str:
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;")):
        text = text.replace(plain, written)
    return f'"{text}"'
