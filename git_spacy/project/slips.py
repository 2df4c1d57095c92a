"""Find the slip behind an error in project.yml, and the edit that corrects it.

YAML's own errors name what the parser expected, often on a later line. Here each edit that people
would make to a line near the error is tried: one that leaves fewer errors becomes the hint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_spacy.errors import Diagnostic, InvalidInput, Refused
from git_spacy.project import schema_keys

Parse = Callable[[bytes], Sequence[Diagnostic]]
"""Parses a file and returns its warnings. Raises InvalidInput or Refused."""

# Each edit parses the file again, which takes a few milliseconds.
_MAX_BYTES = 32 << 10
_MAX_TRIES = 200
_MAX_LINE = 1000  # characters
_MAY_BE_SLIP = re.compile(
    r"invalid YAML|tag '|alias '.+' has no anchor|a key must be a string|key .+ is not a string"
    r"|.*(?:must be a (?:string|list|mapping), not|expected a string|is in curly quotes)"
)
_FIRST_KEY = re.compile(r"\s+(?:name|dest)\s*:")
_KEYS = frozenset(
    key
    for table in (
        schema_keys.PROJECT, schema_keys.COMMAND, schema_keys.ASSET,
        schema_keys.GIT, schema_keys.RESOURCES,
    )
    for key in table.keys
)  # fmt: skip
_LISTS = ("directories", "assets", "commands", "script", "deps", "outputs", "outputs_no_cache")
_LINE = re.compile(
    r"(?P<start>\s*(?:-\s+)*(?:[A-Za-z_][\w.-]*\s*:(?:\s+|$))?)(?P<value>.*?)(?P<end>\s*|\s+#.*)"
)
_SPACES = re.compile("[\u00a0\u2000-\u200b\u202f\u3000]")
_CURLY = str.maketrans("“”„‘’", '"""\'\'')
_NO_SPACE = re.compile(r"(\s*(?:- +)*)([A-Za-z_]\w*):([^\s/].*)")
_DASH = re.compile(r"(\s*)-([^\s-].*)")
_NO_COLON = re.compile(r"(\s*(?:- +)*)([a-z_]+)( .*|)")
_EQUALS = re.compile(r"(\s*(?:- +)*)([A-Za-z_]\w*) *= *(.+)")
_KEY = re.compile(r"(\s*(?:- +)*)([A-Za-z_]\w*)(\s*:.*)")
_MUSTACHE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_QUOTES = "\"'"
_INDICATORS = {
    "@": "a value cannot begin with '@'", "`": "a value cannot begin with '`'",
    "%": "a value cannot begin with '%'", "*": "'*' begins an alias", "&": "'&' begins an anchor",
    "!": "'!' begins a tag", "{": "'{' begins a mapping", "[": "'[' begins a list",
    "|": "'|' begins a text on the lines below", ">": "'>' begins a text on the lines below",
    "]": "a value cannot begin with ']'", "}": "a value cannot begin with '}'",
    ",": "a value cannot begin with ','", "?": "'? ' begins a key", "-": "'- ' begins a list item",
}  # fmt: skip


class _Edit(NamedTuple):
    """A line in place of another. Without a `message`, that of the error stays."""

    line: str
    message: str = ""


def with_edits(problems: Sequence[Diagnostic], data: bytes, parse: Parse) -> list[Diagnostic]:
    """Return the problems of a file, with hints that name the edit of a line where one helps."""

    if len(data) > _MAX_BYTES or not any(_MAY_BE_SLIP.match(item.message) for item in problems):
        return list(problems)
    lines = data.decode("utf-8-sig").splitlines()
    search = _Search(lines, parse)
    return list(dict.fromkeys(search.with_edit(problem, problems) for problem in problems))


