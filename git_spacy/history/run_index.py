"""Index the run records in Git notes, so that one result is found among 100,000 records at once.

A row says that the record on line L of the note N has the key K: a digest of a command and its
result (script, dependencies, outputs), of the tree that a run began on, or of the line, which is
also the id of the run. A note is on a commit, or is sealed and named by later notes. The index is
derived from one version of the notes; after they have changed, only the changed notes are read. It
only finds candidates: whoever uses it parses the record, and compares it with what is wanted.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from git_spacy.git import notes
from git_spacy.git.notes import Note, is_sealed
from git_spacy.git.repository import Repository
from git_spacy.history.checked_file import read_checked
from git_spacy.history.run_record import RunRecord
from git_spacy.light_hashes import blake2b
from git_spacy.light_typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from array import array

KIND = f"run index 3 {sys.byteorder}"
_MAX_COMMITS = 64  # with the same sealed note: an amended commit and those before it
_ITEM_BYTES = {"I": 4, "Q": 8, "q": 8}
HEAD_FIELDS = ("tip", "id_bytes", "notes", "rows", "names", "projects")


class Digest(NamedTuple):
    """What identifies a result: `exact` covers command, script, dependencies and outputs, `loose`
    all but the script, in which another tool may have filled in environment variables."""

    exact: str
    loose: str


def digest_result(
    command: str,
    script: Iterable[str],
    deps: Iterable[tuple[str, str | None]],
    outs: Iterable[tuple[str, str | None]],
) -> Digest:
    """Return the digest of a command's result; `deps` and `outs` are pairs of path and md5."""

    facts = [command, [list(dep) for dep in deps], [list(out) for out in outs]]
    return Digest(_digest(["result", *facts, list(script)]), _digest(["loose", *facts]))


def digest_record(record: RunRecord) -> Digest:
    """Return the digest of the result of a run."""

    deps, outs = ([(file.path, file.md5) for file in files] for files in (record.deps, record.outs))
    return digest_result(record.command, record.script, deps, outs)


def digest_tree(project: str, tree: str) -> str:
    """Return the key of the runs of a project that began on this tree, without other changes."""

    return _digest(["tree", project, tree])


def digest_line(line: str) -> str:
    """Return the key of the record in this line."""

    import hashlib

    return hashlib.sha1(line.encode(), usedforsecurity=False).hexdigest()


