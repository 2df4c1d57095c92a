"""Drawing of the graph as SVG 1.1, without Graphviz or any other tool.

The SVG contains no scripts, style sheets, ids or references, so that it can be embedded in any
page. Boxes are wide enough for the widest common monospaced font, and have their details as a
tooltip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from git_spacy.generate.drawing import label, palette
from git_spacy.generate.drawing.coordinates import Box, BoxSize, Drawing, Point, place_boxes
from git_spacy.generate.drawing.palette import GREY, INK, BoxStyle
from git_spacy.generate.graph import Graph, GraphEdge, GraphNode, NodeKind, NodeStates

_LABEL = 46  # cells
_CELL = 7.5  # width of a letter at size _FONT in the widest of the fonts, in pixels
_FONT = 12
_SMALL = 10  # font size of states
_HIGH = 30  # height of a box with one line
_MARGIN = 16
_NARROW = 1000  # width of a page, in pixels
_FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_ARROW = 7
_BORDERS = {
    "command": ' rx="8" stroke-width="2"',
    "source": ' stroke-dasharray="4 2"',
    "file": "",
}


def draw(graph: Graph, states: NodeStates) -> str:
    """Draw `graph` as SVG, with nodes coloured by their state."""

    index = {node.id: number for number, node in enumerate(graph.nodes)}
    sizes = [_size(node, states) for node in graph.nodes]
    edges = [(index[edge.start], index[edge.end]) for edge in graph.edges]
    layout, down = _best_layout(sizes, edges)
    return "".join(line + "\n" for line in _document(graph, states, layout, down))


def _best_layout(
    sizes: Sequence[BoxSize], edges: Sequence[tuple[int, int]]
) -> tuple[Drawing, bool]:
    """Place layers below each other, unless that is too wide and side by side is narrower."""

    below = place_boxes(sizes, edges, down=True, width=_NARROW)
    if below.width <= _NARROW:
        return below, True
    beside = place_boxes(sizes, edges, down=False, width=_NARROW)
    return (below, True) if below.width <= beside.width else (beside, False)


def _size(node: GraphNode, states: NodeStates) -> BoxSize:
    note = palette.note(node, states)
    cells = max(label.image_width(label.single_line(node.name, _LABEL)), len(note), 4)
    high = _HIGH + (13 if note else 0) + (8 if node.kind == "asset" else 0)
    return BoxSize(round(cells * _CELL * (1.06 if node.kind == "command" else 1) + 20), high)


def _document(graph: Graph, states: NodeStates, layout: Drawing, down: bool) -> Iterator[str]:
    legend = palette.legend(graph, states)
    width = max(layout.width, _legend_width(legend)) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN + (34 if legend else 0)
    title = escape(label.single_line(graph.title)) if graph.title else "Project graph"
    size = f"{_number(width)} {_number(height)}"
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_number(width)}"'
        f' height="{_number(height)}" viewBox="0 0 {size}" role="img" aria-label="{title}">'
    )
    yield f"<title>{title}</title>"
    yield (
        f'<g transform="translate({_MARGIN} {_MARGIN})" font-family="{_FONTS}"'
        f' font-size="{_FONT}" text-anchor="middle">'
    )
    yield f'<g fill="none" stroke="{GREY}" stroke-width="1.4">'
    names = {node.id: label.single_line(node.name) for node in graph.nodes}
    for edge, points in zip(graph.edges, layout.edges, strict=True):
        yield _edge(edge, points, names, down)
    yield "</g>"
    for node, box in zip(graph.nodes, layout.boxes, strict=True):
        yield _node(node, box, states)
    yield from _legend(legend, layout.height + 22)
    yield "</g>"
    yield "</svg>"


def _node(node: GraphNode, box: Box, states: NodeStates) -> str:
    style = palette.style(node, states)
    look = f'fill="{style.fill}" stroke="{style.stroke}"'
    name = escape(label.single_line(node.name, _LABEL))
    word = palette.note(node, states)
    x = box.x + box.width / 2
    y = box.y + box.height / 2 + 4 + (4 if node.kind == "asset" else 0) - (6 if word else 0)
    bold = ' font-weight="bold"' if node.kind == "command" else ""
    texts = [_text(x, y, f'fill="{INK}"{bold}', name)]
    if word:
        texts.append(_text(x, y + 13, f'fill="{INK}" font-size="{_SMALL}"', escape(word)))
    title = escape(label.single_line(palette.tooltip(node, states)))
    return f"<g><title>{title}</title>{_shape(node.kind, box, look)}{''.join(texts)}</g>"


def _text(x: float, y: float, look: str, text: str) -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}" direction="ltr" {look}>{text}</text>'


def _shape(kind: NodeKind, box: Box, look: str) -> str:
    return _cylinder(box, look) if kind == "asset" else _rectangle(box, look + _BORDERS[kind])


def _rectangle(box: Box, look: str) -> str:
    x, y, width, height = map(_number, box)
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" {look}/>'


def _cylinder(box: Box, look: str) -> str:
    x, y, width = _number(box.x), box.y + 6, _number(box.width)
    half = _number(box.width / 2)
    arc, back = f"a{half} 6 0 0 1 {width} 0", f"a{half} 6 0 0 1 -{width} 0"
    high = _number(box.height - 12)
    lid = f"M{x} {_number(y)}a{half} 6 0 0 0 {width} 0"
    return (
        f'<path d="M{x} {_number(y)}{arc}v{high}{back}z" {look}/>'
        f'<path d="{lid}" fill="none" {look.split(" ", 1)[1]}/>'
    )


def _edge(edge: GraphEdge, points: Sequence[Point], names: dict[str, str], down: bool) -> str:
    title = escape(f"{names[edge.start]} → {names[edge.end]}")
    dashes = ' stroke-dasharray="3 3"' if edge.is_part else ""
    back, end = points[-2:]
    if back == end:
        back = points[-3] if len(points) > 2 else back
    along = (end.y - back.y) if down else (end.x - back.x)
    sign = 1 if along > 0 else -1
    shaft = end._replace(y=end.y - sign * _ARROW) if down else end._replace(x=end.x - sign * _ARROW)
    return (
        f"<g><title>{title}</title>"
        f'<path d="{_path([*points[:-1], shaft], down)}"{dashes}/>'
        f'<path d="{_arrow(shaft, end, down)}" fill="{GREY}" stroke="none"/></g>'
    )


def _path(points: Sequence[Point], down: bool) -> str:
    """Return the path data of alternating straight lines and curves.

    Curves start and end at a right angle to the layers.
    """

    parts = [f"M{_pair(*points[0])}"]
    for at, (a, b) in enumerate(pairwise(points)):
        if at % 2 == 0 or (a.x == b.x if down else a.y == b.y):
            if a != b:
                parts.append(f"L{_pair(*b)}")
        elif down:
            y = (a.y + b.y) / 2
            parts.append(f"C{_pair(a.x, y)} {_pair(b.x, y)} {_pair(*b)}")
        else:
            x = (a.x + b.x) / 2
            parts.append(f"C{_pair(x, a.y)} {_pair(x, b.y)} {_pair(*b)}")
    return "".join(parts)


def _arrow(shaft: Point, end: Point, down: bool) -> str:
    wings = (
        (Point(shaft.x - 4, shaft.y), Point(shaft.x + 4, shaft.y))
        if down
        else (Point(shaft.x, shaft.y - 4), Point(shaft.x, shaft.y + 4))
    )
    return f"M{_pair(*end)}L{_pair(*wings[0])}L{_pair(*wings[1])}z"


def _legend_width(legend: Sequence[tuple[str, BoxStyle]]) -> float:
    return sum(len(word) * _CELL + 36 for word, _ in legend)


def _legend(legend: Sequence[tuple[str, BoxStyle]], y: float) -> Iterator[str]:
    x = 0.0
    for word, style in legend:
        box = Box(x, y, 14, 14)
        look = f'fill="{style.fill}" stroke="{style.stroke}"'
        yield (
            f'{_rectangle(box, look)}<text x="{_number(x + 20)}" y="{_number(y + 11)}"'
            f' text-anchor="start" fill="{GREY}">{escape(word)}</text>'
        )
        x += len(word) * _CELL + 36


def _pair(x: float, y: float) -> str:
    return f"{_number(x)} {_number(y)}"


def _number(value: float) -> str:
    """Format a number with at most one decimal, identically on every platform."""

    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"
