"""Print results to stdout and messages to stderr; the only module that knows about terminals.

Text passes through `escape_controls` and `redact`, so that no project, server or URL can send
control sequences to the terminal or reveal credentials there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from git_spacy.cli import command_line
from git_spacy.errors import Diagnostic, escape_controls, retarget, sanitize
from git_spacy.light_typing import IO, Any
from git_spacy.patterns import compile_late

_pager: IO[str] | None = None  # the pager's stdin, while results go there
_LEAST_TEXT = 24  # columns for the texts of a table beside its names
_ESCAPE_SEQUENCE = compile_late(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours, movements of the cursor
_no_colours = False  # Git's configuration turns colours off
_SEVERITIES = {"error": "red", "warning": "yellow"}
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
    """Print one or more lines of a command's result."""

    _write(sys.stdout, sanitize(text))


def raw(text: str) -> None:
    """Print text that is meant for a file or another program; escape it only on a terminal."""

    _write(sys.stdout, (escape_controls(text) if is_terminal() else text).removesuffix("\n"))


def script_output(data: bytes) -> None:
    """Print what scripts have printed: the same bytes, or on a terminal, their text as it was to be
    read, without colours and without the earlier states of progress bars."""

    if not is_terminal():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    text = _ESCAPE_SEQUENCE.sub("", data.decode("utf-8", "replace"))
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.removesuffix("\n").split("\n"))
    _write(sys.stdout, escape_controls("\n".join(lines)))


def result_painted(text: str) -> None:
    """Print lines of a result that are already escaped, such as those of `table` and `paint`."""

    _write(sys.stdout, text)


def message(text: str) -> None:
    """Print a message to stderr, e.g. about progress."""

    _write(sys.stderr, sanitize(text))


def success(text: str) -> None:
    """Print to a terminal that all is well; scripts have the exit code."""

    if is_terminal(sys.stderr):
        message(text)


def heading(name: str, text: str, colour: str) -> None:
    """Print a line such as `==> train: done in 2 s` to stderr.

    On a terminal `name` is bold and coloured, and long lines are wrapped between words.
    """

    head = sanitize(name)
    body = fill(f"{head} {sanitize(text)}", sys.stderr).removeprefix(head)
    _write(sys.stderr, paint(head, f"bold {colour}", sys.stderr) + body)


