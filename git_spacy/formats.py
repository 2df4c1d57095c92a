"""Validate values that come from files, notes and remotes: hashes, IDs, names, sizes.

Each function returns its argument if it is valid, and raises InvalidInput otherwise. The parsers of
project.lock, run records, the run cache, remotes, the stat cache and the journal of `init` call
them, and so does all code that builds a path from such a value.
"""

from __future__ import annotations

import json
import math
import os
import re

from git_spacy.containment import MAX_NAME_BYTES, is_git_name, leads_out
from git_spacy.errors import InvalidInput
from git_spacy.light_typing import Any
from git_spacy.patterns import compile_late

MAX_SIZE = (1 << 63) - 1
"""The largest size of a file, in bytes."""
_MAX_DEPTH = 32  # levels of a JSON document; ours have five
_MAX_LINE = 4_096  # bytes; a path is a line
_MAX_TEXT = 1 << 20  # bytes; a script line cannot be longer: the kernel refuses to start it
_MAX_SHOWN = 60  # characters of a value in a message

_MD5 = compile_late(r"[0-9a-f]{32}")
_SHA256 = compile_late(r"[0-9a-f]{64}")
_OBJECT = compile_late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CONTROL = compile_late("[\x00-\x1f\x7f]")


def md5(value: object) -> str:
    """Validate an MD5 digest."""

    return _matching(_MD5, value, "an md5 of 32 lower-case hexadecimal digits")


def names_digest(value: object) -> str:
    """Validate a digest of the file names in a folder, which is "" for a file."""

    return "" if value == "" else md5(value)


def sha256(value: object) -> str:
    """Validate a SHA-256 digest."""

    return _matching(_SHA256, value, "a sha256 of 64 lower-case hexadecimal digits")


def digest(value: object) -> str:
    """Validate an MD5 or SHA-256 digest."""

    return sha256(value) if isinstance(value, str) and len(value) == 64 else md5(value)


def object_id(value: object) -> str:
    """Validate the full ID of a commit or tree in Git, or ""."""

    return "" if value == "" else _matching(_OBJECT, value, "a full Git object ID")


def _matching(pattern: re.Pattern[str], value: object, expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _not(value, expected)
    return value


def size(value: object) -> int:
    """Validate a number of bytes."""

    return integer(value, 0, MAX_SIZE)


def integer(value: object, minimum: int, maximum: int) -> int:
    """Validate a whole number between `minimum` and `maximum`, inclusive."""

    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise _not(value, f"a whole number from {minimum} to {maximum}")
    return value


def number(value: object) -> float:
    """Validate a finite number."""

    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _not(value, "a number")
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # an int larger than any float
        is_finite = False
    if not is_finite:
        raise _not(value, "a finite number")
    return value


def text(value: object) -> str:
    """Validate text of at most 1 MiB, without surrogates (which only file names may have)."""

    return _text(value, _MAX_TEXT)


def line(value: object) -> str:
    """Validate text without control characters, at most as long as a path: 4,096 bytes."""

    checked = _text(value, _MAX_LINE)
    if _CONTROL.search(checked):
        raise _not(value, "one line of text")
    return checked


def _text(value: object, max_bytes: int) -> str:
    if not isinstance(value, str):
        raise _not(value, "text")
    try:
        length = len(value.encode()) if len(value) <= max_bytes else len(value)
    except UnicodeError:
        raise _not(value, "Unicode text") from None
    if length > max_bytes:
        raise _not(value, f"text of at most {max_bytes:,} bytes")
    return value


def name(value: object) -> str:
    """Validate the normalized relative path of a file below a folder.

    On no operating system does it lead out of the folder or into a folder of Git. Bytes that are
    not UTF-8 are surrogates, as `os.fsdecode` decodes them.
    """

    if not isinstance(value, str) or not value or _CONTROL.search(value):
        raise _not(value, "a relative path below a folder")
    parts = value.split("/")
    if leads_out(value) or {"", "."}.intersection(parts):
        raise _not(value, "a relative path below a folder")
    if any(map(is_git_name, parts)):
        raise _not(value, "a path outside Git's own folder")
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeError:
        raise _not(value, "a file name that this system supports") from None
    if max(lengths) > MAX_NAME_BYTES or sum(lengths) + len(lengths) > _MAX_LINE:
        raise _not(value, "a file name that this system supports")
    return value


def folder(value: object) -> str:
    """Validate the relative path of a folder below another, or "" for the latter itself."""

    return "" if value == "" else name(value)


def _not(value: object, expected: str) -> InvalidInput:
    shown = value if isinstance(value, str) else type(value).__name__
    shown = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"
    return InvalidInput(f"'{shown}' is not {expected}")


def document(data: bytes | str) -> Any:
    """Parse JSON that is not nested deeper than any document of ours."""

    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"invalid JSON: {error}") from None
    _check_depth(value, _MAX_DEPTH)
    return value


def _check_depth(value: Any, levels: int) -> None:
    if isinstance(value, dict | list):
        if not levels:
            raise InvalidInput(f"JSON is nested more than {_MAX_DEPTH} levels deep")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, levels - 1)
