"""A YAML parser that records line and column of every value and limits the size of documents.

It builds the tree from libyaml's events without recursion, so that no document can exhaust the
stack, and counts aliases in full, so that none can exhaust memory. Plain scalars follow YAML 1.2,
as in ruamel.yaml, which weasel uses: `no` is a string and `0o7` is 7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from git_spacy.errors import Diagnostic
from git_spacy.light_typing import Any
from git_spacy.patterns import compile_late
from git_spacy.project.documents import MAX_BYTES, Node, Scalar

MAX_NODES = 200_000
MAX_DEPTH = 64

# The implicit types of YAML 1.2 in the order in which they are tried, and the characters that they
# can start with. `yaml_text` quotes strings that would be read as one of these.
IMPLICIT = (
    ("null", re.compile(r"~|null|Null|NULL|"), "~nN"),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    (
        "float",
        re.compile(
            r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
            r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+0123456789.",
    ),
    (
        "int",
        re.compile(r"[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+"),
        "-+0123456789",
    ),
)
_OWN_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_OWN_TAG + name for name in ("null", "bool", "int", "float", "seq", "map"))
# Characters that are not printable in YAML (YAML 1.2.2, section 5.1), and byte order marks inside
# the text. The negated set of printable characters would take ten times as long to compile, which
# every start of the program would pay for.
_CONTROL = compile_late(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)
_MOVE_DATA = "move data to other files that commands read"
_CONFLICT = compile_late(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)


class _ParseError(Exception):
    """A problem after which the rest of the document cannot be parsed."""


def parse_document(data: bytes, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """Parse the document in `data`; `file` is its name in error messages.

    Returns no node if the document cannot be parsed, and a node with problems if parts of it are
    not allowed, e.g. a duplicate key or a tag.
    """

    problems: list[Diagnostic] = []
    try:
        text = _decode(data, file)
        return _build_tree(text, file, problems), problems
    except _ParseError as error:
        return None, [*problems, error.args[0]]


def parse_scalar(text: str) -> Scalar:
    """Return the value of a plain (unquoted) scalar."""

    kind = implicit_type(text)
    value: Scalar = _CONSTRUCTORS[kind](text) if kind else text
    return value


def implicit_type(text: str) -> str:
    """Return the type by which YAML 1.2 reads a plain scalar, "" for a string.

    `parse_scalar` keeps some that it calls numbers as text; other readers do not.
    """

    for kind, pattern, first_characters in IMPLICIT:
        if (text[:1] in first_characters or not text) and pattern.fullmatch(text):
            return kind
    return ""


def _int(text: str) -> int | str:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "")
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2), ("", 10)):
        if digits.startswith(prefix):
            digits = digits[len(prefix) :]
            # int() raises ValueError for very long decimals; keep those as strings
            return sign * int(digits, base) if 0 < len(digits) < 4000 else text
    return text


def _float(text: str) -> float | str:
    number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    # a number that is too large is a string such as the ID of a commit, 61e9540
    return text if math.isinf(number) and text[-1] not in "fF" else number


_CONSTRUCTORS: dict[str, Any] = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _int,
    "float": _float,
}


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # its marks, as written by PowerShell


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES:,} bytes"
        raise _ParseError(Diagnostic(message, _MOVE_DATA, file, 1, 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        position = _position(data[: error.start].decode("utf-8", "replace"))
        message = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
        encoding = "UTF-16" if data.startswith(_UTF_16) else "Latin-1"
        hint = f"save the file as UTF-8 (it may be in {encoding})"
        raise _ParseError(Diagnostic(message, hint, file, *position)) from None
    if control := _CONTROL.search(text):
        position = _position(text[: control.start()])
        message = f"control character {control[0]!r}"
        raise _ParseError(Diagnostic(message, "remove it", file, *position))
    return text


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _build_tree(text: str, file: str, problems: list[Diagnostic]) -> Node | None:
    import yaml

    builder = _Builder(file, problems)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.handle(event)
    except yaml.MarkedYAMLError as error:
        raise _ParseError(_syntax_error(error, text, file)) from None
    except yaml.YAMLError as error:
        message = f"invalid YAML: {str(error).splitlines()[0]}"
        raise _ParseError(Diagnostic(message, "save the file as UTF-8", file, 1, 1)) from None
    return builder.root


def _syntax_error(error: Any, text: str, file: str) -> Diagnostic:
    if conflict := _CONFLICT.search(text):
        hint = "resolve the conflict and remove the markers"
        position = _position(text[: conflict.start()])
        return Diagnostic("unresolved merge conflict markers", hint, file, *position)
    mark = error.problem_mark or error.context_mark
    if error.context_mark and "quoted scalar" in (error.context or ""):
        mark = error.context_mark  # where the quote is that is not closed, not where the file ends
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    # "did not find expected '-' indicator", "while parsing a block collection"
    message = " ".join(part for part in (error.problem, error.context) if part)
    lines = text.splitlines()
    source = lines[line - 1] if line <= len(lines) else ""
    if "\t" in source[: max(column, len(source) - len(source.lstrip()))]:
        hint = "indent with spaces instead of tabs"
    elif "mapping values are not allowed" in message:
        hint = "put values that contain ': ' in quotes, or fix the indentation"
    else:
        hint = "check the indentation and the quotes on this line and the one before"
    return Diagnostic(f"invalid YAML: {message}", hint, file, line, column)


class _OpenCollection:
    """A list or mapping whose end has not been reached yet."""

    def __init__(self, event: Any, is_mapping: bool) -> None:
        self.line, self.column = event.start_mark.line + 1, event.start_mark.column + 1
        self.anchor = event.anchor
        self.items: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.merged: list[Node] = []
        self.is_mapping = is_mapping
        self.key: Node | None = None
        self.size = 1


class _Builder:
    """Builds the tree of nodes from libyaml's events, with an explicit stack."""

    def __init__(self, file: str, problems: list[Diagnostic]) -> None:
        self.file = file
        self.problems = problems
        self.root: Node | None = None
        self.stack: list[_OpenCollection] = []
        self.anchors: dict[str, Node | None] = {}
        self.documents = 0
        self.count = 0

    def handle(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "ScalarEvent":
            self._check_tag(event)
            self._add(self._scalar(event), event.anchor)
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._check_tag(event)
            if len(self.stack) >= MAX_DEPTH:
                self._fail(event, f"nested more than {MAX_DEPTH} levels deep", "flatten it")
            if event.anchor:
                self.anchors[event.anchor] = None
            self.stack.append(_OpenCollection(event, kind == "MappingStartEvent"))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            closed = self.stack.pop()
            value = _merge_entries(closed) if closed.is_mapping else closed.items
            self._add(Node(value, closed.line, closed.column, None, closed.size), closed.anchor)
        elif kind == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                self._fail(event, "a second document starts here", "remove the '---'")

    def _scalar(self, event: Any) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if "\0" in event.value:  # an escape in double quotes
            self._report(line, column, "control character '\\x00'", r"remove '\0' or '\x00'")
        is_plain = event.style in (None, "") and event.tag != _OWN_TAG + "str"
        if not is_plain:
            return Node(event.value, line, column)
        return Node(parse_scalar(event.value), line, column, source=event.value)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            self._fail(
                event,
                f"alias '*{event.anchor}' has no anchor",
                f"define '&{event.anchor}' before it",
            )
        node = self.anchors[event.anchor]
        if node is None:
            self._fail(event, f"alias '*{event.anchor}' contains itself", "replace it with a value")
        else:
            self._add(node._replace(key=None), None)

    def _add(self, node: Node, anchor: str | None) -> None:
        """Add a complete node to the innermost open list or mapping."""

        self.count += node.size
        if self.count > MAX_NODES:
            self._fail_at(
                node.line,
                node.column,
                f"more than {MAX_NODES:,} values (aliases counted in full)",
                _MOVE_DATA,
            )
        if anchor:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += node.size
        if not top.is_mapping:
            top.items.append(node)
        elif top.key is None:
            top.key = self._as_key(node)
        else:
            key, top.key = top.key, None
            node = node._replace(key=(key.line, key.column))
            if key.source == "<<":  # in quotes, it is a key like any other
                top.merged.append(node)
            elif key.value in top.entries:
                first = top.entries[key.value].position[0]
                message = f"duplicate key '{key.value}', first used on line {first}"
                is_short = not isinstance(node.value, (dict, list)) and node.line == key.line
                hint = f"remove line {key.line}" if is_short else "remove one of them"
                self._report(key.line, key.column, message, hint)
            else:
                top.entries[key.value] = node

    def _as_key(self, node: Node) -> Node:
        if isinstance(node.value, (dict, list)):
            kind = "mapping" if isinstance(node.value, dict) else "list"
            self._fail_at(
                node.line, node.column, f"a key must be a string, not a {kind}", "put it in quotes"
            )
        if isinstance(node.value, str):
            return node
        message, hint = f"key {node.value!r} is not a string", f"put it in quotes: '{node.value}'"
        self._report(node.line, node.column, message, hint)
        return node._replace(value=str(node.value))

    def _check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag and tag not in _PLAIN_TAGS and tag not in ("!", _OWN_TAG + "str"):
            short = tag.replace(_OWN_TAG, "!!")
            mark = event.start_mark
            message = f"tag '{short}' is not allowed"
            self._report(mark.line + 1, mark.column + 1, message, "remove the tag")

    def _report(self, line: int, column: int, message: str, hint: str) -> None:
        self.problems.append(Diagnostic(message, hint, self.file, line, column))

    def _fail(self, event: Any, message: str, hint: str) -> None:
        self._fail_at(event.start_mark.line + 1, event.start_mark.column + 1, message, hint)

    def _fail_at(self, line: int, column: int, message: str, hint: str) -> None:
        raise _ParseError(Diagnostic(message, hint, self.file, line, column))


def _merge_entries(mapping: _OpenCollection) -> dict[str, Node]:
    """Return the entries of a mapping, including those that its `<<` keys merge in.

    The mapping's own entries take precedence, then those that were merged first.
    """

    if not mapping.merged:
        return mapping.entries
    result = dict(mapping.entries)
    for source in _mappings(mapping.merged):
        for key, node in source.items():
            result.setdefault(key, node)
    return result


def _mappings(nodes: list[Node]) -> Iterator[dict[str, Node]]:
    for node in nodes:
        for inner in node.value if isinstance(node.value, list) else [node]:
            if isinstance(inner.value, dict):
                yield inner.value
