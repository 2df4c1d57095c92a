"""The colours of the drawings, for each kind of node and each state.

Boxes have a light fill and dark text, which can be read on light and dark pages. Everything outside
of boxes is grey, which is visible on both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_spacy.generate.graph import Graph, GraphNode, NodeStates
from git_spacy.state.verdict import state_label

INK = "#1f2328"
GREY = "#767c85"  # contrast 4:1 on white, 5:1 on black


class BoxStyle(NamedTuple):
    """The fill and border colours of a box."""

    fill: str
    stroke: str


# of nodes without a state, by kind
KINDS = {
    "asset": BoxStyle("#fbf3e3", "#9a6700"),
    "command": BoxStyle("#dbe9ff", "#2f6fd0"),
    "source": BoxStyle("#f6f8fa", "#8c959f"),
    "file": BoxStyle("#ffffff", "#8c959f"),
}
# of nodes with a state of `git spacy status`, in the order of the legend
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


def style(node: GraphNode, states: NodeStates) -> BoxStyle:
    """Return the colours of `node`."""

    return STATES.get(states.get(node.id, ""), KINDS[node.kind])


def legend(graph: Graph, states: NodeStates) -> list[tuple[str, BoxStyle]]:
    """Return the states that occur in the drawing, with their colours."""

    shown = {states.get(node.id) for node in graph.nodes}
    return [(state_label(state), style) for state, style in STATES.items() if state in shown]


def note(node: GraphNode, states: NodeStates) -> str:
    """Return what the drawing says of a node below its name: its state, and whether it is outside
    of the project."""

    outside = "outside the project" if node.is_outside else ""
    return ", ".join(filter(None, (state_label(states.get(node.id, "")), outside)))


def tooltip(node: GraphNode, states: NodeStates) -> str:
    """Return the tooltip of a node: its kind, name, state and description."""

    kind = "output" if node.kind == "file" else node.kind
    return join_nonempty((f"{kind} {node.name}", note(node, states), node.description))


def join_nonempty(parts: Iterable[str]) -> str:
    """Join the parts that are not empty."""

    return " · ".join(part for part in parts if part)
