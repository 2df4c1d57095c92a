"""The lanes beside a list of commands, as `git log --graph` has them: who waits for whom. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

MOST = 12  # lanes that fit beside a text; with more of them none are drawn
NODE = "●"
# a lane that comes from above, by whether it goes on (below, to the left, to the right)
_JOINTS = {
    (True, False, True): "├", (True, True, False): "┤", (True, True, True): "┼",
    (False, False, True): "╰", (False, True, False): "╯", (False, True, True): "┴",
}  # fmt: skip


class LaneRow(NamedTuple):
    """What stands beside a command's own line, and beside the lines below it."""

    head: str
    rest: str


class _Lane(NamedTuple):
    maker: str
    waiting: set[str]  # commands further down


def lane_rows(needs: Mapping[str, Collection[str]]) -> list[LaneRow]:
    """A row for each command in `needs`, which are in the order in which they run; all of one
    width. What a later command makes for an earlier one has no lane."""

    waiting: dict[str, set[str]] = {name: set() for name in needs}
    seen: set[str] = set()
    for name, makers in needs.items():
        for maker in seen.intersection(makers):
            waiting[maker].add(name)
        seen.add(name)
    lanes: list[_Lane | None] = []
    found = []
    for name in needs:
        feeding = [at for at, lane in enumerate(lanes) if lane and name in lane.waiting]
        own = _column(name, lanes, feeding)
        for at in feeding:
            _lane_index(lanes, at).waiting.discard(name)
        head = _head(lanes, feeding, own)
        for at in feeding:
            if not _lane_index(lanes, at).waiting:
                lanes[at] = None
        if own == len(lanes):
            lanes.append(None)
        if waiting[name]:
            lanes[own] = _Lane(name, waiting[name])
        found.append(LaneRow(head, "".join("│ " if lane else "  " for lane in lanes)))
        if len(lanes) > MOST:
            return [LaneRow("", "")] * len(needs)
    width = 2 * len(lanes)
    return [LaneRow(f"{row.head:<{width}}", f"{row.rest:<{width}}") for row in found]


def _lane_index(lanes: Sequence[_Lane | None], at: int) -> _Lane:
    lane = lanes[at]
    assert lane is not None
    return lane


def _column(name: str, lanes: Sequence[_Lane | None], feeding: Sequence[int]) -> int:
    """Where a lane ends here, else where none is."""

    ending = [at for at in feeding if _lane_index(lanes, at).waiting == {name}]
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
            cell = _JOINTS[bool(_lane_index(lanes, at).waiting), at > first, at < last]
        else:
            cell = "│" if lane else "─" if between else " "
        cells.append(cell + ("─" if first <= at < last else " "))
    return "".join(cells)
