"""YAML text to nodes that know their line and column, within a budget.

Reads events from libyaml and builds the tree without recursion, so that no document can exhaust
the stack; counts what aliases stand for, so that none can exhaust memory. Plain scalars mean what
YAML 1.2 says (and ruamel.yaml, which the reference reads with): `no` is a text, `0o7` is 7.
Knows nothing of projects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Union

from git_spacy.project.diagnostics import Diagnostic

MAX_BYTES = 4 << 20
MAX_NODES = 200_000
MAX_DEPTH = 64

Scalar = Union[str, int, float, bool, None]  # noqa: UP007 (evaluated at import on 3.10)

# The implicit types of YAML 1.2 in the order in which they are tried, and the first characters
# that can begin one; `yaml_text` quotes what would be read as one of these.
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
# What YAML does not call printable (YAML 1.2.2, 5.1), and a byte order mark inside. Written as what
# it is, not as what it is not: that takes ten times as long to compile, on every start.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)


class Node(NamedTuple):
    """A value and where it stands. `value` is a scalar, a list of nodes or a dict of nodes;
    `key` is the line and column of its key in a mapping; `size` counts the nodes in it."""

    value: Any
    line: int
    column: int
    key: tuple[int, int] | None = None
    size: int = 1

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the key where there is one, else of the value."""

        return self.key or (self.line, self.column)


class _Stop(Exception):
    """Nothing after this problem can be understood."""


def parse_document(data: bytes, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """The document in `data`, named `file` in problems. No node if it cannot be understood at
    all; a node with problems if parts of it (a repeated key, a tag) can not be allowed."""

    problems: list[Diagnostic] = []
    try:
        text = _text(data, file)
        return _document(text, file, problems), problems
    except _Stop as stop:
        return None, [*problems, stop.args[0]]


def to_plain(node: Node) -> Any:
    """The values alone, as `json.dumps` takes them."""

    if isinstance(node.value, dict):
        return {key: to_plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(inner) for inner in node.value]
    return node.value


def parse_scalar(text: str) -> Scalar:
    """What the plain scalar `text` means."""

    for kind, pattern, first in IMPLICIT:
        if (text[:1] in first or not text) and pattern.fullmatch(text):
            value: Scalar = _MAKE[kind](text)
            return value
    return text


def _int(text: str) -> int | str:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "")
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2), ("", 10)):
        if digits.startswith(prefix):
            digits = digits[len(prefix) :]
            # int() refuses absurdly long decimals; nobody meant a number then
            return sign * int(digits, base) if 0 < len(digits) < 4000 else text
    return text


def _float(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_MAKE: dict[str, Any] = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _int,
    "float": _float,
}


