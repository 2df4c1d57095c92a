"""The only place that knows a terminal: results to stdout, diagnostics to stderr.

Every text passes through `printable` and `masked`: nothing that a project, a server or a URL
brought reaches the terminal raw.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from git_spacy.errors import escape_controls, redact

_paper: IO[str] | None = None  # what the pager reads, while results go there
_no_colours = False  # Git's configuration says so
_COLOURS = {
    "bold": 1,
    "dim": 2,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
}


def result(text: str) -> None:
    """A line (or lines) of what was asked for."""

    _write(sys.stdout, escape_controls(redact(text)))


def raw(text: str) -> None:
    """Whole lines for a file or another program, as they are where nobody looks at them."""

    _write(sys.stdout, (escape_controls(text) if is_terminal() else text).removesuffix("\n"))


def result_painted(text: str) -> None:
    """The same, of what `table` and `paint` made."""

    _write(sys.stdout, text)


def note(text: str) -> None:
    """A line about how it goes, not part of the result."""

    _write(sys.stderr, escape_controls(redact(text)))


def script_line(name: str, text: str, colour: str, *, is_error: bool) -> None:
    """A line that a script of the project wrote, as it is, with `name` before it. (The only text
    that is not made printable: what runs here may do what it likes anyway.)"""

    stream = sys.stderr if is_error else sys.stdout
    head = paint(f"{escape_controls(name)} | ", colour, stream) if name else ""
    _write(stream, head + text)


def warning(text: str) -> None:
    """A line about something that is not as it should be, and refuses nothing."""

    head = text if ": warning: " in text else f"warning: {text}"
    _write(sys.stderr, paint(escape_controls(redact(head)), "yellow", sys.stderr))


def diagnostic(text: str) -> None:
    """An error, already made printable; the word `error:` in red on a terminal."""

    lines = [
        line.replace("error:", paint("error:", "red", sys.stderr), 1) for line in text.split("\n")
    ]
    _write(sys.stderr, "\n".join(lines))


def emit_json(value: Any) -> None:
    """A value for machines, which a terminal can show, too."""

    import json

    _write(
        sys.stdout, escape_controls(json.dumps(value, indent=1, ensure_ascii=False), "\\u{:04x}")
    )


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether somebody looks at `stream` (stdout by default)."""

    try:
        return (stream or sys.stdout).isatty()
    except ValueError:
        return False


def paint(text: str, colour: str, stream: IO[str] | None = None) -> str:
    """`text` in a colour where `stream` is a terminal and NO_COLOR is not set."""

    is_seen = is_terminal(stream) or (stream is None and os.environ.get("GIT_PAGER_IN_USE"))
    refused = _no_colours or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if refused or not is_seen:
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


@contextmanager
def paged(start: Path) -> Iterator[None]:
    """On a terminal, results go through the pager that Git has in the folder `start`, in colours
    if its configuration allows them (color.spacy, color.ui). To leave it early is no failure."""

    global _paper, _no_colours
    if not is_terminal():
        yield
        return
    from git_spacy.git import process

    if not process.available():
        yield
        return
    command, colours = process.pager_config(start)
    _no_colours = not colours
    with process.pager(command) if command not in ("", "cat") else _nothing() as _paper:
        try:
            with suppress(BrokenPipeError):
                yield
        finally:
            _paper, _no_colours = None, False


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> str:
    """Rows of two texts, the second wrapped beside the first to the terminal's width."""

    cells = [(escape_controls(left), escape_controls(right)) for left, right in rows]
    total = min(_width(), 100)
    left_width = min(max((len(left) for left, _ in cells), default=0), 28)
    width = max(total - len(indent) - left_width - 2, 20)
    lines = []
    for left, right in cells:
        wrapped = textwrap.wrap(right, width, break_on_hyphens=False) or [""]
        if len(left) > left_width:
            lines.append(indent + left)
            left = ""
        lines.append(f"{indent}{left:<{left_width}}  {wrapped[0]}".rstrip())
        lines += [" " * (len(indent) + left_width + 2) + line for line in wrapped[1:]]
    return "\n".join(lines)


def table(
    rows: Sequence[tuple[str, str, Sequence[str]]], colours: Mapping[str, str],
    widths: tuple[int, int] = (0, 0),
) -> str:  # fmt: skip
    """Rows of a name, a word in its colour and texts below each other, wrapped to the terminal's
    width. `widths` are the least ones of the first two columns, to be in line with other tables."""

    total = min(_width(), 120)
    first = min(max(widths[0], *(len(clean(name)) for name, _, _ in rows)), 40)
    second = max(widths[1], *(len(word) for _, word, _ in rows))
    indent = first + second + 6
    lines = []
    for name, word, texts in rows:
        padded = paint(word, colours[word]) if word in colours else word
        padded += " " * (second - len(word))
        width = max(total - indent, 30)
        wrapped = [
            line
            for text in texts
            for line in textwrap.wrap(clean(text), width, break_on_hyphens=False)
        ] or [""]
        lines.append(f"  {clean(name):<{first}}  {padded}  {wrapped[0]}".rstrip())
        lines += [" " * indent + line for line in wrapped[1:]]
    return "\n".join(lines)


def _width() -> int:
    """The terminal's, as shutil has it, which would import three compressors first."""

    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


def clean(text: str) -> str:
    """`text` as it may reach a terminal."""

    return escape_controls(redact(text))


def size(count: float) -> str:
    """Bytes for people, in steps of 1000: `1.2 MB`."""

    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds for people: `0.4 s`, `12 s`, `3 min 20 s`."""

    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _write(stream: IO[str], text: str) -> None:
    if _paper is not None and stream is sys.stdout:
        stream = _paper
    try:
        stream.write(text + "\n")
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
