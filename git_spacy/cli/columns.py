"""Lay out columns of text in a given width. Pure.

A column is shown whole or not at all: numbers are never cut. The middle of a text may be replaced
by `…`, as long as different texts stay different.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_spacy.generate.drawing.label import display_width, shorten

_GAP = 2
_TEXT_WIDTHS = (32, 24, 16)
_UNFOLDED = 12  # titles of up to this many cells stay on one line


class Column(NamedTuple):
    """A title and one cell per row.

    `bold` has the numbers of the rows to emphasize. Columns with the highest `rank` are left out
    first. Text is aligned to the left and may be shortened; anything else is aligned to the right.
    """

    title: str
    cells: tuple[str, ...]
    rank: int = 0
    is_text: bool = False
    bold: frozenset[int] = frozenset()


class Fitted(NamedTuple):
    """The columns that fit, and the titles of those that do not, both in their original order."""

    columns: tuple[Column, ...]
    left_out: tuple[str, ...]


def fitted(columns: Sequence[Column], width: int | None) -> Fitted:
    """Return the columns that fit into `width` terminal cells; all of them if it is None."""

    if width is None:
        return Fitted(tuple(columns), ())
    narrowed = list(columns)
    for limit in _TEXT_WIDTHS:
        narrowed = [_narrowed(column, limit) for column in columns]
        if _width([column for column in narrowed if column.rank < 2]) <= width:
            break
    numbers = list(range(len(narrowed)))
    while numbers and _width([narrowed[number] for number in numbers]) > width:
        numbers.remove(max(numbers, key=lambda number: (narrowed[number].rank, number)))
    left_out = [column.title for number, column in enumerate(columns) if number not in numbers]
    return Fitted(tuple(narrowed[number] for number in numbers), tuple(left_out))


class StyledLine(NamedTuple):
    """A line in pieces; each is a text and whether to emphasize it."""

    pieces: tuple[tuple[str, bool], ...]

    def __str__(self) -> str:
        return "".join(text for text, _ in self.pieces).rstrip()


def lines(columns: Sequence[Column]) -> list[StyledLine]:
    """Return the lines of the titles, then one line per row."""

    if not columns:
        return []
    widths = [_column_width(column) for column in columns]
    titles = [_folded(column.title, width) for column, width in zip(columns, widths, strict=True)]
    height = max(map(len, titles))
    return [
        StyledLine(tuple(_pieces_of_line(columns, widths, titles, number - height)))
        for number in range(height + len(columns[0].cells))
    ]


def _pieces_of_line(
    columns: Sequence[Column], widths: Sequence[int], titles: Sequence[Sequence[str]], number: int
) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of row `number`; negative numbers are lines of the titles, -1 the last."""

    for column, width, title in zip(columns, widths, titles, strict=True):
        above = title[number] if number < 0 and -number <= len(title) else ""
        text = column.cells[number] if number >= 0 else above
        space = " " * (width - display_width(text))
        padded = text + space if column.is_text else space + text
        yield " " * _GAP + padded, number in column.bold


def _width(columns: Sequence[Column]) -> int:
    return sum(_GAP + _column_width(column) for column in columns)


def _column_width(column: Column) -> int:
    """Return the width of the widest cell or piece of the title; long titles can be folded."""

    title = [column.title] if display_width(column.title) <= _UNFOLDED else _pieces(column.title)
    return max(0, *map(display_width, column.cells), *map(display_width, title))


def _pieces(title: str) -> list[str]:
    return re.findall(r"[^.:]*[.:]?", title)


def _folded(title: str, width: int) -> list[str]:
    """Break a title at dots and colons: `ents_per_type.` above `GPE.f`."""

    lines = [""]
    for segment in _pieces(title):
        if display_width(lines[-1] + segment) > width:
            lines.append("")
        lines[-1] += segment
    return lines


def _narrowed(column: Column, limit: int) -> Column:
    if not column.is_text:
        return column
    short = tuple(shorten(text, limit) for text in column.cells)
    is_unambiguous = len(set(short)) == len(set(column.cells))
    return column._replace(cells=short) if is_unambiguous else column