def _text(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _Stop(
            Diagnostic(
                file,
                1,
                1,
                f"the file has {len(data):,} bytes; the limit is {MAX_BYTES:,}",
                "move data out of it, into files that commands read",
            )
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(data[: error.start].decode("utf-8", "replace"))
        raise _Stop(
            Diagnostic(
                file,
                line,
                column,
                f"byte 0x{data[error.start]:02x} is not UTF-8",
                "save the file as UTF-8 (it may be Latin-1)",
            )
        ) from None
    if control := _CONTROL.search(text):
        line, column = _position(text[: control.start()])
        raise _Stop(
            Diagnostic(file, line, column, f"control character {control[0]!r}", "remove it")
        )
    return text


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _document(text: str, file: str, problems: list[Diagnostic]) -> Node | None:
    import yaml

    builder = _Builder(file, problems)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _Stop(_syntax(error, text, file)) from None
    except yaml.YAMLError as error:
        what = str(error).splitlines()[0]
        raise _Stop(Diagnostic(file, 1, 1, f"not YAML: {what}", "save it as plain UTF-8")) from None
    return builder.root


def _syntax(error: Any, text: str, file: str) -> Diagnostic:
    if conflict := _CONFLICT.search(text):
        line, column = _position(text[: conflict.start()])
        return Diagnostic(file, line, column, "merge conflict markers", "resolve the conflict")
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = " ".join(part for part in (error.context, error.problem) if part)
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    if "\t" in here[: max(column, len(here) - len(here.lstrip()))]:
        hint = "indent with spaces, not with a tab"
    elif "mapping values are not allowed" in what:
        hint = "put a text that contains ': ' in quotes, or check the indentation"
    else:
        hint = "check the indentation and the quotes around this line"
    return Diagnostic(file, line, column, f"not YAML: {what}", hint)


class _Open:
    """A list or mapping that has begun and not ended."""

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
    """Takes libyaml's events one by one and builds the tree on a stack of its own."""

    def __init__(self, file: str, problems: list[Diagnostic]) -> None:
        self.file = file
        self.problems = problems
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}
        self.documents = 0
        self.count = 0

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "ScalarEvent":
            self._check_tag(event)
            self._place(self._scalar(event), event.anchor)
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._check_tag(event)
            if len(self.stack) >= MAX_DEPTH:
                self._stop(event, f"nested more than {MAX_DEPTH} levels deep", "flatten it")
            if event.anchor:
                self.anchors[event.anchor] = None
            self.stack.append(_Open(event, kind == "MappingStartEvent"))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            done = self.stack.pop()
            value = _merged(done) if done.is_mapping else done.items
            self._place(Node(value, done.line, done.column, None, done.size), done.anchor)
        elif kind == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                self._stop(event, "a second document begins here", "remove the '---'")

    def _scalar(self, event: Any) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        is_plain = event.style in (None, "") and event.tag != _OWN_TAG + "str"
        return Node(parse_scalar(event.value) if is_plain else event.value, line, column)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            self._stop(event, f"alias '*{event.anchor}' has no anchor", f"define &{event.anchor}")
        node = self.anchors[event.anchor]
        if node is None:
            self._stop(event, f"alias '*{event.anchor}' contains itself", "write it out")
        else:
            self._place(node._replace(key=None), None)

    def _place(self, node: Node, anchor: str | None) -> None:
        """Put a finished node where the innermost open list or mapping expects it."""

        self.count += node.size
        if self.count > MAX_NODES:
            self._stop_at(
                node.line,
                node.column,
                f"more than {MAX_NODES:,} values (aliases counted in full)",
                "move data out of the file",
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
            if key.value == "<<":
                top.merged.append(node)
            elif key.value in top.entries:
                first = top.entries[key.value].position[0]
                self.problems.append(
                    Diagnostic(
                        self.file,
                        key.line,
                        key.column,
                        f"key '{key.value}' stands twice, first in line {first}",
                        "keep one of them",
                    )
                )
            else:
                top.entries[key.value] = node

    def _as_key(self, node: Node) -> Node:
        if isinstance(node.value, (dict, list)):
            self._stop_at(node.line, node.column, "a list or mapping as a key", "use a text")
        if isinstance(node.value, str):
            return node
        self.problems.append(
            Diagnostic(
                self.file,
                node.line,
                node.column,
                f"key {node.value!r} is not a text",
                f"put it in quotes: '{node.value}'",
            )
        )
        return node._replace(value=str(node.value))

    def _check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag and tag not in _PLAIN_TAGS and tag not in ("!", _OWN_TAG + "str"):
            short = tag.replace(_OWN_TAG, "!!")
            mark = event.start_mark
            self.problems.append(
                Diagnostic(
                    self.file,
                    mark.line + 1,
                    mark.column + 1,
                    f"tag '{short}' is not allowed",
                    "remove it: plain values only",
                )
            )

    def _stop(self, event: Any, what: str, hint: str) -> None:
        self._stop_at(event.start_mark.line + 1, event.start_mark.column + 1, what, hint)

    def _stop_at(self, line: int, column: int, what: str, hint: str) -> None:
        raise _Stop(Diagnostic(self.file, line, column, what, hint))


def _merged(done: _Open) -> dict[str, Node]:
    """The entries of a mapping with its `<<` keys filled in: its own win, earlier ones next."""

    if not done.merged:
        return done.entries
    result = dict(done.entries)
    for source in _mappings(done.merged):
        for key, node in source.items():
            result.setdefault(key, node)
    return result


def _mappings(nodes: list[Node]) -> Iterator[dict[str, Node]]:
    for node in nodes:
        for inner in node.value if isinstance(node.value, list) else [node]:
            if isinstance(inner.value, dict):
                yield inner.value
