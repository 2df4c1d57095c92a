"""The file of the stat cache: JSON that begins with its own checksum.

What is in it decides what runs, so a file with a wrong byte counts as an empty one: a damaged disk,
or an editor, costs time and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.files import write_atomic
from git_spacy.light_hashes import blake2b
from git_spacy.light_typing import Any

_VERSION = 2
_PARTS = ("paths", "runs", "fetched", "uncounted", "contents")


def read(file: Path) -> dict[str, Any]:
    """Return the parts of the stat cache in `file`; all are empty if any byte of it is wrong."""

    try:
        data = file.read_bytes()
        unsealed = b"{" + data[len(_seal(b"")) :]
        document = formats.document(unsealed) if data == _sealed(unsealed) else {}
        if document.get("version") != _VERSION:
            return _empty()
        for signature, hashed_at, (content, listing, size) in document["paths"].values():
            formats.md5(signature)
            formats.size(hashed_at)
            formats.digest(content)
            formats.names_digest(listing)
            formats.size(size)
        for runs in document["runs"].values():
            for (script, deps, outs), listings in runs:
                _check_all(formats.text, script)
                _check_all(formats.names_digest, listings.values())
                _check_all(formats.line, listings)
                for path, md5 in (*deps, *outs):
                    formats.line(path)
                    _check_all(formats.md5, () if md5 is None else (md5,))
        for source, content, listing, *more in document["fetched"].values():
            _check_all(formats.md5, filter(None, more[:1]))
            for archive in more[1:]:
                _check_all(formats.text, archive)
                _check_all(formats.digest, archive.values())
            formats.text(source)
            formats.digest(content)
            formats.names_digest(listing)
        for rules, *lists in document["uncounted"].values():
            formats.md5(rules)
            names, excludes = lists
            _check_all(formats.text, (*names, *excludes))
        for digest, files in document["contents"].values():
            formats.md5(digest)
            _check_all(formats.size, files.values())
            _check_all(formats.text, files)
        return {part: dict(document[part]) for part in _PARTS}
    except (OSError, InvalidInput, ValueError, TypeError, KeyError, AttributeError):
        return _empty()


def write(file: Path, document: dict[str, Any]) -> None:
    """Replace the stat cache in `file` by `document`. Raises OSError."""

    write_atomic(file, _sealed(json.dumps({"version": _VERSION, **document}).encode()))


def _empty() -> dict[str, Any]:
    return {part: {} for part in _PARTS}


def _sealed(content: bytes) -> bytes:
    """Return the JSON object `content` with its checksum before the first key."""

    return _seal(content) + content[1:]


def _seal(content: bytes) -> bytes:
    return b'{"checksum": "%s", ' % blake2b(content, digest_size=16).hexdigest().encode()


def _check_all(check: Callable[[object], object], values: Iterable[object]) -> None:
    for value in values:
        check(value)
