"""Names as a picture may show them: one line, nothing that a terminal or a parser obeys, measured.

A cell is the width of a letter in a terminal or in a monospaced font; what is wider than that
counts as two, so that a text never needs more room than is said here.
"""

from __future__ import annotations

import re
import unicodedata

from git_spacy.errors import escape_controls, redact

LONGEST = 300  # cells of a text that nobody sees at once: a tooltip
# what no XML document may have, and marks that turn the direction of what comes after
_UNSEEN = re.compile("[\u061c\u200e\u200f\ufeff\ufffe\uffff]|[\U0001fffe-\U0010ffff]")
_LATIN = 0x530  # below it letters are as wide as ours: Latin, Greek, Cyrillic


def single_line(text: str, most: int = LONGEST) -> str:
    """`text` in one line of at most `most` cells, with what cannot be seen written out."""

    words = " ".join(escape_controls(redact(text)).split())
    seen = _UNSEEN.sub(_written, words)
    return shorten(seen, most) if display_width(seen) else "(blank)"


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code > 0x1FFFF and code & 0xFFFF < 0xFFFE:
        return match[0]  # another character beyond the basic plane
    return f"\\u{code:04x}"


def display_width(text: str) -> int:
    """The room that `text` needs in a terminal."""

    return len(text) if text.isascii() else sum(map(_cell, text))


def image_width(text: str) -> int:
    """The room that it needs in a picture, where the font of other scripts is not known."""

    if text.isascii():
        return len(text)
    return sum(2 if _cell(one) and ord(one) >= _LATIN else _cell(one) for one in text)


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, most: int) -> str:
    """`text` in at most `most` cells, without its middle if it is longer: paths differ at their
    ends."""

    if display_width(text) <= most:
        return text
    tail = _taken(text[::-1], most // 2)[::-1]
    return f"{_taken(text, most - 1 - most // 2)}…{tail}"


def _taken(text: str, most: int) -> str:
    """The first characters that need no more than `most` cells."""

    used = 0
    for at, character in enumerate(text):
        used += _cell(character)
        if used > most:
            return text[:at]
    return text
