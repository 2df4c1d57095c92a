"""The graph in Mermaid's flowchart language (mermaid.js.org, "Flowcharts"), as GitHub and GitLab
render it in Markdown. Pure.

Ids are ours, and a label has nothing but letters, digits and a few signs as they are: all else is
a number between `#` and `;`, so that no name is a directive, a quote, Markdown or HTML.
"""

from __future__ import annotations

import re

from git_spacy.generate.drawing import label, palette
from git_spacy.generate.graph import Graph, GraphNode, NodeStates
from git_spacy.state.verdict import state_label

_LABEL = 60  # cells
_SHAPES = {"asset": '[("{}")]', "command": '["{}"]', "source": '[/"{}"/]', "file": '[/"{}"/]'}
# (an underscore, a hyphen or a full stop can be Markdown but between letters)
_CODED = re.compile(r"[^\w ./-]|(?<![^\W_])[_-]|[_-](?![^\W_])|(?<=\d)\.(?=\s)")


def draw(graph: Graph, words: NodeStates) -> str:
    """`graph` as a flowchart, coloured by what is known."""

    lines = ["flowchart TD"]
    if graph.title:
        lines.append(f"  accTitle: {_coded(label.single_line(graph.title))}")
    lines += [
        f"  {node.id}{_SHAPES[node.kind].format(_label(node, words))}" for node in graph.nodes
    ]
    lines += [
        f"  {edge.start} {'-.->' if edge.is_part else '-->'} {edge.end}" for edge in graph.edges
    ]
    for name, ids in _classes(graph, words).items():
        look = palette.STATES.get(name) or palette.KINDS[name]
        width = ",stroke-width:2px" if name == "command" else ""
        lines.append(
            f"  classDef {name} fill:{look.fill},stroke:{look.stroke},color:{palette.INK}{width}"
        )
        lines.append(f"  class {','.join(ids)} {name}")
    return "".join(line + "\n" for line in lines)


def _label(node: GraphNode, words: NodeStates) -> str:
    name = _coded(label.single_line(node.name, _LABEL))
    word = state_label(words.get(node.id, ""))
    return f"{name}<br>{word}" if word else name


def _classes(graph: Graph, words: NodeStates) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        found.setdefault(words.get(node.id) or node.kind, []).append(node.id)
    return found


def _coded(text: str) -> str:
    # Mermaid itself writes the ligature for the `#` of a number, and reads it back twice
    return _CODED.sub(lambda match: f"#{ord(match[0])};", text.replace("\ufb02", "fl"))
