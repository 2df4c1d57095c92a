"""Write text of others into a page: as it is, never as markup, and without invisible characters."""

from __future__ import annotations

from html import escape

from git_spacy.generate.drawing.label import escape_invisible, single_line

_LONGEST = 200  # characters of one line


def line(text: str, most: int = _LONGEST) -> str:
    """Return text for one line of an element or for an attribute; "" stays empty."""

    return escape(single_line(text, most)) if text else ""


def block(text: str) -> str:
    """Return text of several lines for an element that keeps them."""

    return escape(escape_invisible(text))
