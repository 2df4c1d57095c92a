"""Where things stand in project.yml, for whoever has something to say about them later. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from git_spacy.project.yaml import Node

_NAMING = {"commands": "name", "assets": "dest"}  # what a thing in these lists is known by

Position = tuple[int, int]
"""Line and column, from 1."""
SourceMap = Mapping[tuple[str, ...], Position]
"""By the names that lead there: ("commands", NAME, "deps", PATH), ("assets", DEST, "checksum"),
("workflows", NAME, STEP), and each beginning of these; () is the file itself."""


def build_source_map(root: Node) -> SourceMap:
    """The places in a document; what has another shape than a project has none. Of two things of
    one name the first counts."""

    found: dict[tuple[str, ...], Position] = {(): (1, 1)}
    for key, place in _walk(root):
        found.setdefault(key, place)
    return found


def nearest_position(places: SourceMap, *names: str) -> Position:
    """The place of what `names` lead to, or of the nearest thing around it."""

    while names not in places:
        names = names[:-1]
    return places[names]


def _walk(root: Node) -> Iterator[tuple[tuple[str, ...], Position]]:
    for section, node in _entries(root):
        yield (section,), node.position
        naming = _NAMING.get(section)
        for item in _list(node) if naming else ():
            name = dict(_entries(item)).get(naming or "")
            if name is not None and isinstance(name.value, str):
                yield (section, name.value), name.position
                yield from _parts((section, name.value), item)
        if section == "workflows":
            yield from _parts((section,), node)


def _parts(above: tuple[str, ...], node: Node) -> Iterator[tuple[tuple[str, ...], Position]]:
    for key, inner in _entries(node):
        yield (*above, key), inner.position
        yield from _items((*above, key), inner)


def _items(above: tuple[str, ...], node: Node) -> Iterator[tuple[tuple[str, ...], Position]]:
    for item in _list(node):
        if isinstance(item.value, str):
            yield (*above, item.value), item.position


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.value.items()


def _list(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else []
