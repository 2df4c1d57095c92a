"""What the pictures look like: a fill, a line and a word for each kind of node and each state.

Fills are light and their text is dark, so that a box is read on a light page and on a dark one;
what lies outside the boxes is of a grey that both show.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_spacy.generate.graph import Graph, GraphNode, NodeStates
from git_spacy.state.verdict import state_label

INK = "#1f2328"
GREY = "#767c85"  # 4 to 1 on white, 5 to 1 on black


class BoxStyle(NamedTuple):
    """Colours of a box: of what it is filled with and of its border."""

    fill: str
    stroke: str


# of a node of which nothing more is known, by its kind
KINDS = {
    "asset": BoxStyle("#fbf3e3", "#9a6700"),
    "command": BoxStyle("#dbe9ff", "#2f6fd0"),
    "source": BoxStyle("#f6f8fa", "#8c959f"),
    "file": BoxStyle("#ffffff", "#8c959f"),
}
# by its state in `git spacy status`, in the order of a legend
STATES = {
    "up_to_date": BoxStyle("#d2f4da", "#1a7f37"),
    "verified": BoxStyle("#d2f4da", "#1a7f37"),
    "stale": BoxStyle("#ffe7b3", "#b07800"),
    "modified": BoxStyle("#ffe7b3", "#b07800"),
    "not_run": BoxStyle("#e4e7eb", "#6e7781"),
    "always_runs": BoxStyle("#dbe9ff", "#2f6fd0"),
    "unknown": BoxStyle("#eddcff", "#8250df"),
    "unverified": BoxStyle("#eddcff", "#8250df"),
    "missing": BoxStyle("#ffd8d3", "#cf222e"),
    "checksum_mismatch": BoxStyle("#ffd8d3", "#cf222e"),
}


def style(node: GraphNode, words: NodeStates) -> BoxStyle:
    """How `node` looks."""

    return STATES.get(words.get(node.id, ""), KINDS[node.kind])


def legend(graph: Graph, words: NodeStates) -> list[tuple[str, BoxStyle]]:
    """Return the label and the style of each state that the picture shows."""

    shown = {words.get(node.id) for node in graph.nodes}
    return [(state_label(state), style) for state, style in STATES.items() if state in shown]


def tooltip(node: GraphNode, words: NodeStates) -> str:
    """All that there is to say of a node, for a tooltip."""

    kind = "made" if node.kind == "file" else node.kind
    return join_nonempty(
        (f"{kind} {node.name}", state_label(words.get(node.id, "")), node.description)
    )


def join_nonempty(parts: Iterable[str]) -> str:
    """The parts that say something."""

    return " · ".join(part for part in parts if part)