def fill(text: str, stream: IO[str], indent: str = "    ") -> str:
    """Return `text` wrapped between words if `stream` is a terminal, so that it breaks no word."""

    if not is_terminal(stream):
        return text
    import textwrap

    return textwrap.fill(
        text,
        terminal_width(),
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def findings(text: str) -> None:
    """Print the findings of a check, with `error:` and `warning:` coloured on a terminal."""

    lines = [
        re.sub(
            r"(^|: )(error|warning):",
            lambda match: match[1] + paint(f"{match[2]}:", _SEVERITIES[match[2]], sys.stdout),
            line,
            count=1,
        )
        for line in sanitize(text).split("\n")
    ]
    _write(sys.stdout, "\n".join(lines))


def prompt(text: str) -> None:
    """Print a question to stderr, without a line break."""

    _write(sys.stderr, sanitize(text), end="")


def script_line(name: str, text: str, colour: str, *, is_error: bool) -> None:
    """Print a line of a project script's output, prefixed with `name`.

    It is not escaped: a script runs with the user's rights and can write to the terminal anyway.
    """

    stream = sys.stderr if is_error else sys.stdout
    head = paint(f"{escape_controls(name)} | ", colour, stream) if name else ""
    _write(stream, head + text)


def warning(message: str, hint: str = "") -> None:
    """Print a warning to stderr."""

    diagnostic(Diagnostic(message, hint, severity="warning"))


def as_typed_here(commands: str) -> str:
    """Return commands for the folder of the project as they are typed in the current folder, with
    the overrides of variables that the user typed."""

    commands = command_line.with_overrides(commands)
    return retarget(commands, command_line.as_seen_here, keep_folders=True)


def _relative_file(name: str) -> str:
    """Return the path of a file of the project; other names, such as an option, do not change."""

    is_file = not os.path.isabs(name) and os.path.lexists(command_line.in_project(name))
    return command_line.as_seen_here(name) if name and is_file else name


def diagnostic(diagnostic: Diagnostic) -> None:
    """Print an error or a warning to stderr; on a terminal, with `error:` in red."""

    file, hint = _relative_file(diagnostic.file), as_typed_here(diagnostic.hint)
    diagnostic = diagnostic._replace(file=file, hint=hint)
    if diagnostic.severity == "warning":
        text = paint(diagnostic.format(), "yellow", sys.stderr)
    else:
        text = diagnostic.format(paint("error:", "red", sys.stderr))
    _write(sys.stderr, text)


def emit_json(value: Any) -> None:
    """Print a value as JSON that is also safe to show on a terminal."""

    import json

    _write(
        sys.stdout, escape_controls(json.dumps(value, indent=1, ensure_ascii=False), "\\u{:04x}")
    )


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Return whether `stream` (default: stdout) is a terminal."""

    try:
        return (stream or sys.stdout).isatty()
    except ValueError:
        return False


def paint(text: str, colour: str, stream: IO[str] | None = None) -> str:
    """Return `text` in a colour if `stream` is a terminal and colours are not turned off.

    `colour` may be several words: `bold red`.
    """

    is_visible = is_terminal(stream) or (stream is None and os.environ.get("GIT_PAGER_IN_USE"))
    turned_off = _no_colours or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if turned_off or not is_visible:
        return text
    codes = ";".join(str(_COLOURS[word]) for word in colour.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


@contextmanager
def paged(start: Path) -> Iterator[None]:
    """Send results through Git's pager if stdout is a terminal; leaving it early is not an error.

    The pager and whether to use colours (color.spacy, color.ui) come from the Git configuration in
    the folder `start`.
    """

    global _pager, _no_colours
    if not is_terminal():
        yield
        return
    from git_spacy.git import gitconfig, process

    if not process.available():
        yield
        return
    command, colours = gitconfig.pager_config(start)
    _no_colours = not colours
    with process.pager(command) if command not in ("", "cat") else _no_pager() as _pager:
        try:
            with suppress(BrokenPipeError):
                yield
        finally:
            _pager, _no_colours = None, False


@contextmanager
def _no_pager() -> Iterator[None]:
    yield None


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> str:
    """Return rows of two texts as two columns; the second is wrapped to the terminal's width."""

    cells = [(escape_controls(left), escape_controls(right)) for left, right in rows]
    total = min(terminal_width(), 100)
    left_width = min(max((len(left) for left, _ in cells), default=0), 28, total // 2)
    width = max(total - len(indent) - left_width - 2, 10)
    lines = []
    for left, right in cells:
        wrapped = _wrap(right, width) or [""]
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
    """Return rows of a name, a word and texts as three columns, wrapped to the terminal's width.

    The words that are keys of `colours` are coloured. Each text starts on a line of its own.
    `widths` are the minimum widths of the first two columns, to align the table with others.
    """

    total = min(terminal_width(), 120)
    first = min(max(widths[0], *(len(sanitize(name)) for name, _, _ in rows)), 40)
    second = max(widths[1], *(len(word) for _, word, _ in rows))
    indent = first + second + 6
    lines = []
    for name, word, texts in rows:
        shown = sanitize(name)
        if len(shown) > first:
            lines.append(f"  {shown}")
            shown = ""
        padded = paint(word, colours[word]) if word in colours else word
        padded += " " * (second - len(word))
        head = f"  {shown:<{first}}  {padded}  "
        room = total - indent
        if room < _LEAST_TEXT:  # the texts go below the first two columns
            lines.append(head.rstrip())
            head, indent, room = " " * 4, 4, total - 4
        wrapped = [line for text in texts for line in _wrap(sanitize(text), room)]
        if wrapped or head.strip():
            lines.append((head + "".join(wrapped[:1])).rstrip())
        lines += [" " * indent + line for line in wrapped[1:]]
        indent = first + second + 6
    return "\n".join(lines)


def _wrap(text: str, width: int) -> list[str]:
    """Wrap `text` as textwrap does, which is imported only for a text that may need it."""

    if 0 < len(text) <= width and text.isprintable() and text == text.strip():
        return [text]
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False)


def terminal_width() -> int:
    """Return the terminal's width, like shutil, whose import would load three compressors."""

    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


def size(count: float) -> str:
    """Format a number of bytes, in steps of 1000: `1.2 MB`."""

    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Format seconds: `0.4 s`, `12 s`, `3 min 20 s`."""

    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _write(stream: IO[str], text: str, end: str = "\n") -> None:
    if _pager is not None and stream is sys.stdout:
        stream = _pager
    try:
        stream.write(text + end)
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)
    stream.flush()
