"""Build the index of the run records, or read the notes that changed since it was written."""

from __future__ import annotations

import gc
import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy.git import notes, objects
from git_spacy.git.notes import Note
from git_spacy.git.repository import Repository
from git_spacy.git.sealed_notes import named_by
from git_spacy.history.checked_file import write_checked
from git_spacy.history.run_index import (
    HEAD_FIELDS,
    KIND,
    Names,
    NoteTable,
    Rows,
    RunIndex,
    digest_line,
    digest_result,
    digest_tree,
)

_MAX_ROWS = 4_000_000
# of one update, the bytes as `estimate_memory` counts them; the next one goes on
_MAX_NEW_BYTES, _MAX_NEW_ROWS = 256 << 20, 1_000_000
_MAX_PROJECTS = 32
_MAX_TIME = 2**32 - 1  # seconds since 1970


def update(repository: Repository, file: Path, stored: RunIndex | None) -> RunIndex:
    """Return the index of the present notes, and write it to `file`.

    `stored` is that of an earlier version. Raises TooManyEntries, ExternalError.
    """

    tip = notes.tip(repository)
    if not tip:
        return _assemble("", (), {}, [], [])
    with _without_cycle_detection():
        index = _update(repository, stored, tip)
    write_checked(file, KIND, _serialize(index))
    return index


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


# The tables in memory


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
    note_table = NoteTable(
        memoryview(bytes.fromhex("".join(commits))),
        memoryview(bytes.fromhex("".join(table[commit][0].id for commit in commits))),
        array("q", [table[commit][0].size for commit in commits]),
        bytes(table[commit][1] for commit in commits),
        len(commits[0]) // 2 if commits else 20,
    )
    columns = Rows(
        array("Q", [row.key for row in rows]),
        array("I", [row.time for row in rows]),
        array("I", [numbers[row.commit] for row in rows]),
        array("I", [row.line for row in rows]),
    )
    named = Names(
        note_table,
        memoryview(bytes.fromhex("".join(name.sealed for name in names))),
        array("I", [numbers[name.note] for name in names]),
    )
    return RunIndex(tip, projects, note_table, columns, named)


def _serialize(index: RunIndex) -> bytes:
    table, rows, names = index.table, index.rows, index.names
    counts = len(table), len(rows.keys), len(names.notes)
    values = index.tip, table.width, *counts, index.projects
    head = json.dumps(dict(zip(HEAD_FIELDS, values, strict=True))).encode() + b"\n"
    parts = (table.commits, table.blobs, table.sizes, table.read, *rows, names.sealed, names.notes)
    return head + b"".join(bytes(part) for part in parts)


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
        named = map(_Name._make, stored.names)
        names = [name for name in named if table.get(name.note, ("", False))[1]]
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
    table = stored.table
    return {
        commit: (table.note(number), bool(table.read[number]))
        for number, commit in enumerate(table)
        if commit not in changed and commit not in removed
    }


def _old_rows(stored: RunIndex, table: Mapping[str, tuple[Note, bool]]) -> list[_Row]:
    commits = [commit if table.get(commit, ("", False))[1] else "" for commit in stored.notes]
    return [
        _Row(key, time, commit, line)
        for key, time, note, line in zip(*stored.rows, strict=True)
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
