"""The exact forms of values that come from files, notes and remotes: hashes, ids, names, sizes.

One function for each form: it returns the value, or raises Malformed if it is anything else. The
parsers of project.lock, run records, the run cache, remotes, the stat index and the journal of
`init` call them, and so does whoever builds a path of such a value. Pure.
"""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any

from git_spacy.errors import InvalidInput
from git_spacy.git_names import is_git_name

LARGEST = (1 << 63) - 1
"""The largest size, in bytes, that a file can have."""
_DEEPEST = 32  # levels of a JSON document; ours have five
_LONGEST, _LONGEST_PART = 4_096, 255  # bytes of a path or another line, and of a file's name
_LONGEST_TEXT = 1 << 20  # bytes of a script line: the kernel starts no program with a longer one
_SHOWN = 60  # characters of a value in a message

_MD5 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def md5(value: object) -> str:
    """An md5."""

    return _matching(_MD5, value, "an md5 of 32 lower-case hexadecimal digits")


def names_digest(value: object) -> str:
    """A digest of the file names in a folder; "" for a file."""

    return "" if value == "" else md5(value)


def sha256(value: object) -> str:
    """A sha256."""

    return _matching(_SHA256, value, "a sha256 of 64 lower-case hexadecimal digits")


def digest(value: object) -> str:
    """An md5 or a sha256."""

    return sha256(value) if isinstance(value, str) and len(value) == 64 else md5(value)


def object_id(value: object) -> str:
    """The whole id of a commit or a tree in Git; "" if there is none."""

    return "" if value == "" else _matching(_OBJECT, value, "the whole id of a Git object")


def _matching(pattern: re.Pattern[str], value: object, form: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _not(value, form)
    return value


def size(value: object) -> int:
    """A number of bytes."""

    return integer(value, 0, LARGEST)


def integer(value: object, least: int, most: int) -> int:
    """A whole number within these bounds."""

    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _not(value, f"a whole number from {least} to {most}")
    return value


def number(value: object) -> float:
    """A finite number."""

    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _not(value, "a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int beyond any float
        finite = False
    if not finite:
        raise _not(value, "a finite number")
    return value


def text(value: object) -> str:
    """Text of at most 1 MiB: no half of a character, as only a file's name may have it."""

    return _text(value, _LONGEST_TEXT)


def line(value: object) -> str:
    """Text without control characters, no longer than a path can be: 4,096 bytes."""

    found = _text(value, _LONGEST)
    if _CONTROL.search(found):
        raise _not(value, "one line of text")
    return found


def _text(value: object, most: int) -> str:
    if not isinstance(value, str):
        raise _not(value, "text")
    try:
        length = len(value.encode()) if len(value) <= most else len(value)
    except UnicodeError:
        raise _not(value, "Unicode text") from None
    if length > most:
        raise _not(value, f"text of at most {most:,} bytes")
    return value


def name(value: object) -> str:
    """The name of a file somewhere below a folder, in its shortest form: it leads nowhere else,
    and into no folder of Git's, on any system. (Bytes that are not UTF-8 are as in os.fsdecode.)"""

    if not isinstance(value, str) or not value or _CONTROL.search(value):
        raise _not(value, "the name of a file below a folder")
    parts = value.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or {"", "."}.intersection(value.split("/")):
        raise _not(value, "the name of a file below a folder")
    if any(map(is_git_name, parts)):
        raise _not(value, "a name outside Git's own folder")
    try:
        lengths = [len(os.fsencode(part)) for part in value.split("/")]
    except UnicodeError:
        raise _not(value, "a name that this system can have") from None
    if max(lengths) > _LONGEST_PART or sum(lengths) + len(lengths) > _LONGEST:
        raise _not(value, "a name that this system can have")
    return value


def folder(value: object) -> str:
    """The name of a folder below another; "" for that one itself."""

    return "" if value == "" else name(value)


def _not(value: object, form: str) -> InvalidInput:
    shown = value if isinstance(value, str) else type(value).__name__
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return InvalidInput(f"'{shown}' is not {form}")


def document(data: bytes | str) -> Any:
    """The value of a JSON text that is not nested deeper than ours are."""

    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}") from None
    _check_depth(value, _DEEPEST)
    return value


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise InvalidInput(f"JSON that is nested more than {_DEEPEST} levels deep")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)
