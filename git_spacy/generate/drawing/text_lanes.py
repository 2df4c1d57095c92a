"""Lanes beside a list of commands that show dependencies, as in `git log --graph`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

MOST = 12  # lanes that fit beside a text; if there are more, none are drawn
NODE = "●"
# the joint of a lane that comes from above, by its continuations (below, left, right)
_JOINTS = {
    (True, False, True): "├", (True, True, False): "┤", (True, True, True): "┼",
    (False, False, True): "╰", (False, True, False): "╯", (False, True, True): "┴",
}  # fmt: skip


class LaneRow(NamedTuple):
    """The lanes beside the first line of a command, and beside its other lines."""

    head: str
    rest: str


class _Lane(NamedTuple):
    producer: str
    waiting: set[str]  # commands further down


def lane_rows(upstream: Mapping[str, Collection[str]]) -> list[LaneRow]:
    """Return a row for each command in `upstream`, all of the same width.

    `upstream` maps commands, in the order in which they run, to the commands that they depend on.
    Dependencies on a later command have no lane.
    """

    waiting: dict[str, set[str]] = {name: set() for name in upstream}
    seen: set[str] = set()
    for name, producers in upstream.items():
        for producer in seen.intersection(producers):
            waiting[producer].add(name)
        seen.add(name)
    lanes: list[_Lane | None] = []
    rows = []
    for name in upstream:
        feeding = [at for at, lane in enumerate(lanes) if lane and name in lane.waiting]
        own = _column(name, lanes, feeding)
        for at in feeding:
            _lane(lanes, at).waiting.discard(name)
        head = _head(lanes, feeding, own)
        for at in feeding:
            if not _lane(lanes, at).waiting:
                lanes[at] = None
        if own == len(lanes):
            lanes.append(None)
        if waiting[name]:
            lanes[own] = _Lane(name, waiting[name])
        rows.append(LaneRow(head, "".join("│ " if lane else "  " for lane in lanes)))
        if len(lanes) > MOST:
            return [LaneRow("", "")] * len(upstream)
    width = 2 * len(lanes)
    return [LaneRow(f"{row.head:<{width}}", f"{row.rest:<{width}}") for row in rows]


def _lane(lanes: Sequence[_Lane | None], at: int) -> _Lane:
    lane = lanes[at]
    assert lane is not None
    return lane


def _column(name: str, lanes: Sequence[_Lane | None], feeding: Sequence[int]) -> int:
    """Return the column of a lane that ends at this command, or else of the first free one."""

    ending = [at for at in feeding if _lane(lanes, at).waiting == {name}]
    free = [at for at, lane in enumerate(lanes) if lane is None]
    return (ending or free or [len(lanes)])[0]


def _head(lanes: Sequence[_Lane | None], feeding: Collection[int], own: int) -> str:
    first, last = min((*feeding, own)), max((*feeding, own))
    cells = []
    for at in range(max(len(lanes), own + 1)):
        lane = lanes[at] if at < len(lanes) else None
        between = first < at < last
        if at == own:
            cell = NODE
        elif at in feeding:
            cell = _JOINTS[bool(_lane(lanes, at).waiting), at > first, at < last]
        else:
            cell = "│" if lane else "─" if between else " "
        cells.append(cell + ("─" if first <= at < last else " "))
    return "".join(cells)
