"""Labels: single-line, printable texts, with their width and shortened to fit.

A cell is the width of a letter in a terminal or in a monospaced font. Wider characters count as two
cells, so that a text never needs more room than computed here.
"""

from __future__ import annotations

import re
import unicodedata

from git_spacy.errors import escape_controls, redact

LONGEST = 300  # cells of a long text, such as a tooltip
# characters that XML does not allow, and marks that change the direction of text
_INVISIBLE = re.compile("[\u061c\u200e\u200f\ufeff\ufffe\uffff]|[\U0001fffe-\U0010ffff]")
_WORD = re.compile(r"[^/ _.-]*[/ _.-]+|[^/ _.-]+")  # with the separator after it
_FIRST_OTHER_SCRIPT = 0x530  # characters below it are Latin, Greek or Cyrillic, one cell wide


def single_line(text: str, most: int = LONGEST) -> str:
    """Return `text` on one line of at most `most` cells, with invisible characters escaped."""

    visible = " ".join(escape_invisible(text).split())
    return shorten(visible, most) if display_width(visible) else "(blank)"


def escape_invisible(text: str) -> str:
    """Return `text` with credentials redacted and invisible characters escaped, but for spaces,
    tabs and line breaks."""

    return _INVISIBLE.sub(_escape, escape_controls(redact(text)))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code > 0x1FFFF and code & 0xFFFF < 0xFFFE:
        return match[0]  # an ordinary character outside the Basic Multilingual Plane
    return f"\\u{code:04x}"


def display_width(text: str) -> int:
    """Return the width of `text` in a terminal, in cells."""

    return len(text) if text.isascii() else sum(map(_cells, text))


def image_width(text: str) -> int:
    """Return the maximum width of `text` in an image, where fonts of other scripts can be wider."""

    if text.isascii():
        return len(text)
    return sum(
        2 if _cells(character) and ord(character) >= _FIRST_OTHER_SCRIPT else _cells(character)
        for character in text
    )


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def lines(text: str, most: int) -> list[str]:
    """Break a single-line label into lines of at most `most` cells, between the words of a path or
    a sentence; only a longer word makes a longer line."""

    found = [""]
    for word in _WORD.findall(text):
        if found[-1] and display_width((found[-1] + word).rstrip()) > most:
            found.append("")
        found[-1] += word
    return [line.strip() for line in found]


def shorten(text: str, most: int) -> str:
    """Shorten `text` to at most `most` cells.

    The middle is removed, since paths differ at their ends.
    """

    if display_width(text) <= most:
        return text
    tail = _prefix(text[::-1], most // 2)[::-1]
    return f"{_prefix(text, most - 1 - most // 2)}…{tail}"


def _prefix(text: str, most: int) -> str:
    """Return the longest prefix of `text` that fits into `most` cells."""

    width = 0
    for index, character in enumerate(text):
        width += _cells(character)
        if width > most:
            return text[:index]
    return text
