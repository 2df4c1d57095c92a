"""Columns of text beside each other, fitted to a width. Pure.

A column is there as a whole or not at all: no number is ever cut. A text may lose its middle, with
a `…` in its place, as long as two that differ still do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_spacy.generate.drawing.label import display_width, shorten

_GAP = 2
_TEXT_WIDTHS = (32, 24, 16)
_UNFOLDED = 12  # a title of that many cells stands in one line


class Column(NamedTuple):
    """A title, and for each row a cell; `bold` are the numbers of the rows to stand out. The higher
    its `rank` the sooner a column has to go. Texts stand to the left, and may be shortened."""

    title: str
    cells: tuple[str, ...]
    rank: int = 0
    is_text: bool = False
    bold: frozenset[int] = frozenset()


class Fitted(NamedTuple):
    """The columns that there is room for, and the titles of the others, in their order."""

    columns: tuple[Column, ...]
    left_out: tuple[str, ...]


def fitted(columns: Sequence[Column], width: int | None) -> Fitted:
    """What fits into `width` cells; None is all the room there is."""

    if width is None:
        return Fitted(tuple(columns), ())
    kept = list(columns)
    for limit in _TEXT_WIDTHS:
        kept = [_narrowed(column, limit) for column in columns]
        if _width([column for column in kept if column.rank < 2]) <= width:
            break
    numbers = list(range(len(kept)))
    while numbers and _width([kept[number] for number in numbers]) > width:
        numbers.remove(max(numbers, key=lambda number: (kept[number].rank, number)))
    left_out = [one.title for number, one in enumerate(columns) if number not in numbers]
    return Fitted(tuple(kept[number] for number in numbers), tuple(left_out))


class StyledLine(NamedTuple):
    """One line in pieces, each with whether it is to stand out."""

    pieces: tuple[tuple[str, bool], ...]

    def __str__(self) -> str:
        return "".join(text for text, _ in self.pieces).rstrip()


def lines(columns: Sequence[Column]) -> list[StyledLine]:
    """The titles, in as many lines as they need, and a line for each row."""

    if not columns:
        return []
    widths = [_needed(column) for column in columns]
    titles = [_folded(one.title, width) for one, width in zip(columns, widths, strict=True)]
    height = max(map(len, titles))
    return [
        StyledLine(tuple(_pieces_of_line(columns, widths, titles, number - height)))
        for number in range(height + len(columns[0].cells))
    ]


def _pieces_of_line(
    columns: Sequence[Column], widths: Sequence[int], titles: Sequence[Sequence[str]], number: int
) -> Iterator[tuple[str, bool]]:
    """Those of the row with this number; of the titles below 0, of which -1 is the lowest line."""

    for column, width, title in zip(columns, widths, titles, strict=True):
        above = title[number] if number < 0 and -number <= len(title) else ""
        text = column.cells[number] if number >= 0 else above
        space = " " * (width - display_width(text))
        beside = text + space if column.is_text else space + text
        yield " " * _GAP + beside, number in column.bold


def _width(columns: Sequence[Column]) -> int:
    return sum(_GAP + _needed(column) for column in columns)


def _needed(column: Column) -> int:
    """The width of the widest cell, and of the title, which can be folded where it is long."""

    title = [column.title] if display_width(column.title) <= _UNFOLDED else _pieces(column.title)
    return max(0, *map(display_width, column.cells), *map(display_width, title))


def _pieces(title: str) -> list[str]:
    return re.findall(r"[^.:]*[.:]?", title)


def _folded(title: str, width: int) -> list[str]:
    """The title in lines: `ents_per_type.` above `GPE.f`."""

    found = [""]
    for piece in _pieces(title):
        if display_width(found[-1] + piece) > width:
            found.append("")
        found[-1] += piece
    return found


def _narrowed(column: Column, limit: int) -> Column:
    if not column.is_text:
        return column
    short = tuple(shorten(text, limit) for text in column.cells)
    tells_apart = len(set(short)) == len(set(column.cells))
    return column._replace(cells=short) if tells_apart else column
