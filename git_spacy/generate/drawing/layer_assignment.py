"""The layers of boxes and their order in each layer: the first half of a layered drawing.

After Sugiyama, Tagawa and Toda: cycles are cut, every box is one layer below the last box that it
depends on, edges across several layers pass through a dummy box in each, and the boxes of a layer
are ordered to reduce crossings.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from git_spacy.project.graph import topological_sort

_MAX_DUMMIES = 20_000  # dummy boxes; if there are more, long edges have none
_LONG = 12  # layers that an edge may cross if there would be too many dummy boxes


class LayeredGraph(NamedTuple):
    """Boxes in layers, with dummy boxes for edges that cross several layers.

    Boxes have the numbers 0 to `boxes` - 1, and dummy boxes the numbers above. `routes` has the
    boxes and dummy boxes of each edge, from top to bottom, `reversed_edges` says which edges point
    up, and `links` are the connected pairs in adjacent layers.
    """

    boxes: int
    layers: list[list[int]]
    routes: list[list[int]]
    reversed_edges: list[bool]
    links: list[tuple[int, int]]


def assign_layers(count: int, edges: Sequence[tuple[int, int]]) -> LayeredGraph:
    """Arrange `count` boxes in layers with few crossings; the result is deterministic."""

    reversed_edges = _cycle_edges(count, edges)
    pairs = [(b, a) if up else (a, b) for (a, b), up in zip(edges, reversed_edges, strict=True)]
    layer = _layer(count, pairs)
    routes = _routes(pairs, layer)
    links = list(
        dict.fromkeys(
            (a, b) for route in routes for a, b in pairwise(route) if layer[b] - layer[a] == 1
        )
    )
    layers = _ordered(layer, links)
    return LayeredGraph(count, layers, routes, reversed_edges, links)


def _cycle_edges(count: int, edges: Sequence[tuple[int, int]]) -> list[bool]:
    """Return for each edge whether it would close a cycle."""

    above: dict[int, list[int]] = {box: [] for box in range(count)}
    for a, b in edges:
        above[b].append(a)
    place = {box: at for at, box in enumerate(topological_sort(above))}
    return [place[a] > place[b] for a, b in edges]


def _layer(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the layer of each box.

    It is below all boxes that the box depends on. A box without dependencies is directly above the
    first box that depends on it.
    """

    above: dict[int, list[int]] = {box: [] for box in range(count)}
    below: dict[int, list[int]] = {box: [] for box in range(count)}
    for a, b in pairs:
        above[b].append(a)
        below[a].append(b)
    layer = [0] * count
    for box in topological_sort(above):
        layer[box] = max((layer[other] + 1 for other in above[box]), default=0)
    for box in range(count):
        if not above[box] and below[box]:
            layer[box] = min(layer[other] for other in below[box]) - 1
    return layer


def _routes(pairs: Sequence[tuple[int, int]], layer: list[int]) -> list[list[int]]:
    """Return the boxes and dummy boxes of each edge; append the layers of dummy boxes to `layer`.

    Edges that start at the same box share their dummy boxes.
    """

    needed = sum(layer[b] - layer[a] - 1 for a, b in pairs)
    longest = _LONG if needed > _MAX_DUMMIES else needed + 1
    dummies: dict[tuple[int, int], int] = {}
    routes = []
    for a, b in pairs:
        route = [a]
        if layer[b] - layer[a] <= longest:
            for level in range(layer[a] + 1, layer[b]):
                if (a, level) not in dummies:
                    dummies[a, level] = len(layer)
                    layer.append(level)
                route.append(dummies[a, level])
        routes.append([*route, b])
    return routes


def _ordered(layer: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the layers, each in an order with few crossings.

    Boxes are sorted by the mean position of their neighbours, downwards and upwards in turn, and
    the best order is returned.
    """

    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    layers = _initial_order(layer, above, below)
    best, fewest = [list(row) for row in layers], _crossings(layers, below)
    for turn in range(_rounds(len(layer))):
        down = turn % 2 == 0
        beside = above if down else below
        for row in layers if down else reversed(layers):
            _sort(row, beside, layers, layer)
        _exchange(layers, above, below)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in layers], crossings
        if not fewest:
            break
    return best


def _rounds(count: int) -> int:
    return 24 if count < 500 else 8 if count < 3000 else 4


def _initial_order(
    layer: Sequence[int], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Return the layers in the order of a depth-first search, which keeps components together."""

    layers: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    seen = [False] * len(layer)
    for start in range(len(layer)):
        stack = [start]
        while stack:
            box = stack.pop()
            if seen[box]:
                continue
            seen[box] = True
            layers[layer[box]].append(box)
            stack += [*reversed(below[box]), *reversed(above[box])]
    return layers


def _sort(
    row: list[int], beside: Sequence[Sequence[int]], layers: list[list[int]], layer: Sequence[int]
) -> None:
    others = {other for box in row for other in beside[box]}
    if not others:
        return
    neighbours = layers[layer[next(iter(others))]]
    place = {box: at for at, box in enumerate(neighbours)}
    scale = len(neighbours) / max(len(row), 1)
    key = {
        box: sum(place[other] for other in beside[box]) / len(beside[box])
        if beside[box]
        else at * scale
        for at, box in enumerate(row)
    }
    row.sort(key=key.__getitem__)


def _exchange(
    layers: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Exchange adjacent boxes if that reduces crossings."""

    for at, row in enumerate(layers):
        places = [
            {box: number for number, box in enumerate(other)}
            for other in (
                layers[at - 1] if at else [],
                layers[at + 1] if at + 1 < len(layers) else [],
            )
        ]
        sides = [
            {box: sorted(place[other] for other in beside[box] if other in place) for box in row}
            for place, beside in zip(places, (above, below), strict=True)
        ]
        for left in range(len(row) - 1):
            a, b = row[left], row[left + 1]
            crossings = sum(_between(side[a], side[b]) for side in sides)
            crossings_if_swapped = sum(_between(side[b], side[a]) for side in sides)
            if crossings_if_swapped < crossings:
                row[left], row[left + 1] = b, a


def _between(left: Sequence[int], right: Sequence[int]) -> int:
    """Count the crossings between the links of a box and those of the box to its right.

    The arguments are the sorted positions of the links' other ends.
    """

    return sum(len(left) - bisect_left(left, place + 1) for place in right)


def _crossings(layers: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    found = 0
    for row, other in pairwise(layers):
        place = {box: at for at, box in enumerate(other)}
        passed: list[int] = []
        for box in row:
            ends = sorted(place[end] for end in below[box])
            found += sum(len(passed) - bisect_left(passed, end + 1) for end in ends)
            for end in ends:
                insort(passed, end)
    return found