class _Search:
    """Tries edits of one file, up to a limit."""

    def __init__(self, lines: list[str], parse: Parse) -> None:
        self._lines, self._parse = lines, parse
        self._left = _MAX_TRIES

    def with_edit(self, problem: Diagnostic, problems: Sequence[Diagnostic]) -> Diagnostic:
        """Return `problem` with the best edit as its hint, if one leaves fewer `problems`."""

        if not _MAY_BE_SLIP.match(problem.message):
            return problem
        found = self._best(problem, problems)
        if found is None:
            return problem
        index, edit = found
        old = self._lines[index]
        is_same = index == problem.line - 1 and not edit.message
        return problem._replace(
            message=edit.message or problem.message,
            hint=_hint(old, edit.line),
            line=index + 1,
            column=problem.column if is_same else _difference(old, edit.line),
        )

    def _best(
        self, problem: Diagnostic, problems: Sequence[Diagnostic]
    ) -> tuple[int, _Edit] | None:
        """Return the first edit after which no error is left, or else that which leaves fewest.

        Of changes of the indentation, many are valid: that with the fewest warnings counts.
        """

        lines = self._lines
        # what else is wrong is not known before the syntax is right
        best, found = (1 << 20 if _is_syntax(problem) else len(problems), -1), None
        for edits, is_exact in ((_edits, True), (_indentations, False)):
            for index in _nearby(lines, problem.line - 1):
                if len(lines[index]) > _MAX_LINE:
                    continue
                for edit in edits(lines, index):
                    if edit.line == lines[index] or self._left <= 0:
                        continue
                    self._left -= 1
                    rank = self._rank(problem, index, edit.line)
                    if rank is not None and rank < best:
                        best, found = rank, (index, edit)
                    if is_exact and best[0] == 0:
                        return found
            if best[0] == 0:
                return found
        return found

    def _rank(self, problem: Diagnostic, index: int, line: str) -> tuple[int, int] | None:
        """Return the numbers of errors and warnings after an edit; None if `problem` is left."""

        text = "\n".join([*self._lines[:index], line, *self._lines[index + 1 :], ""])
        try:
            warnings = self._parse(text.encode())
            # a key that is unknown where the edit moves it was better where it is
            if any(w.line == index + 1 and w.message.startswith("unknown key") for w in warnings):
                return None
            return 0, len(warnings)
        except (InvalidInput, Refused) as error:
            left = error.problems
        if any(other.message == problem.message and other.line <= problem.line for other in left):
            return None
        was_syntax, is_syntax = _is_syntax(problem), _is_syntax(left[0])
        if is_syntax and not (was_syntax and left[0].line > problem.line + 1):
            return None
        return len(left), 0


def _is_syntax(problem: Diagnostic) -> bool:
    return problem.message.startswith("invalid YAML")


def _nearby(lines: list[str], index: int) -> list[int]:
    """Return the line of an error and the lines near it in which its cause may be.

    That is a line before or after it, one with an open quote, or an item that lacks its dash.
    """

    index = min(index, len(lines) - 1)
    filled = [
        number for number, line in enumerate(lines) if line.strip() and line.strip()[0] != "#"
    ]
    before = [number for number in filled if number < index][::-1]
    far = [
        number
        for number in before[2:]
        if any(lines[number].count(quote) % 2 for quote in "\"'") or _FIRST_KEY.match(lines[number])
    ]
    return [index, *before[:2], *far[:3], *[number for number in filled if number > index][:1]]


def _hint(old: str, new: str) -> str:
    """Return the words for an edit of a line: indent it, or write something in its place."""

    indent = len(new) - len(new.lstrip())
    edits = []
    if new[:indent] != old[: len(old) - len(old.lstrip())]:
        edits.append(f"indent this line with {indent} spaces")
    if new.strip() != old.strip():
        edits.append(f"write: {new.strip()}")
    return " and ".join(edits)


def _difference(old: str, new: str) -> int:
    pairs = zip(old, new, strict=False)
    return next((n for n, (a, b) in enumerate(pairs, 1) if a != b), min(len(old), len(new)) + 1)


def _edits(lines: list[str], index: int) -> Iterator[_Edit]:
    """Yield the edits of a line that may correct a slip, the most specific first."""

    line = lines[index]
    if _SPACES.search(line):
        yield _Edit(_SPACES.sub(" ", line), "a space here is a special one, e.g. non-breaking")
    if line.translate(_CURLY) != line:
        yield _Edit(line.translate(_CURLY), "curly quotes do not quote a value")
    yield from _separators(line)
    yield from _values(line)


def _indentations(lines: list[str], index: int) -> Iterator[_Edit]:
    """Yield edits of the indentation of a line and of the dash in front of it."""

    line = lines[index]
    content = line.lstrip()
    for other in _indents(lines, index):
        if "\t" in line[: len(line) - len(content)]:
            yield _Edit(" " * other + content, "a tab in the indentation")
            continue
        if content.startswith("- "):
            rest = content[2:].lstrip()
            yield _Edit(" " * other + rest, "the dash begins a new item of the list")
        elif _FIRST_KEY.match(line) or not _KEY.fullmatch(line):
            message = "an item of a list has to begin with '- '"
            yield _Edit(" " * other + "- " + content, message)
        yield _Edit(" " * other + content, "wrong indentation")


