"""Where each box of a layered drawing stands and which way each edge goes: its second half. Pure.

Lengths are in pixels. Boxes that hang together are drawn together, and each such drawing stands
beside or below the one before. An edge leaves a box, crosses the gap to the next layer as a curve
and a layer as a straight line, in a place of its own: so it runs through no box.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from git_spacy.generate.drawing.layer_assignment import LayeredGraph, assign_layers

_BESIDE = 22.0  # between two boxes of a layer
_NARROW = 14.0  # where one of them is a place that an edge goes through
_PLACE = 4.0  # the width of such a place
_GAP = 34.0  # between two layers, at least
_STEEP = 0.12  # what is added to it for each pixel that an edge goes aside …
_MOST_GAP = 130.0  # … up to this
_APART = 40.0  # between drawings of what does not hang together
_TURNED = 9.0  # how far beside the others an edge begins that points up
_ROUNDS = 12


class BoxSize(NamedTuple):
    """Of a box."""

    width: float
    height: float


class Point(NamedTuple):
    """From the upper left corner."""

    x: float
    y: float


class Box(NamedTuple):
    """Its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


class Drawing(NamedTuple):
    """Boxes and edges, in the order in which they were given, and how large it all is. An edge is
    its points: straight from the first to the second, a curve to the third, and so on in turn."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def place_boxes(
    sizes: Sequence[BoxSize], edges: Sequence[tuple[int, int]], *, down: bool, width: float
) -> Drawing:
    """Boxes of these `sizes` with `edges` between them (from, to), in layers one below the other
    (`down`) or one beside the other. What does not hang together is side by side up to `width`."""

    boxes: dict[int, Box] = {}
    lines: dict[int, tuple[Point, ...]] = {}
    left = top = bottom = furthest = 0.0
    for members, numbers in _together(len(sizes), edges):
        inner = {box: at for at, box in enumerate(members)}
        one = _drawn(
            [_turned(sizes[box], down) for box in members],
            [(inner[edges[number][0]], inner[edges[number][1]]) for number in numbers],
        )
        one = one if down else _flipped(one)
        if left and left + one.width > width:
            left, top = 0.0, bottom + _APART
        for box, at in inner.items():
            old = one.boxes[at]
            boxes[box] = old._replace(x=old.x + left, y=old.y + top)
        for number, points in zip(numbers, one.edges, strict=True):
            lines[number] = tuple(Point(x + left, y + top) for x, y in points)
        furthest, bottom = max(furthest, left + one.width), max(bottom, top + one.height)
        left += one.width + _APART
    return Drawing(
        tuple(boxes[box] for box in range(len(sizes))),
        tuple(lines[number] for number in range(len(edges))),
        furthest,
        bottom,
    )


def _turned(size: BoxSize, down: bool) -> BoxSize:
    return size if down else BoxSize(size.height, size.width)


def _flipped(one: Drawing) -> Drawing:
    """With rows for columns."""

    return Drawing(
        tuple(Box(box.y, box.x, box.height, box.width) for box in one.boxes),
        tuple(tuple(Point(y, x) for x, y in points) for points in one.edges),
        one.height,
        one.width,
    )


def _together(
    count: int, edges: Sequence[tuple[int, int]]
) -> Iterable[tuple[list[int], list[int]]]:
    """Boxes that hang together, with the numbers of their edges."""

    beside: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        beside[a].append(b)
        beside[b].append(a)
    part = [-1] * count
    members: list[list[int]] = []
    for start in range(count):
        if part[start] >= 0:
            continue
        way, found = [start], []
        part[start] = len(members)
        while way:
            box = way.pop()
            found.append(box)
            for other in beside[box]:
                if part[other] < 0:
                    part[other] = len(members)
                    way.append(other)
        members.append(sorted(found))
    numbers: dict[int, list[int]] = defaultdict(list)
    for number, (a, _) in enumerate(edges):
        numbers[part[a]].append(number)
    return [(boxes, numbers[at]) for at, boxes in enumerate(members)]


def _drawn(sizes: Sequence[BoxSize], edges: Sequence[tuple[int, int]]) -> Drawing:
    """What hangs together, in layers one below the other."""

    order = assign_layers(len(sizes), edges)
    widths = [size.width for size in sizes]
    for route in order.routes:
        for place in route[1:-1]:
            widths += [_PLACE] * (place + 1 - len(widths))
    middle = _middles(order, widths)
    least = min((middle[box] - widths[box] / 2 for one in order.layers for box in one), default=0.0)
    middle = [round(x - least, 1) for x in middle]
    tops, heights = _tops(order, middle, sizes)
    layer = {box: at for at, one in enumerate(order.layers) for box in one}
    boxes = []
    for box, size in enumerate(sizes):
        above = (heights[layer[box]] - size.height) / 2
        boxes.append(
            Box(round(middle[box] - size.width / 2, 1), round(tops[layer[box]] + above, 1), *size)
        )
    lines = []
    for route, up in zip(order.routes, order.reversed_edges, strict=True):
        aside = _TURNED if up else 0.0
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
    """Where each layer begins, and how high it is. The gap above it is the larger, the further an
    edge goes aside in it."""

    heights = [
        max((sizes[box].height for box in one if box < len(sizes)), default=0.0)
        for one in order.layers
    ]
    layer = {box: at for at, one in enumerate(order.layers) for box in one}
    aside = [0.0] * len(order.layers)
    for a, b in order.links:
        aside[layer[b]] = max(aside[layer[b]], abs(middle[a] - middle[b]))
    tops = [0.0]
    for at in range(1, len(heights)):
        gap = min(_GAP + _STEEP * aside[at], _MOST_GAP)
        tops.append(round(tops[-1] + heights[at - 1] + gap, 1))
    return tops, heights


def _middles(order: LayeredGraph, widths: Sequence[float]) -> list[float]:
    """The middle of each box and place across the layers: as near to the mean of what it hangs
    together with as its neighbours allow, down, up, and both ways in turn."""

    above: list[list[tuple[int, float]]] = [[] for _ in widths]
    below: list[list[tuple[int, float]]] = [[] for _ in widths]
    links = Counter(chain.from_iterable(order.links))
    for a, b in order.links:
        weight = (1.0, 2.0, 8.0)[(a >= order.boxes) + (b >= order.boxes)]  # long edges are straight
        if links[a] == 1 or links[b] == 1:
            weight = 0.2  # what ends here stands aside
        above[b].append((a, weight))
        below[a].append((b, weight))
    middle = [0.0] * len(widths)
    for one in order.layers:
        offsets = _offsets(one, widths, order.boxes)
        for box, offset in zip(one, offsets, strict=True):
            middle[box] = offset - offsets[-1] / 2
    sides: tuple[Callable[[int], list[tuple[int, float]]], ...] = (
        lambda box: above[box],
        lambda box: below[box],
        lambda box: above[box] + below[box],
    )
    for turn in range(_ROUNDS):
        beside = sides[2 if turn >= _ROUNDS - 4 else turn % 2]
        for one in order.layers if turn % 2 == 0 else reversed(order.layers):
            _settle(one, middle, _offsets(one, widths, order.boxes), beside)
    return middle


def _offsets(one: Sequence[int], widths: Sequence[float], boxes: int) -> list[float]:
    """How far the middles of a layer are from that of its first, if all stand close."""

    found = [0.0]
    for left, right in pairwise(one):
        between = _NARROW if left >= boxes or right >= boxes else _BESIDE
        found.append(found[-1] + (widths[left] + widths[right]) / 2 + between)
    return found


def _settle(
    one: Sequence[int],
    middle: list[float],
    offsets: Sequence[float],
    beside: Callable[[int], list[tuple[int, float]]],
) -> None:
    """Put a layer where the squares of the distances from where each box would be are least, and
    none comes nearer to the next than it may: neighbours that would are pooled."""

    pools: list[tuple[float, float, int]] = []  # weight, where it would be, how many
    for box, offset in zip(one, offsets, strict=True):
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
            middle[one[at]] = start + offsets[at]
            at += 1
