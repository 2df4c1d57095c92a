"""Digest the entries of project.lock files in commits, and remember them by the file's Git id.

To parse the YAML of every commit would take most of the time of `git spacy log`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from git_spacy.history.checked_file import read_checked, write_checked
from git_spacy.history.run_index import Digest, digest_result
from git_spacy.lock.lock_format import LockEntry

_KIND = "lock digests 1"
_MAX_REMEMBERED = 20_000  # entries of all locks
_MAX_BYTES = 64 << 20  # of locks that one command reads


class LockDigest(NamedTuple):
    """The name of an entry, and the digest of its result."""

    name: str
    digest: Digest


def digest_entry(entry: LockEntry) -> LockDigest:
    """Return the digest of an entry of project.lock."""

    from git_spacy.project.matrix import split_name

    command = split_name(entry.name)[0]
    return LockDigest(entry.name, digest_result(command, entry.script, entry.deps, entry.outs))


class LockDigests:
    """Reads the entries of the lock files of a repository, by the id of the file."""

    def __init__(self, repository: Repository, reader: ObjectReader) -> None:
        self._objects = reader
        self._file = repository.common_dir / "spacy" / "lock-digests"
        self._remembered = self._load()
        self._read: dict[str, tuple[LockDigest, ...]] = {}
        self._bytes_left = _MAX_BYTES

    def read(self, ids: Iterable[str]) -> dict[str, tuple[LockDigest, ...]]:
        """Return the entries of each of these files (blob ids); none for an invalid one."""

        ids = [id for id in dict.fromkeys(ids) if id]
        missing = [id for id in ids if id not in self._read]
        unread = [id for id in missing if id not in self._remembered]
        self._read |= {id: _digests(self._remembered[id]) for id in missing if id not in unread}
        for id, content in self._objects.read(unread):
            self._bytes_left -= content.size
            if self._bytes_left < 0:
                break
            self._read[id] = tuple(map(digest_entry, _parse(content.read()).values()))
        if unread:
            self._save()
        return {id: self._read.get(id, ()) for id in ids}

    def entry(self, id: str, name: str) -> LockEntry | None:
        """Return one entry of a file."""

        contents = self._objects.read([id])
        ((_, data),) = ((id, content.read()) for id, content in contents)
        return _parse(data).get(name)

    def _load(self) -> dict[str, Any]:
        data = read_checked(self._file, _KIND)
        return json.loads(bytes(data)) if data is not None else {}

    def _save(self) -> None:
        left = _MAX_REMEMBERED
        kept: dict[str, Any] = {}
        new = {
            id: [(name, *digest) for name, digest in entries] for id, entries in self._read.items()
        }
        for id, entries in {**new, **self._remembered}.items():
            left -= len(entries) + 1
            if left < 0:
                break
            kept[id] = entries
        write_checked(self._file, _KIND, json.dumps(kept).encode())


def _digests(entries: Any) -> tuple[LockDigest, ...]:
    return tuple(LockDigest(name, Digest(exact, loose)) for name, exact, loose in entries)


def _parse(data: bytes) -> dict[str, LockEntry]:
    from git_spacy.lock import lock_format

    try:
        return lock_format.parse(data)
    except InvalidInput:
        return {}
