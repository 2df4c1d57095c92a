"""Digest the entries of project.lock files in commits, and remember them by the file's Git id.

To parse the YAML of every commit would take most of the time of `git spacy log`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from git_spacy.errors import InvalidInput
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from git_spacy.history.checked_file import read_checked, write_checked
from git_spacy.history.run_index import Digest, digest_result
from git_spacy.light_typing import NamedTuple
from git_spacy.lock.lock_format import LockEntry

_KIND = "lock digests 2"
_POSITION_LENGTH = 8  # hexadecimal digits
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
        self._remembered = _Remembered(read_checked(self._file, _KIND))
        self._read: dict[str, tuple[LockDigest, ...]] = {}
        self._bytes_left = _MAX_BYTES

    def read(self, ids: Iterable[str]) -> dict[str, tuple[LockDigest, ...]]:
        """Return the entries of each of these files (blob ids); none for an invalid one."""

        ids = [id for id in dict.fromkeys(ids) if id]
        missing = [id for id in ids if id not in self._read]
        unread = []
        for id in missing:
            entries = self._remembered.find(id)
            if entries is None:
                unread.append(id)
            else:
                self._read[id] = entries
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

    def _save(self) -> None:
        left = _MAX_REMEMBERED
        kept: dict[str, tuple[LockDigest, ...]] = {}
        for id, entries in {**self._read, **dict(self._remembered.items())}.items():
            left -= len(entries) + 1
            if left < 0:
                break
            kept[id] = entries
        write_checked(self._file, _KIND, _serialize(kept))


class _Remembered:
    """The content of the file, in which single locks are found without reading the others.

    The first line has the number of locks and the length of an id. Then come the sorted ids, each
    with the position of its entries, and the entries as JSON.
    """

    def __init__(self, data: memoryview | None) -> None:
        head, _, self._data = bytes(data or b"0 0\n").partition(b"\n")
        self._number, self._id_length = map(int, head.split())

    def find(self, id: str) -> tuple[LockDigest, ...] | None:
        """Return the entries of the lock with this id; None if it is not remembered."""

        number = bisect_left(range(self._number), id, key=self._id)
        is_found = number < self._number and self._id(number) == id
        return self._entries(number) if is_found else None

    def items(self) -> Iterator[tuple[str, tuple[LockDigest, ...]]]:
        """Yield the id and the entries of every lock."""

        return ((self._id(number), self._entries(number)) for number in range(self._number))

    def _id(self, number: int) -> str:
        start = number * (self._id_length + _POSITION_LENGTH)
        return self._data[start : start + self._id_length].decode()

    def _entries(self, number: int) -> tuple[LockDigest, ...]:
        end = (number + 1) * (self._id_length + _POSITION_LENGTH)
        position = int(self._data[end - _POSITION_LENGTH : end], 16)
        entries = json.loads(self._data[position : self._data.index(b"\n", position)])
        return tuple(LockDigest(name, Digest(exact, loose)) for name, exact, loose in entries)


def _serialize(locks: Mapping[str, tuple[LockDigest, ...]]) -> bytes:
    """Return the content of the file with these locks."""

    in_order = sorted(locks)
    id_length = len(in_order[0]) if in_order else 0
    position = len(in_order) * (id_length + _POSITION_LENGTH)
    ids, texts = [], []
    for id in in_order:
        text = json.dumps([(name, *digest) for name, digest in locks[id]]) + "\n"
        ids.append(f"{id}{position:0{_POSITION_LENGTH}x}")
        texts.append(text)
        position += len(text)
    return f"{len(in_order)} {id_length}\n{''.join(ids)}{''.join(texts)}".encode()


def _parse(data: bytes) -> dict[str, LockEntry]:
    from git_spacy.lock import lock_format

    try:
        return lock_format.parse(data)
    except InvalidInput:
        return {}
