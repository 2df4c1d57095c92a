"""The coordinates of boxes and edges in a layered drawing: the second half of the layout.

Lengths are in pixels. Each connected component is drawn separately, beside or below the previous
one. Edges cross the gaps between layers as curves, and layers as straight lines through a dummy box
of their own, so that they do not cross other boxes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from git_spacy.generate.drawing.layer_assignment import LayeredGraph, assign_layers

_BESIDE = 22.0  # between two boxes of a layer
_NARROW = 14.0  # between two boxes if one of them is a dummy box
_PLACE = 4.0  # the width of a dummy box
_GAP = 34.0  # between two layers, at minimum
_STEEP = 0.12  # added to the gap for each pixel that an edge moves sideways,
_MOST_GAP = 130.0  # up to this gap
_APART = 40.0  # between connected components
_UPWARD_OFFSET = 9.0  # the sideways offset of edges that point up
_ROUNDS = 12


class BoxSize(NamedTuple):
    """The size of a box."""

    width: float
    height: float


class Point(NamedTuple):
    """A position relative to the upper left corner."""

    x: float
    y: float


class Box(NamedTuple):
    """A box: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


class Drawing(NamedTuple):
    """Boxes and edges in the order of the input, and the size of the drawing.

    An edge is a sequence of points, connected alternately by straight lines and curves.
    """

    boxes: tuple[Box, ...]
    edges: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def place_boxes(
    sizes: Sequence[BoxSize], edges: Sequence[tuple[int, int]], *, down: bool, width: float
) -> Drawing:
    """Place boxes of these `sizes` with `edges` (from, to) between them in layers.

    The layers are below each other if `down` is set, else side by side. Connected components are
    placed side by side up to `width`.
    """

    boxes: dict[int, Box] = {}
    lines: dict[int, tuple[Point, ...]] = {}
    left = top = bottom = furthest = 0.0
    for members, numbers in _components(len(sizes), edges):
        inner = {box: at for at, box in enumerate(members)}
        component = _draw_component(
            [_transposed_size(sizes[box], down) for box in members],
            [(inner[edges[number][0]], inner[edges[number][1]]) for number in numbers],
        )
        component = component if down else _transposed(component)
        if left and left + component.width > width:
            left, top = 0.0, bottom + _APART
        for box, at in inner.items():
            old = component.boxes[at]
            boxes[box] = old._replace(x=old.x + left, y=old.y + top)
        for number, points in zip(numbers, component.edges, strict=True):
            lines[number] = tuple(Point(x + left, y + top) for x, y in points)
        furthest, bottom = (
            max(furthest, left + component.width),
            max(bottom, top + component.height),
        )
        left += component.width + _APART
    return Drawing(
        tuple(boxes[box] for box in range(len(sizes))),
        tuple(lines[number] for number in range(len(edges))),
        furthest,
        bottom,
    )


def _transposed_size(size: BoxSize, down: bool) -> BoxSize:
    return size if down else BoxSize(size.height, size.width)


def _transposed(drawing: Drawing) -> Drawing:
    """Exchange rows and columns."""

    return Drawing(
        tuple(Box(box.y, box.x, box.height, box.width) for box in drawing.boxes),
        tuple(tuple(Point(y, x) for x, y in points) for points in drawing.edges),
        drawing.height,
        drawing.width,
    )


def _components(
    count: int, edges: Sequence[tuple[int, int]]
) -> Iterable[tuple[list[int], list[int]]]:
    """Return the connected components: their boxes, and the numbers of their edges."""

    beside: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        beside[a].append(b)
        beside[b].append(a)
    component_of = [-1] * count
    members: list[list[int]] = []
    for start in range(count):
        if component_of[start] >= 0:
            continue
        stack, found = [start], []
        component_of[start] = len(members)
        while stack:
            box = stack.pop()
            found.append(box)
            for other in beside[box]:
                if component_of[other] < 0:
                    component_of[other] = len(members)
                    stack.append(other)
        members.append(sorted(found))
    numbers: dict[int, list[int]] = defaultdict(list)
    for number, (a, _) in enumerate(edges):
        numbers[component_of[a]].append(number)
    return [(boxes, numbers[index]) for index, boxes in enumerate(members)]


