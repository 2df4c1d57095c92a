"""YAML documents as nodes with positions, and a cache of them.

Importing yaml and parsing take a third of the time of a hook. A parsed document is therefore
remembered in a file that is named after its text, within a block of `cached`. Only commands that
report use one, and a run until it finds something to do: what a project runs, fetches or writes is
never decided by a file in `.git`.
Documents with a problem or a password are not remembered. Any fault of the cache only costs time.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git_spacy import __version__, sharing
from git_spacy.errors import Diagnostic, redact
from git_spacy.files import write_atomic
from git_spacy.light_hashes import blake2b
from git_spacy.light_typing import Any, NamedTuple, Union

MAX_BYTES = 4 << 20
"""The largest document that is parsed."""

_FOLDER = "documents"
_FORMAT = 1  # of the files in the cache
_MAX_FILES = 16  # in the cache; each command adds two at most for the state that it looks at
_MAX_FILE_BYTES = 1 << 20
_PARSER = os.path.join(os.path.dirname(__file__), "yaml.py")
_FAULTS = (OSError, ValueError, TypeError, OverflowError, RecursionError, MemoryError)


class DocumentCache:
    """The documents in a folder, and whether any has been read from it so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.was_read = False


_cache: DocumentCache | None = None

Scalar = Union[str, int, float, bool, None]  # noqa: UP007 (evaluated at import on 3.10)


class Node(NamedTuple):
    """A value and its position.

    `value` is a scalar, a list of nodes or a dict of nodes. `key` is the line and column of the
    value's key in a mapping, and `size` is the number of nodes in the tree. `source` is the text of
    a scalar without quotes, and `written` is the string before its variables were substituted.
    """

    value: Any
    line: int
    column: int
    key: tuple[int, int] | None = None
    size: int = 1
    source: str = ""
    written: str = ""

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the key, or of the value if it has no key."""

        return self.key or (self.line, self.column)


def to_plain(node: Node) -> Any:
    """Return the value of a node as plain scalars, lists and dicts."""

    if isinstance(node.value, dict):
        return {key: to_plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(inner) for inner in node.value]
    return node.value


@contextmanager
def cached(folder: Path) -> Iterator[DocumentCache]:
    """Within the block, remember documents in the folder `folder` for private state."""

    global _cache
    before, _cache = _cache, DocumentCache(folder / _FOLDER)
    try:
        yield _cache
    finally:
        _cache = before


def parse(data: bytes, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """Parse the document in `data`, as `yaml.parse_document` does, or read it from the cache."""

    if not data:  # most often a project.lock that does not exist yet
        return None, []
    cache = _cache
    name = _file_name(data) if cache else ""
    if cache and (node := _read(cache.folder / name)):
        cache.was_read = True
        return node, []
    from git_spacy.project import yaml  # compiles many expressions

    node, problems = yaml.parse_document(data, file)
    if cache and node and not problems and not _has_credentials(data):
        _write(cache.folder, name, node)
    return node, problems


def _has_credentials(data: bytes) -> bool:
    """Return whether a text has a password in a URL, which must not stay in the cache."""

    text = data.decode("utf-8", "replace")
    return redact(text) != text


def _file_name(data: bytes) -> str:
    """Return the name of the file in the cache for a text, which changes with the parser."""

    try:
        status = os.stat(_PARSER)
        parser = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:  # installed without sources
        parser = ""
    head = f"{__version__} {_FORMAT} {parser}\n".encode()
    return blake2b(head + data, digest_size=16).hexdigest()


def _checksum(name: str, content: bytes) -> bytes:
    return blake2b(name.encode() + content, digest_size=16).hexdigest().encode()


def _read(path: Path) -> Node | None:
    """Return the document in a file of the cache; None if it is missing or any byte is wrong."""

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            checksum, _, content = stream.read(_MAX_FILE_BYTES).partition(b"\n")
        if checksum != _checksum(path.name, content):
            return None
        return _from_json(json.loads(content))
    except _FAULTS:
        return None


def _write(folder: Path, name: str, node: Node) -> None:
    """Add a document to the cache, in place of the oldest ones."""

    try:
        content = json.dumps(_to_json(node), separators=(",", ":")).encode()
        document = _checksum(name, content) + b"\n" + content
        if len(document) > _MAX_FILE_BYTES or _from_json(json.loads(content)) != node:
            return
        sharing.make_folders(folder)
        others = sorted(os.scandir(folder), key=lambda file: file.stat().st_mtime_ns)
        for file in others[: max(0, len(others) - _MAX_FILES + 1)]:
            os.unlink(file)
        write_atomic(folder / name, document)
    except _FAULTS:
        pass


def _to_json(node: Node) -> list[Any]:
    value = node.value
    if isinstance(value, dict):
        value = {key: _to_json(inner) for key, inner in value.items()}
    elif isinstance(value, list):
        value = [_to_json(inner) for inner in value]
    return [value, node.line, node.column, node.key, node.size, node.source]


def _from_json(item: list[Any]) -> Node:
    """Return the node that `_to_json` wrote. Raises ValueError, TypeError."""

    value, line, column, key, size, source = item
    if isinstance(value, dict):
        value = {name: _from_json(inner) for name, inner in value.items()}
    elif isinstance(value, list):
        value = [_from_json(inner) for inner in value]
    if key is not None:
        key_line, key_column = key
        key = int(key_line), int(key_column)
    return Node(value, int(line), int(column), key, int(size), str(source))
