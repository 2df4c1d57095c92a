"""The positions of the named items of project.yml, for messages about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from git_spacy.project.documents import Node

_NAME_KEYS = {"commands": "name", "assets": "dest"}  # the keys that identify items of these lists

Position = tuple[int, int]
"""Line and column, from 1."""
SourceMap = Mapping[tuple[str, ...], Position]
"""Positions by path: ("commands", NAME, "deps", PATH), ("assets", DEST, "checksum"),
("workflows", NAME, STEP), and every prefix of these; () is the file itself."""


def build_source_map(root: Node) -> SourceMap:
    """Return the positions of the items in a document.

    Items of an unexpected type are left out. Of two items with the same name, the first counts.
    """

    positions: dict[tuple[str, ...], Position] = {(): (1, 1)}
    for path, position in _walk(root):
        positions.setdefault(path, position)
    return positions


def nearest_position(positions: SourceMap, *path: str) -> Position:
    """Return the position of `path`, or of the innermost known item that contains it."""

    while path not in positions:
        path = path[:-1]
    return positions[path]


def _walk(root: Node) -> Iterator[tuple[tuple[str, ...], Position]]:
    for section, node in _entries(root):
        yield (section,), node.position
        name_key = _NAME_KEYS.get(section)
        for item in _items(node) if name_key else ():
            name = dict(_entries(item)).get(name_key or "")
            if name is not None and isinstance(name.value, str):
                yield (section, name.value), name.position
                yield from _walk_entries((section, name.value), item)
        if section == "workflows":
            yield from _walk_entries((section,), node)
        elif section == "directories":
            yield from _walk_items((section,), node)


def _walk_entries(
    prefix: tuple[str, ...], node: Node
) -> Iterator[tuple[tuple[str, ...], Position]]:
    for key, inner in _entries(node):
        yield (*prefix, key), inner.position
        yield from _walk_items((*prefix, key), inner)


def _walk_items(prefix: tuple[str, ...], node: Node) -> Iterator[tuple[tuple[str, ...], Position]]:
    for item in _items(node):
        if isinstance(item.value, str):
            yield (*prefix, item.value), item.position


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.value.items()


def _items(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else []