def _draw_component(sizes: Sequence[BoxSize], edges: Sequence[tuple[int, int]]) -> Drawing:
    """Draw a connected component in layers below each other."""

    order = assign_layers(len(sizes), edges)
    widths = [size.width for size in sizes]
    for route in order.routes:
        for place in route[1:-1]:
            widths += [_PLACE] * (place + 1 - len(widths))
    middle = _middles(order, widths)
    least = min((middle[box] - widths[box] / 2 for row in order.layers for box in row), default=0.0)
    middle = [round(x - least, 1) for x in middle]
    tops, heights = _tops(order, middle, sizes)
    layer = {box: at for at, row in enumerate(order.layers) for box in row}
    boxes = []
    for box, size in enumerate(sizes):
        above = (heights[layer[box]] - size.height) / 2
        boxes.append(
            Box(round(middle[box] - size.width / 2, 1), round(tops[layer[box]] + above, 1), *size)
        )
    lines = []
    for route, up in zip(order.routes, order.reversed_edges, strict=True):
        aside = _UPWARD_OFFSET if up else 0.0
        points = []
        for box in route:
            x, at = middle[box] + (aside if box < len(sizes) else 0.0), layer[box]
            edge = boxes[box] if box < len(sizes) else None
            begin = edge.y if edge else tops[at]
            end = edge.y + edge.height if edge else tops[at] + heights[at]
            if box == route[0]:
                points += [Point(x, end), Point(x, tops[at] + heights[at])]
            elif box == route[-1]:
                points += [Point(x, tops[at]), Point(x, begin)]
            else:
                points += [Point(x, begin), Point(x, end)]
        points = [Point(round(x, 1), round(y, 1)) for x, y in points]
        lines.append(tuple(reversed(points)) if up else tuple(points))
    width = max((middle[box] + widths[box] / 2 for box in range(len(middle))), default=0.0)
    return Drawing(tuple(boxes), tuple(lines), round(width, 1), round(tops[-1] + heights[-1], 1))


def _tops(
    order: LayeredGraph, middle: Sequence[float], sizes: Sequence[BoxSize]
) -> tuple[list[float], list[float]]:
    """Return the top and the height of each layer.

    The gap above a layer grows with the distance that edges move sideways in it.
    """

    heights = [
        max((sizes[box].height for box in row if box < len(sizes)), default=0.0)
        for row in order.layers
    ]
    layer = {box: at for at, row in enumerate(order.layers) for box in row}
    aside = [0.0] * len(order.layers)
    for a, b in order.links:
        aside[layer[b]] = max(aside[layer[b]], abs(middle[a] - middle[b]))
    tops = [0.0]
    for at in range(1, len(heights)):
        gap = min(_GAP + _STEEP * aside[at], _MOST_GAP)
        tops.append(round(tops[-1] + heights[at - 1] + gap, 1))
    return tops, heights


def _middles(order: LayeredGraph, widths: Sequence[float]) -> list[float]:
    """Return the middle of each box and dummy box across the layers.

    Each is as close to the mean of its neighbours in other layers as those in its own layer allow.
    The rounds alternate between the layers above and below; the last ones consider both.
    """

    above: list[list[tuple[int, float]]] = [[] for _ in widths]
    below: list[list[tuple[int, float]]] = [[] for _ in widths]
    links = Counter(chain.from_iterable(order.links))
    for a, b in order.links:
        weight = (1.0, 2.0, 8.0)[
            (a >= order.boxes) + (b >= order.boxes)
        ]  # keeps long edges straight
        if links[a] == 1 or links[b] == 1:
            weight = 0.2  # boxes with a single edge have little influence
        above[b].append((a, weight))
        below[a].append((b, weight))
    middle = [0.0] * len(widths)
    for row in order.layers:
        offsets = _offsets(row, widths, order.boxes)
        for box, offset in zip(row, offsets, strict=True):
            middle[box] = offset - offsets[-1] / 2
    sides: tuple[Callable[[int], list[tuple[int, float]]], ...] = (
        lambda box: above[box],
        lambda box: below[box],
        lambda box: above[box] + below[box],
    )
    for turn in range(_ROUNDS):
        beside = sides[2 if turn >= _ROUNDS - 4 else turn % 2]
        for row in order.layers if turn % 2 == 0 else reversed(order.layers):
            _settle(row, middle, _offsets(row, widths, order.boxes), beside)
    return middle


def _offsets(row: Sequence[int], widths: Sequence[float], boxes: int) -> list[float]:
    """Return the distances of a layer's middles from the first one, packed as close as possible."""

    found = [0.0]
    for left, right in pairwise(row):
        between = _NARROW if left >= boxes or right >= boxes else _BESIDE
        found.append(found[-1] + (widths[left] + widths[right]) / 2 + between)
    return found


def _settle(
    row: Sequence[int],
    middle: list[float],
    offsets: Sequence[float],
    beside: Callable[[int], list[tuple[int, float]]],
) -> None:
    """Position a layer with the least squared distance of its boxes from their preferred positions.

    Boxes that would come too close to each other are pooled and moved together (pool adjacent
    violators).
    """

    pools: list[tuple[float, float, int]] = []  # weight, preferred position, number of boxes
    for box, offset in zip(row, offsets, strict=True):
        others = beside(box)
        weight = sum(w for _, w in others)
        wish = sum(middle[other] * w for other, w in others) / weight if others else middle[box]
        pool = (weight or 0.05, wish - offset, 1)
        while pools and pools[-1][1] >= pool[1]:
            last = pools.pop()
            total = last[0] + pool[0]
            pool = (total, (last[0] * last[1] + pool[0] * pool[1]) / total, last[2] + pool[2])
        pools.append(pool)
    at = 0
    for _, start, count in pools:
        for _ in range(count):
            middle[row[at]] = start + offsets[at]
            at += 1
