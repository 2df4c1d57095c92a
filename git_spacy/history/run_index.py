"""Index the run records in Git notes, so that one result is found among 100,000 records at once.

A row says that the record on line L of the note N has the key K: a digest of a command and its
result (script, dependencies, outputs), of the tree that a run began on, or of the line, which is
also the id of the run. A note is on a commit, or is sealed and named by later notes. The index is
derived from one version of the notes; after they have changed, only the changed notes are read. It
only finds candidates: whoever uses it parses the record, and compares it with what is wanted.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from git_spacy.git import notes, objects
from git_spacy.git.notes import Note, is_sealed
from git_spacy.git.repository import Repository
from git_spacy.git.sealed_notes import named_by
from git_spacy.history.checked_file import read_checked, write_checked
from git_spacy.history.run_record import RunRecord

_KIND = f"run index 3 {sys.byteorder}"
_MAX_ROWS = 4_000_000
# of one update, the bytes as `estimate_memory` counts them; the next one goes on
_MAX_NEW_BYTES, _MAX_NEW_ROWS = 256 << 20, 1_000_000
_MAX_PROJECTS = 32
_MAX_COMMITS = 64  # with the same sealed note: an amended commit and those before it
_MAX_TIME = 2**32 - 1  # seconds since 1970
_HEAD_FIELDS = ("tip", "id_bytes", "notes", "rows", "names", "projects")


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

    return hashlib.sha1(line.encode(), usedforsecurity=False).hexdigest()


def _digest(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


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
        self, tip: str, projects: tuple[str, ...], table: _NoteTable, rows: _Rows, names: _Names
    ) -> None:
        self.tip = tip
        self.projects = projects
        self.notes: Mapping[str, Note] = table
        self.complete = 0 not in table.read
        self._table = table
        self._rows = rows
        self._names = names
        self._commits_by_note: dict[str, tuple[str, ...]] = {}

    def commits(self) -> list[str]:
        """Return the ids of the commits with notes."""

        return [id for id, note in self.notes.items() if not is_sealed(id, note)]

    def find(self, key: str) -> list[IndexedRun]:
        """Return the records with this key, the newest first, or those whose keys start with it."""

        rows, digits = self._rows, key[:16]
        first = bisect_left(rows.keys, int(digits.ljust(16, "0"), 16))
        end = bisect_right(rows.keys, int(digits.ljust(16, "f"), 16))
        found = []
        for position in reversed(range(first, end)):
            note, line = self._table.commit(rows.notes[position]), rows.lines[position]
            found += [IndexedRun(commit, line, note) for commit in self._commits_of(note)]
        return found

    def _commits_of(self, note: str) -> tuple[str, ...]:
        """Return the commit of a note, or those of the notes that name a sealed one."""

        known, unknown = self._commits_by_note, [note]
        while unknown:
            id = unknown[-1]
            if not is_sealed(id, self.notes[id]):
                known[id] = (id,)
            later = list(self._names.naming(id)) if id not in known else []
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
    tip = notes.tip(repository)
    if not tip:
        return _assemble("", (), {}, [], [])
    with _without_cycle_detection():
        index = _update(repository, stored, tip)
    write_checked(file, _KIND, _serialize(index))
    return index


def _is_tip(repository: Repository, id: str) -> bool:
    """Return whether `id` is the tip of the notes, without git if the ref is in a file."""

    try:
        return (repository.common_dir / notes.REF).read_text("ascii") == f"{id}\n"
    except (OSError, ValueError):
        return notes.tip(repository) == id


@contextmanager
def _without_cycle_detection() -> Iterator[None]:
    """Pause the search for reference cycles: JSON has none, and with many small lists in it, the
    search takes most of the time."""

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# The tables in memory, as in the file


_Column: TypeAlias = "array[int] | memoryview"  # the latter of the file, without a copy


class _Rows(NamedTuple):
    """Columns, sorted by key and then by the time of the run."""

    keys: _Column
    times: _Column
    notes: _Column
    lines: _Column


class _NoteTable(Mapping[str, Note]):
    """The notes, sorted by the ids of their commits; `read` has a 1 for those that are indexed."""

    def __init__(
        self, commits: memoryview, blobs: memoryview, sizes: _Column, read: bytes, width: int
    ) -> None:
        self.commits, self.blobs, self.sizes, self.read = commits, blobs, sizes, read
        self.width = width

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[str]:
        return (self.commit(number) for number in range(len(self)))

    def __getitem__(self, commit: str) -> Note:
        try:
            wanted = bytes.fromhex(commit)
        except ValueError:
            raise KeyError(commit) from None
        number = bisect_left(range(len(self)), wanted, key=self._bytes_of)
        if number == len(self) or self._bytes_of(number) != wanted:
            raise KeyError(commit)
        return self.note(number)

    def _bytes_of(self, number: int) -> bytes:
        return bytes(self.commits[number * self.width : (number + 1) * self.width])

    def commit(self, number: int) -> str:
        return self._bytes_of(number).hex()

    def note(self, number: int) -> Note:
        blob = self.blobs[number * self.width : (number + 1) * self.width]
        return Note(blob.hex(), self.sizes[number])


class _Names:
    """Which notes name which sealed ones, sorted by the ids of the sealed ones."""

    def __init__(self, table: _NoteTable, sealed: memoryview, notes: _Column) -> None:
        self.sealed, self.notes = sealed, notes
        self._table = table

    def __iter__(self) -> Iterator[_Name]:
        for position, note in enumerate(self.notes):
            yield _Name(self._sealed(position).hex(), self._table.commit(note))

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


class _Name(NamedTuple):
    sealed: str
    note: str


class _Row(NamedTuple):
    key: int
    time: int
    commit: str
    line: int


def _assemble(
    tip: str, projects: tuple[str, ...], table: Mapping[str, tuple[Note, bool]], rows: list[_Row],
    names: list[_Name],
) -> RunIndex:  # fmt: skip
    commits = sorted(table)
    numbers = {commit: number for number, commit in enumerate(commits)}
    rows.sort()
    names.sort()
    note_table = _NoteTable(
        memoryview(bytes.fromhex("".join(commits))),
        memoryview(bytes.fromhex("".join(table[commit][0].id for commit in commits))),
        array("q", [table[commit][0].size for commit in commits]),
        bytes(table[commit][1] for commit in commits),
        len(commits[0]) // 2 if commits else 20,
    )
    columns = _Rows(
        array("Q", [row.key for row in rows]),
        array("I", [row.time for row in rows]),
        array("I", [numbers[row.commit] for row in rows]),
        array("I", [row.line for row in rows]),
    )
    named = _Names(
        note_table,
        memoryview(bytes.fromhex("".join(name.sealed for name in names))),
        array("I", [numbers[name.note] for name in names]),
    )
    return RunIndex(tip, projects, note_table, columns, named)


def _serialize(index: RunIndex) -> bytes:
    table, rows, names = index._table, index._rows, index._names
    counts = len(table), len(rows.keys), len(names.notes)
    values = index.tip, table.width, *counts, index.projects
    head = json.dumps(dict(zip(_HEAD_FIELDS, values, strict=True))).encode() + b"\n"
    parts = (table.commits, table.blobs, table.sizes, table.read, *rows, names.sealed, names.notes)
    return head + b"".join(bytes(part) for part in parts)


def _load(file: Path) -> RunIndex | None:
    data = read_checked(file, _KIND)
    if data is None:
        return None
    try:
        end = bytes(data[:65536]).index(b"\n") + 1
        tip, width, count, rows, names, projects = (
            json.loads(bytes(data[:end]))[field] for field in _HEAD_FIELDS
        )
        position = end

        def take(size: int) -> memoryview:
            nonlocal position
            position += size
            return data[position - size : position]

        def column(kind: Literal["I", "Q", "q"], length: int) -> memoryview:
            return take(length * array(kind).itemsize).cast(kind)

        table = _NoteTable(
            take(count * width), take(count * width), column("q", count), bytes(take(count)), width
        )
        columns = _Rows(column("Q", rows), *(column("I", rows) for _ in range(3)))
        named = _Names(table, take(names * width), column("I", names))
    except (ValueError, LookupError, TypeError):  # written by something else with our first line
        return None
    return RunIndex(tip, tuple(projects), table, columns, named) if position == len(data) else None


# Reading notes


def _update(repository: Repository, stored: RunIndex | None, tip: str) -> RunIndex:
    """Return the index of the notes at `tip`, with as much of `stored` as is still right."""

    difference = None
    if stored and stored.tip:
        difference = notes.changed_notes(repository, stored.tip, tip)
    if stored is None or difference is None:
        table = {
            commit: (note, False) for commit, note in notes.notes_by_commit(repository, tip).items()
        }
        rows: list[_Row] = []
        names: list[_Name] = []
        projects: tuple[str, ...] = ()
    else:
        changed, removed = difference
        table = _old_notes(stored, changed, removed)
        sizes = objects.describe_objects(repository, changed.values(), "%(objectsize)")
        for (commit, id), size in zip(changed.items(), sizes, strict=True):
            table[commit] = Note(id, int(size) if size.isdigit() else -1), False
        notes.check_entry_count(repository, tip)
        rows = _old_rows(stored, table)
        names = [name for name in stored._names if table.get(name.note, ("", False))[1]]
        projects = stored.projects
    latest = dict.fromkeys(reversed(projects))
    unread = [commit for commit, (_, is_read) in table.items() if not is_read]
    reading = _Reading(repository, table, rows, names)
    for project in reading.read(unread):
        latest.pop(project, None)
        latest[project] = None
        if len(latest) > _MAX_PROJECTS:
            del latest[next(iter(latest))]
    return _assemble(tip, tuple(reversed(latest)), table, rows, names)


def _old_notes(
    stored: RunIndex, changed: Mapping[str, str], removed: set[str]
) -> dict[str, tuple[Note, bool]]:
    table = stored._table
    return {
        commit: (table.note(number), bool(table.read[number]))
        for number, commit in enumerate(table)
        if commit not in changed and commit not in removed
    }


def _old_rows(stored: RunIndex, table: Mapping[str, tuple[Note, bool]]) -> list[_Row]:
    commits = [commit if table.get(commit, ("", False))[1] else "" for commit in stored.notes]
    return [
        _Row(key, time, commit, line)
        for key, time, note, line in zip(*stored._rows, strict=True)
        if (commit := commits[note])
    ]


class _Reading:
    """Reads notes into rows, within the limits of one update."""

    def __init__(
        self, repository: Repository, table: dict[str, tuple[Note, bool]], rows: list[_Row],
        names: list[_Name],
    ) -> None:  # fmt: skip
        self._repository = repository
        self._table = table
        self._rows = rows
        self._names = names

    def read(self, commits: Iterable[str]) -> Iterator[str]:
        """Yield the projects of the records; mark the notes as read.

        The blob of several notes, e.g. of those on amended commits, is read once.
        """

        commits_by_blob: dict[str, list[str]] = {}
        for commit in commits:
            note = self._table[commit][0]
            if 0 <= note.size <= notes.MAX_NOTE_BYTES:
                commits_by_blob.setdefault(note.id, []).append(commit)
            else:  # it is not read by anything else either
                self._table[commit] = note, True
        bytes_left, rows_left = _MAX_NEW_BYTES, min(_MAX_NEW_ROWS, _MAX_ROWS - len(self._rows))
        for id, blob in objects.read_local_blobs(self._repository, list(commits_by_blob)):
            content = blob.read()
            bytes_left -= notes.estimate_memory(content)
            projects, named, runs = _read_note(content)
            yield from projects
            for commit in commits_by_blob[id]:
                self._rows += (_Row(key, seconds, commit, line) for key, seconds, line in runs)
                self._names += (_Name(id, commit) for id in named)
                self._table[commit] = self._table[commit][0], True
                rows_left -= len(runs) + len(named)
                if rows_left <= 0:
                    return
            if bytes_left <= 0:
                return


def _read_note(content: bytes) -> tuple[Iterable[str], list[str], list[tuple[int, int, int]]]:
    """Return the projects of the records in a note, the ids of the sealed notes that it names, and
    (key, time, line) of the rows for the records."""

    projects: dict[str, None] = {}
    rows = []
    lines = notes.readable_lines(content)
    for number, line in enumerate(lines):
        try:
            seconds, project, keys = _facts(json.loads(line))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            continue  # not a record of a version that we know
        projects[project] = None
        keys.append(digest_line(line))
        rows += [(int(key[:16], 16), seconds, number) for key in keys]
    return projects, named_by(lines), rows


def _facts(document: dict[str, object]) -> tuple[int, str, list[str]]:
    """Return the start, the project and the keys of the record in a JSON document.

    Which values are valid is checked when the record is used.
    """

    import calendar

    record: dict[str, object] = document
    if record["v"] != 1 or not isinstance(record["project"], str):
        raise ValueError(record["v"])
    deps, outs = (
        [(file["path"], file["md5"]) for file in record[part]]  # type: ignore[attr-defined]
        for part in ("deps", "outs")
    )
    script = record["script"]
    digest = digest_result(str(record["command"]), script, deps, outs)  # type: ignore[arg-type]
    keys = []
    if not record.get("exit", 0):
        keys.append(digest.exact)
        if any("${env" in str(text) for text in script):  # type: ignore[attr-defined]
            keys.append(digest.loose)
    if record.get("tree") and record.get("dirty") is not True:
        keys.append(digest_tree(record["project"], str(record["tree"])))
    started = [int(part) for part in re.split("[-T:]", str(record["time"])[:19])]
    return min(max(calendar.timegm((*started,)), 0), _MAX_TIME), record["project"], keys