def _digest(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"))
    digits: str = blake2b(text.encode(), digest_size=16).hexdigest()
    return digits


class IndexedRun(NamedTuple):
    """Where a record is: the id of its commit, and its line in the note with this id, which is
    that of the commit, or that of a sealed note before the one on the commit."""

    commit: str
    line: int
    note: str


class RunIndex:
    """The index of one version of the notes.

    `tip` is the commit of that version, `projects` the folders of the projects with the latest
    records, `complete` whether all notes are indexed.
    """

    def __init__(
        self, tip: str, projects: tuple[str, ...], table: NoteTable, rows: Rows, names: Names
    ) -> None:
        self.tip = tip
        self.projects = projects
        self.notes: Mapping[str, Note] = table
        self.complete = 0 not in table.read
        self.table = table
        self.rows = rows
        self.names = names
        self._commits_by_note: dict[str, tuple[str, ...]] = {}

    def commits(self) -> list[str]:
        """Return the ids of the commits with notes."""

        return [id for id, note in self.notes.items() if not is_sealed(id, note)]

    def find(self, key: str) -> list[IndexedRun]:
        """Return the records with this key, the newest first, or those whose keys start with it."""

        rows, digits = self.rows, key[:16]
        first = bisect_left(rows.keys, int(digits.ljust(16, "0"), 16))
        end = bisect_right(rows.keys, int(digits.ljust(16, "f"), 16))
        found = []
        for position in reversed(range(first, end)):
            note, line = self.table.commit(rows.notes[position]), rows.lines[position]
            found += [IndexedRun(commit, line, note) for commit in self._commits_of(note)]
        return found

    def _commits_of(self, note: str) -> tuple[str, ...]:
        """Return the commit of a note, or those of the notes that name a sealed one."""

        known, unknown = self._commits_by_note, [note]
        while unknown:
            id = unknown[-1]
            if not is_sealed(id, self.notes[id]):
                known[id] = (id,)
            later = list(self.names.naming(id)) if id not in known else []
            before = [name for name in later if name not in known]
            if not before:
                commits = dict.fromkeys(commit for name in later for commit in known[name])
                known.setdefault(id, tuple(commits)[:_MAX_COMMITS])
                unknown.pop()
            unknown += before
        return self._commits_by_note[note]


def open_index(repository: Repository) -> RunIndex:
    """Return the index of the present notes, after reading the notes that are not in it yet.

    Raises TooManyEntries, ExternalError.
    """

    file = repository.common_dir / "spacy" / "run-index"
    stored = _load(file)
    if stored and stored.complete and _is_tip(repository, stored.tip):
        return stored
    from git_spacy.history import run_index_update

    return run_index_update.update(repository, file, stored)


def _is_tip(repository: Repository, id: str) -> bool:
    """Return whether `id` is the tip of the notes, without git if the ref is in a file."""

    try:
        return (repository.common_dir / notes.REF).read_bytes() == f"{id}\n".encode()
    except OSError:
        return notes.tip(repository) == id


# The tables in memory, as in the file


_Column: TypeAlias = "array[int] | memoryview"  # the latter of the file, without a copy


class Rows(NamedTuple):
    """Columns, sorted by key and then by the time of the run."""

    keys: _Column
    times: _Column
    notes: _Column
    lines: _Column


class NoteTable(Mapping[str, Note]):
    """The notes, sorted by the ids of their commits; `read` has a 1 for those that are indexed."""

    def __init__(
        self, commits: memoryview, blobs: memoryview, sizes: _Column, read: bytes, width: int
    ) -> None:
        self.commits, self.blobs, self.sizes, self.read = commits, blobs, sizes, read
        self.width = width
        self._found: dict[str, Note | None] = {}

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[str]:
        return (self.commit(number) for number in range(len(self)))

    def __getitem__(self, commit: str) -> Note:
        if commit not in self._found:  # most commits are looked up several times
            self._found[commit] = self._find(commit)
        if (note := self._found[commit]) is None:
            raise KeyError(commit)
        return note

    def _find(self, commit: str) -> Note | None:
        try:
            wanted = bytes.fromhex(commit)
        except ValueError:
            return None
        number = bisect_left(range(len(self)), wanted, key=self._bytes_of)
        is_found = number < len(self) and self._bytes_of(number) == wanted
        return self.note(number) if is_found else None

    def _bytes_of(self, number: int) -> bytes:
        return bytes(self.commits[number * self.width : (number + 1) * self.width])

    def commit(self, number: int) -> str:
        return self._bytes_of(number).hex()

    def note(self, number: int) -> Note:
        blob = self.blobs[number * self.width : (number + 1) * self.width]
        return Note(blob.hex(), self.sizes[number])


class Names:
    """Which notes name which sealed ones, sorted by the ids of the sealed ones."""

    def __init__(self, table: NoteTable, sealed: memoryview, notes: _Column) -> None:
        self.sealed, self.notes = sealed, notes
        self._table = table

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the id of a sealed note and that of a note that names it."""

        for position, note in enumerate(self.notes):
            yield self._sealed(position).hex(), self._table.commit(note)

    def naming(self, id: str) -> Iterator[str]:
        """Yield the ids of the notes that name a sealed one."""

        wanted = bytes.fromhex(id)
        position = bisect_left(range(len(self.notes)), wanted, key=self._sealed)
        while position < len(self.notes) and self._sealed(position) == wanted:
            yield self._table.commit(self.notes[position])
            position += 1

    def _sealed(self, position: int) -> bytes:
        width = self._table.width
        return bytes(self.sealed[position * width : (position + 1) * width])


def _load(file: Path) -> RunIndex | None:
    data = read_checked(file, KIND)
    if data is None:
        return None
    try:
        end = bytes(data[:65536]).index(b"\n") + 1
        tip, width, count, rows, names, projects = (
            json.loads(bytes(data[:end]))[field] for field in HEAD_FIELDS
        )
        position = end

        def take(size: int) -> memoryview:
            nonlocal position
            position += size
            return data[position - size : position]

        def column(kind: Literal["I", "Q", "q"], length: int) -> memoryview:
            return take(length * _ITEM_BYTES[kind]).cast(kind)

        table = NoteTable(
            take(count * width), take(count * width), column("q", count), bytes(take(count)), width
        )
        columns = Rows(column("Q", rows), *(column("I", rows) for _ in range(3)))
        named = Names(table, take(names * width), column("I", names))
    except (ValueError, LookupError, TypeError):  # written by something else with our first line
        return None
    return RunIndex(tip, tuple(projects), table, columns, named) if position == len(data) else None
