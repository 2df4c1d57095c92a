"""Write text of others as Markdown for a comment on GitHub or GitLab.

It is shown as it is: it cannot be HTML, a link or a mention, nor end a cell, a table or a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from git_spacy.generate.document import inline_code
from git_spacy.generate.drawing.label import escape_invisible, single_line

_LONGEST = 200  # characters in a cell
# numbers, dates, durations and ids of commits: no mention, link or markup can be made of these
_PLAIN = re.compile(r"[0-9–-][0-9ehimns.:±+ -]*|[0-9a-f]{7,40}\+?")


def cell(text: str) -> str:
    """Return text for a cell of a table: numbers as they are, anything else as code."""

    shown = single_line(text, _LONGEST) if text else ""
    return shown if not shown or _PLAIN.fullmatch(shown) else inline_code(shown)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], is_text: Sequence[bool]) -> str:
    """Return a table of cells that are Markdown; all but text is aligned to the right."""

    lines = (titles, ["---" if left else "---:" for left in is_text], *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def diff_block(lines: Iterable[str]) -> str:
    """Return lines that start with `-` or `+` as a block of code that they cannot end."""

    shown = [escape_invisible(text).replace("\n", "\\n") for text in lines]
    longest = max((len(run) for text in shown for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}diff", *shown, fence))