def _separators(line: str) -> Iterator[_Edit]:
    """Yield edits of dashes, keys and colons."""

    if match := _NO_SPACE.fullmatch(line):
        if match[2] in _LISTS and match[3][0] not in "[{":
            item = _quoted(match[3].strip(_QUOTES))
            yield _Edit(f"{match[1]}{match[2]}: [{item}]", "no space after ':'")
        yield _Edit(f"{match[1]}{match[2]}: {match[3]}", "no space after ':'")
    if match := _DASH.fullmatch(line):
        yield _Edit(f"{match[1]}- {match[2]}", "no space after '-'")
    if (match := _NO_COLON.fullmatch(line)) and match[2] in _KEYS:
        yield _Edit(f"{match[1]}{match[2]}:{match[3]}", f"no ':' after '{match[2]}'")
    if match := _EQUALS.fullmatch(line):
        yield _Edit(f"{match[1]}{match[2]}: {match[3]}", "'=' in place of ':'")
    if (match := _KEY.fullmatch(line)) and match[2] not in _KEYS and match[2].lower() in _KEYS:
        yield _Edit(f"{match[1]}{match[2].lower()}{match[3]}")
    if line.lstrip().startswith("- - "):
        indent = line[: len(line) - len(line.lstrip())]
        yield _Edit(indent + line.lstrip()[2:].lstrip(), "one dash too many")


def _values(line: str) -> Iterator[_Edit]:
    """Yield edits of the value in a line: other quotes and brackets."""

    match = _LINE.fullmatch(line)
    if not match or not match["value"]:
        return
    start, value, end = match["start"], match["value"], match["end"]
    if start.strip().endswith(":"):
        start = start.rstrip() + " "
    whole = value + end.rstrip()  # if what looks like a comment belongs to it
    key = start.strip().lstrip("- ").removesuffix(":").rstrip()
    if _MUSTACHE.search(value):
        filled = _MUSTACHE.sub(r"${\1}", value)
        message = "a variable is written as ${vars.name}"
        yield _Edit(f"{start}{_quoted(filled.strip(chr(34)))}{end}", message)
    first, message = value[0], _INDICATORS.get(value[0], "")
    if first == "[" and key not in _LISTS:
        if value.endswith("]"):
            yield _Edit(f"{start}{_quoted(value[1:-1].strip(_QUOTES))}{end}")
        yield _Edit(f"{start}{_quoted(value)}{end}", message)
    if first in "[{":
        closing = "]" if first == "[" else "}"
        if not value.endswith(closing):
            yield _Edit(f"{start}{value}{closing}{end}", f"'{first}' is not closed")
        items = _items(value)
        if first == "[":
            text = ", ".join(map(_quoted, items))
            yield _Edit(f"{start}[{text}]{end}", "special characters in a list need quotes")
    if first in "\"'":
        inner = value.strip(first)
        if value.count(first) == 1:
            yield _Edit(f"{start}{first}{whole[1:]}{first}", "the quote is not closed")
        if "\\" in value and first == '"':
            message = "in double quotes, '\\' begins an escape"
            yield _Edit(f"{start}'{inner}'{end}", message)
        if value.endswith(first):
            yield _Edit(f"{start}{_quoted(inner)}{end}", "a quote inside the quotes ends them")
        yield _Edit(f"{start}{_quoted(whole)}", "text after the closing quote")
    if key in _LISTS and first not in "[{":
        item = value.removeprefix("- ").strip(_QUOTES)
        yield _Edit(f"{start}[{_quoted(item)}]{end}", "" if first != "-" else message)
    if ": " in value or value.endswith(":"):
        message = message or "': ' in a value needs quotes"
    yield _Edit(f"{start}{_quoted(value)}{end}", message)


def _items(value: str) -> list[str]:
    """Return the items of a list in brackets, without their quotes."""

    return [item.strip().strip(_QUOTES) for item in value.strip("[]").split(",")]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _indents(lines: list[str], index: int) -> list[int]:
    """Return the columns in which the lines nearby, and their list items, begin."""

    columns: dict[int, None] = {}
    near = [
        line
        for line in (*reversed(lines[max(index - 6, 0) : index]), *lines[index + 1 : index + 7])
        if line.strip() and "\t" not in line[: len(line) - len(line.lstrip())]
    ]
    for line in near:
        column = len(line) - len(line.lstrip())
        columns[column] = None
        if line.lstrip().startswith("- "):
            rest = line.lstrip()[2:]
            columns[column + 2 + len(rest) - len(rest.lstrip())] = None
        columns[column + 2] = None
    return list(columns)
