"""Which box stands in which layer and in which order: the first half of a layered drawing. Pure.

After Sugiyama, Tagawa and Toda: circles are cut, every box comes one layer after the last that it
hangs on, an edge across several layers goes through a place in each, and the order in a layer is
that with few crossings. It knows no sizes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from git_spacy.project.graph import topological_sort

_MOST_PLACES = 20_000  # that edges go through; beyond this long ones go straight
_LONG = 12  # layers, if there are more places than that


class LayeredGraph(NamedTuple):
    """Boxes are 0 … `boxes` - 1; what is above are places that edges go through. `routes` has the
    boxes and places of each edge, from the upper to the lower one; `turned` says which edges point
    up; `links` are the pairs that hang together, one layer apart."""

    boxes: int
    layers: list[list[int]]
    routes: list[list[int]]
    reversed_edges: list[bool]
    links: list[tuple[int, int]]


def assign_layers(count: int, edges: Sequence[tuple[int, int]]) -> LayeredGraph:
    """`count` boxes in layers, in an order with few crossings. The same for the same input."""

    turned = _turned(count, edges)
    pairs = [(b, a) if up else (a, b) for (a, b), up in zip(edges, turned, strict=True)]
    layer = _layer(count, pairs)
    routes = _routes(pairs, layer)
    links = list(
        dict.fromkeys(
            (a, b) for route in routes for a, b in pairwise(route) if layer[b] - layer[a] == 1
        )
    )
    layers = _ordered(layer, links)
    return LayeredGraph(count, layers, routes, turned, links)


def _turned(count: int, edges: Sequence[tuple[int, int]]) -> list[bool]:
    """Which edges would close a circle."""

    above: dict[int, list[int]] = {box: [] for box in range(count)}
    for a, b in edges:
        above[b].append(a)
    place = {box: at for at, box in enumerate(topological_sort(above))}
    return [place[a] > place[b] for a, b in edges]


def _layer(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: below all that it hangs on; what hangs on nothing stands right above
    the first that hangs on it."""

    above: dict[int, list[int]] = {box: [] for box in range(count)}
    below: dict[int, list[int]] = {box: [] for box in range(count)}
    for a, b in pairs:
        above[b].append(a)
        below[a].append(b)
    layer = [0] * count
    for box in topological_sort(above):
        layer[box] = max((layer[one] + 1 for one in above[box]), default=0)
    for box in range(count):
        if not above[box] and below[box]:
            layer[box] = min(layer[one] for one in below[box]) - 1
    return layer


def _routes(pairs: Sequence[tuple[int, int]], layer: list[int]) -> list[list[int]]:
    """The boxes and places of each edge. Edges that leave one box share their places. Appends the
    layer of each place to `layer`."""

    needed = sum(layer[b] - layer[a] - 1 for a, b in pairs)
    longest = _LONG if needed > _MOST_PLACES else needed + 1
    places: dict[tuple[int, int], int] = {}
    routes = []
    for a, b in pairs:
        route = [a]
        if layer[b] - layer[a] <= longest:
            for at in range(layer[a] + 1, layer[b]):
                if (a, at) not in places:
                    places[a, at] = len(layer)
                    layer.append(at)
                route.append(places[a, at])
        routes.append([*route, b])
    return routes


def _ordered(layer: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The layers, each in an order with few crossings: that of the neighbours' mean, down and up
    again; the best that was seen."""

    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    layers = _first(layer, above, below)
    best, fewest = [list(one) for one in layers], _crossings(layers, below)
    for turn in range(_turns(len(layer))):
        down = turn % 2 == 0
        beside = above if down else below
        for one in layers if down else reversed(layers):
            _sort(one, beside, layers, layer)
        _exchange(layers, above, below)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(one) for one in layers], crossings
        if not fewest:
            break
    return best


def _turns(count: int) -> int:
    return 24 if count < 500 else 8 if count < 3000 else 4


def _first(
    layer: Sequence[int], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> list[list[int]]:
    """The layers as a walk along the links finds their boxes: what hangs together is together."""

    layers: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    seen = [False] * len(layer)
    for start in range(len(layer)):
        way = [start]
        while way:
            one = way.pop()
            if seen[one]:
                continue
            seen[one] = True
            layers[layer[one]].append(one)
            way += [*reversed(below[one]), *reversed(above[one])]
    return layers


def _sort(
    one: list[int], beside: Sequence[Sequence[int]], layers: list[list[int]], layer: Sequence[int]
) -> None:
    others = {other for box in one for other in beside[box]}
    if not others:
        return
    neighbours = layers[layer[next(iter(others))]]
    place = {box: at for at, box in enumerate(neighbours)}
    scale = len(neighbours) / max(len(one), 1)
    key = {
        box: sum(place[other] for other in beside[box]) / len(beside[box])
        if beside[box]
        else at * scale
        for at, box in enumerate(one)
    }
    one.sort(key=key.__getitem__)


def _exchange(
    layers: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Exchange two that stand side by side, where that leaves fewer crossings."""

    for at, one in enumerate(layers):
        places = [
            {box: number for number, box in enumerate(other)}
            for other in (
                layers[at - 1] if at else [],
                layers[at + 1] if at + 1 < len(layers) else [],
            )
        ]
        sides = [
            {box: sorted(place[other] for other in beside[box] if other in place) for box in one}
            for place, beside in zip(places, (above, below), strict=True)
        ]
        for left in range(len(one) - 1):
            a, b = one[left], one[left + 1]
            kept = sum(_between(side[a], side[b]) for side in sides)
            turned = sum(_between(side[b], side[a]) for side in sides)
            if turned < kept:
                one[left], one[left + 1] = b, a


def _between(left: Sequence[int], right: Sequence[int]) -> int:
    """How often links of a box cross those of the one to its right, by the (sorted) places of
    their other ends."""

    return sum(len(left) - bisect_left(left, place + 1) for place in right)


def _crossings(layers: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    found = 0
    for one, other in pairwise(layers):
        place = {box: at for at, box in enumerate(other)}
        passed: list[int] = []
        for box in one:
            ends = sorted(place[end] for end in below[box])
            found += sum(len(passed) - bisect_left(passed, end + 1) for end in ends)
            for end in ends:
                insort(passed, end)
    return found
