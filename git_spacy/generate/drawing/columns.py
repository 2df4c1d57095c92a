"""Files in columns: a path, what is known of it, and what it has to do with others. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_spacy.generate.drawing import label
from git_spacy.state.verdict import state_label

Paint = Callable[[str, str], str]
"""A text and what it is (a state, `title`, `command` or `faint`) → the text in its colour."""

_LEAST = 16  # cells in which something can be said of a path
_MOST = 20  # names that are looked at: no line has room for more


class FileLine(NamedTuple):
    """A file: its path, its state if known, what it is, and (after a word like `for`) the
    commands that it has to do with."""

    path: str
    state: str
    kind: str = ""
    prefix: str = ""
    names: tuple[str, ...] = ()
    suffix: str = ""


def format_files(files: Sequence[FileLine], width: int, paint: Paint) -> Iterator[str]:
    """`files` in lines of `width` cells. What has no room beside a path stands below it."""

    named = min(max((label.display_width(file.path) for file in files), default=0), width - _LEAST)
    said = max((len(file.state) for file in files), default=0)
    for file in files:
        path = label.shorten(file.path, width)
        beside = _after(file, said, width - named, paint)
        if label.display_width(path) > named or beside is None:
            yield path
            below = _after(file, said, width, paint, is_last=True)
            if below:
                yield below
        else:
            yield path + (" " * (named - label.display_width(path)) + beside if beside else "")


def _after(
    file: FileLine, said: int, room: int, paint: Paint, *, is_last: bool = False
) -> str | None:
    """What stands behind a path, in `room` cells, where words are `said` wide; None: not even one
    name has room, and it is not the last try."""

    word = f"  {paint(state_label(file.state), file.state)}" if file.state else ""
    left = room - 2 - (said + 2 if said else 0)
    note = _note(file, left)
    if label.display_width(note) > left:
        if not is_last:
            return None
        note = label.shorten(note, left)
    if not note:
        return word
    gap = " " * ((said + 2 if said else 0) - (len(file.state) + 2 if file.state else 0))
    return f"{word}{gap}  {paint(note, 'faint')}"


def _note(file: FileLine, room: int) -> str:
    """What a file has to do with others: of many names the first, as many as `room` cells hold,
    and how many more there are."""

    kept = min(len(file.names), _MOST)
    while True:
        more = len(file.names) - kept
        names = ", ".join(file.names[:kept]) + (f" and {more} more" if more else "")
        told = f"{file.prefix} {names}{file.suffix}" if names else ""
        note = ", ".join(part for part in (file.kind, told) if part)
        if label.display_width(note) <= room or kept <= 1:
            return note
        kept -= 1
