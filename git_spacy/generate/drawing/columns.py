"""Formatting of files in columns: path, state, and the commands that they are connected to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_spacy.generate.drawing import label
from git_spacy.state.verdict import state_label

Paint = Callable[[str, str], str]
"""Colours a text, given its style: a state, `title`, `command` or `faint`."""

_MIN_NOTE_WIDTH = 16  # cells
_MAX_NAMES = 20  # no line has room for more


class FileLine(NamedTuple):
    """A file: its path, state, kind and place, and names of commands after a word as "from"."""

    path: str
    state: str
    kind: str = ""
    prefix: str = ""
    names: tuple[str, ...] = ()
    suffix: str = ""
    place: str = ""


def format_files(files: Sequence[FileLine], width: int, paint: Paint) -> Iterator[str]:
    """Yield `files` in lines of `width` cells. A note that does not fit goes on the next line."""

    longest_path = max((label.display_width(file.path) for file in files), default=0)
    path_width = min(longest_path, width - _MIN_NOTE_WIDTH)
    state_width = max((len(file.state) for file in files), default=0)
    for file in files:
        path = label.shorten(file.path, width)
        beside = _after(file, state_width, width - path_width, paint)
        if label.display_width(path) > path_width or beside is None:
            yield path
            below = _after(file, state_width, width, paint, is_last=True)
            if below:
                yield below
        else:
            yield path + (" " * (path_width - label.display_width(path)) + beside if beside else "")


def _after(
    file: FileLine, state_width: int, room: int, paint: Paint, *, is_last: bool = False
) -> str | None:
    """Return the state and note of a file in `room` cells.

    States take `state_width` cells. Returns None if not even one name fits, unless `is_last` is
    set: then the note is shortened.
    """

    word = f"  {paint(state_label(file.state), file.state)}" if file.state else ""
    note_width = room - 2 - (state_width + 2 if state_width else 0)
    note = _note(file, note_width)
    if label.display_width(note) > note_width:
        if not is_last:
            return None
        note = label.shorten(note, note_width)
    if not note:
        return word
    gap = " " * (
        (state_width + 2 if state_width else 0) - (len(file.state) + 2 if file.state else 0)
    )
    return f"{word}{gap}  {paint(note, 'faint')}"


def _note(file: FileLine, room: int) -> str:
    """Return a file's kind, place and as many names as fit, with the number of the others."""

    shown = min(len(file.names), _MAX_NAMES)
    while True:
        more = len(file.names) - shown
        names = ", ".join(file.names[:shown]) + (f" and {more} more" if more else "")
        commands = f"{file.prefix} {names}{file.suffix}" if names else ""
        note = ", ".join(part for part in (file.kind, file.place, commands) if part)
        if label.display_width(note) <= room or shown <= 1:
            return note
        shown -= 1
