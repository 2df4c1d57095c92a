"""Drawing of the graph as a Mermaid flowchart (mermaid.js.org, "Flowcharts").

GitHub and GitLab render it in Markdown. In labels, all characters except letters, digits and a few
signs are written as numeric entities (`#…;`), so that no name is read as a directive, Markdown or
HTML.
"""

from __future__ import annotations

import re

from git_spacy.generate.drawing import label, palette
from git_spacy.generate.graph import Graph, GraphNode, NodeStates

_LINE = 60  # cells
_SHAPES = {"asset": '[("{}")]', "command": '["{}"]', "source": '[/"{}"/]', "file": '[/"{}"/]'}
# underscores, hyphens and full stops can be Markdown, except between letters
_ESCAPED = re.compile(r"[^\w ./-]|(?<![^\W_])[_-]|[_-](?![^\W_])|(?<=\d)\.(?=\s)")


def draw(graph: Graph, states: NodeStates) -> str:
    """Draw `graph` as a flowchart, with nodes coloured by their state."""

    lines = ["flowchart TD"]
    if graph.title:
        lines.append(f"  accTitle: {_escape(label.single_line(graph.title))}")
    lines += [
        f"  {node.id}{_SHAPES[node.kind].format(_label(node, states))}" for node in graph.nodes
    ]
    lines += [
        f"  {edge.start} {'-.->' if edge.is_part else '-->'} {edge.end}" for edge in graph.edges
    ]
    for name, ids in _classes(graph, states).items():
        look = palette.STATES.get(name) or palette.KINDS[name]
        width = ",stroke-width:2px" if name == "command" else ""
        lines.append(
            f"  classDef {name} fill:{look.fill},stroke:{look.stroke},color:{palette.INK}{width}"
        )
        lines.append(f"  class {','.join(ids)} {name}")
    return "".join(line + "\n" for line in lines)


def _label(node: GraphNode, states: NodeStates) -> str:
    name = "<br>".join(map(_escape, label.lines(label.single_line(node.name), _LINE)))
    word = palette.note(node, states)
    return f"{name}<br>{word}" if word else name


def _classes(graph: Graph, states: NodeStates) -> dict[str, list[str]]:
    classes: dict[str, list[str]] = {}
    for node in graph.nodes:
        classes.setdefault(states.get(node.id) or node.kind, []).append(node.id)
    return classes


def _escape(text: str) -> str:
    # Mermaid uses this ligature internally for the `#` of an entity, so it cannot be in a label
    return _ESCAPED.sub(lambda match: f"#{ord(match[0])};", text.replace("\ufb02", "fl"))
