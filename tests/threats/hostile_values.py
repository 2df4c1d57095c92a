"""Replace any value in a JSON document by a hostile one.

`iter_positions` finds every value and key of a document, `replace_values` puts other ones there,
and `VALUES` has the hostile ones: paths out of the project, patterns, options, Git's own folder,
values that are too long, too deep or of another type.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MARK = "\ue000hostile\ue000"
# Keys of our formats. Any other key is a name that a user chose, and all of these are alike.
FIELDS = frozenset((
    "cmd", "script", "deps", "outs", "path", "md5", "size", "names", "v", "time", "project", "command", "how",
    "source", "seconds", "exit", "tree", "dirty", "vars", "versions", "metrics", "paths", "runs", "fetched",
    "version", "done", "kind", "part", "name", "where", "shared", "value", "edit", "at", "removed", "added",
    "digest", "own", "new", "made", "record", "commit", "files", "result", "key", "members", "target",
))  # fmt: skip


class Position(NamedTuple):
    """A value or key in a document.

    `path` are the keys and indexes that lead to it; `kind` is the same for all positions that are alike;
    `is_key` means the last key itself, not its value.
    """

    path: tuple[str | int, ...]
    kind: str = ""
    is_key: bool = False


def iter_positions(
    document: Any, path: tuple[str | int, ...] = (), kind: str = ""
) -> Iterator[Position]:
    """Yield every position in the document, including those of whole lists and mappings."""

    if path:
        yield Position(path, kind)
    if isinstance(document, dict):
        for key, value in document.items():
            inner = f"{kind}/{key if key in FIELDS else '*'}".lstrip("/")
            yield Position((*path, key), f"{inner} (key)", is_key=True)
            yield from iter_positions(value, (*path, key), inner)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            # items of a list of scalars have different meanings, those of other lists are alike
            own = "*" if any(isinstance(item, list | dict) for item in document) else index
            own = value.get("kind", own) if isinstance(value, dict) else own
            inner = f"{kind}/{own}".lstrip("/")
            yield from iter_positions(value, (*path, index), inner)


def first_of_each_kind(document: Any) -> dict[str, Position]:
    """Return the first position of each kind."""

    found: dict[str, Position] = {}
    for position in iter_positions(document):
        found.setdefault(position.kind, position)
    return found


def value_at(document: Any, position: Position) -> Any:
    """Return the value or key at this position."""

    for part in position.path:
        document = document[part]
    return position.path[-1] if position.is_key else document


def replace_values(document: Any, *changes: tuple[Position, str]) -> str:
    """Return the document as JSON with these values replaced.

    The new values are JSON (or an extension that Python's parser accepts). Keys must be strings.
    """

    document = copy.deepcopy(document)
    texts = {}
    for number, (position, value) in enumerate(changes):
        try:
            above = value_at(document, Position(position.path[:-1]))
            mark = f"{_MARK}{number}"
            if position.is_key:
                items = list(above.items())
                above.clear()
                above.update({mark if key == position.path[-1] else key: old for key, old in items})
            else:
                above[position.path[-1]] = mark
            texts[json.dumps(mark)] = value
        except (LookupError, TypeError, AttributeError):
            continue  # another change has replaced this position
    text = json.dumps(document)
    for mark, value in texts.items():
        text = text.replace(mark, value)
    return text


def _text(make: Callable[[str], str]) -> Callable[[Any, str], str]:
    return lambda value, top: json.dumps(
        make(value if isinstance(value, str) else "x").replace("TOP", top)
    )


def _texts(**texts: str) -> dict[str, Callable[[Any, str], str]]:
    return {name: _text(lambda _, text=text: text) for name, text in texts.items()}


def _raw(**texts: str) -> dict[str, Callable[[Any, str], str]]:
    return {name: lambda *_, text=text: text for name, text in texts.items()}


_WIDE = str.maketrans("0123456789abcdefghijklmnopqrstuvwxyz", "".join(chr(0xFF10 + n) for n in range(10)) + "".join(
    chr(0xFF41 + n) for n in range(26)
))  # fmt: skip
DEPTH = 100_000
# group → name → function that returns the JSON from the present value and the sandbox's folder
VALUES: dict[str, dict[str, Callable[[Any, str], str]]] = {
    "traversal": {
        **_texts(
            two_up="../../x", up_inside="a/../../b", docs="../../../../docs/**/*", docs_near="../docs/a-1",
            bait="../../../bait", up="..", dot=".", store="../../objects", key="../../../../docs/a-1/x",
        ),
        "listed": lambda *_: '["../docs/empty", "../../docs/empty", "../../../docs/empty"]',
        "after": _text(lambda value: f"{value}/../../../../../docs/a-1"),
        "before": _text(lambda value: f"../{value}"),
        "dotted": _text(lambda value: f"./{value}"),
        "slash": _text(lambda value: f"{value}/"),
    },
    "absolute": _texts(
        file="TOP/docs/a-1", pattern="TOP/docs/**/*", home="~/.profile", dots="TOP/home/.ssh/*", root="/",
    ),
    "pattern": {
        **_texts(all="**/*", one="*", marks="?" * 32, hex="[0-9a-f]" * 32, set="[a]"),
        "after": _text(lambda value: f"{value[:-1]}?"),
    },
    "git": _texts(
        hook=".git/hooks/post-checkout", upper=".GIT/config", dot=".git./x", short="git~1/config",
        invisible=".g\u200cit/x", folder=".git", inner="model/.git/config", stream=".git::$INDEX_ALLOCATION/x",
    ),
    "option": _texts(short="-rf", long="--output=x", dash="-", double="--"),
    "tracked": _texts(
        site="sitecustomize.py", package="pkg/__init__.py", project="project.yml", lock="project.lock",
        script="words.in", modules=".gitmodules", attributes=".gitattributes",
    ),
    "control": {
        **_texts(nul="a\0b", line="a\nb", escape="\x1b]0;x\x07\x9b2J\u202e", empty="", space=" ", surrogate="\udcff"),
        "newline": _text(lambda value: f"{value}\n"),
        "nul_after": _text(lambda value: f"{value}\0"),
        "high": _text(lambda value: f"{value}\ud800"),
    },
    "long": {
        "10 MB": lambda *_: f'"{"x" * (10 << 20)}"',
        "name": lambda *_: f'"{"x" * 5000}"',
        "path": lambda *_: f'"{"a/" * 5000}a"',
        "10 MB of digits": lambda *_: f'"{"0" * (10 << 20)}"',
        "100,000 items": lambda *_: f"[{'1,' * 99_999}1]",
    },
    "deep": {
        "lists": lambda *_: "[" * DEPTH + "]" * DEPTH,
        "mappings": lambda *_: '{"a":' * DEPTH + "1" + "}" * DEPTH,
        "open": lambda *_: "[" * DEPTH,
        "900 lists": lambda *_: "[" * 900 + "]" * 900,
    },
    "number": _raw(
        digits="9" * 5000, infinite="1e999", nan="NaN", minus_infinite="-Infinity", negative="-1", zero="0",
        huge="99999999999999999999", fraction="0.5", text='"1e999"', small="-9" + "9" * 400,
    ),
    "type": _raw(
        null="null", true="true", false="false", list='["x"]', empty_list="[]", mapping='{"x": "x"}',
        empty_mapping="{}", number="7", text='"x"', pairs='[["x", "y"], ["x"]]',
    ),
    "alike": {
        "wide": _text(lambda value: value.translate(_WIDE)),
        "upper": _text(str.upper),
        "cyrillic": _text(lambda value: value.replace("a", "\u0430").replace("e", "\u0435")),
        "dots": _text(lambda _: "\u2025/\u2025/x"),
        "slash": _text(lambda _: "..\u2215..\u2215x"),
        "backslash": _text(lambda _: "..\\..\\x"),
        "decomposed": _text(lambda value: f"{value}e\u0301"),
        "hex": _text(lambda _: "0" * 31 + "g"),
        "31": _text(lambda value: value[:-1]),
        "nothing": _text(lambda _: "0" * 64),
    },
}  # fmt: skip
HEAVY = ("long", "deep")
NOT_FOR_KEYS = ("long", "deep", "number", "type")  # groups with values that cannot be keys
ALWAYS = ("docs", "bait", "package", "hook")  # names of values that were harmful in the past


def is_allowed(position: Position, value: str) -> bool:
    """Return whether the value can be at this position: a key must be a string."""

    return not position.is_key or value.startswith('"')
