"""Summarize the status of the files at or below a path, to find out later whether any changed.

A run that has nothing to do spends most of its time here, so this is as fast as possible. A child
process does half of the work in large folders: Python's threads would take turns. For the same
reason, Git looks at files in threads (core.preloadIndex).
"""

from __future__ import annotations

import _thread
import marshal
import os
import signal
import stat
import sys
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path

from git_spacy.files import open_directory
from git_spacy.light_hashes import blake2b
from git_spacy.light_typing import Any, NamedTuple, NoReturn
from git_spacy.state.counted_files import Selection
from git_spacy.state.hashing import MARSHAL_FORMAT, linked_file, open_path

_PART_LENGTH = 512  # entries of one folder
_PARTS_BEFORE_FORK = 4  # starting a child takes as long as the status of 500 files
_HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # by `interrupts`, but not by the child
_NAME = attrgetter("name")
_STAT_FIELDS = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
_KIND = 12  # the bits of a mode below those that say what kind of file it is


class StatSummary(NamedTuple):
    """A summary of all files at or below a path, made without opening any.

    `signature` is a digest of their names, sizes, times and inodes; `files` their number; `size`
    their total size in bytes; `newest` the time of the latest change (ns); `is_folder` whether the
    path is a folder.
    """

    signature: str
    files: int
    size: int
    newest: int
    is_folder: bool


class _FolderPart(NamedTuple):
    """Entries of a folder: with its real path, and the prefix of their names in the summary."""

    folder: str
    prefix: str
    entries: list[os.DirEntry[str]]


# The digest of files, their number, their total size in bytes, and the latest change (ns).
_PartSummary = tuple[bytes, int, int, int]


def stat_summary(
    root: Path, relative: str, selection: Selection | None = None, *, fork: bool = False
) -> StatSummary | None:
    """Summarize the files of `hashing.files_below`; None if the path does not exist.

    With `fork`, a child process may do half of the work. Do not ask for that where a library with
    threads of its own may be loaded. Raises Refused for a path that is neither file nor folder.
    """

    try:
        with open_path(root, relative) as (directory, name, real, status):
            if stat.S_ISREG(status.st_mode):
                return _combine([_summarize("", [("", *_STAT_FIELDS(status))])], is_folder=False)
            descriptor = open_directory(name, directory, relative)
    except FileNotFoundError:
        return None
    try:
        summaries = None
        if fork and _can_fork():
            summaries = _share(root, _parts(descriptor, real, "", selection))
        if summaries is None:
            parts = _parts(descriptor, real, "", selection)
            summaries = [_summarize_part(root, part) for part in parts]
    finally:
        os.close(descriptor)
    return _combine(summaries, is_folder=True)


def _combine(summaries: list[_PartSummary], *, is_folder: bool) -> StatSummary:
    digests, counts, sizes, newest = zip((b"", 0, 0, 0), *summaries, strict=True)
    signature = blake2b(b"".join(digests), digest_size=16).hexdigest()
    return StatSummary(signature, sum(counts), sum(sizes), max(newest), is_folder)


def _parts(
    descriptor: int, folder: str, prefix: str, selection: Selection | None
) -> Iterator[_FolderPart]:
    """Yield the entries of a folder and its subfolders in parts.

    The folder is read through its `descriptor`, so that a link put in its place later is not
    followed.
    """

    with os.scandir(descriptor) as scanned:
        entries = [
            entry for entry in scanned if selection is None or selection.select(prefix + entry.name)
        ]
    entries.sort(key=_NAME)
    for start in range(0, len(entries), _PART_LENGTH):
        yield _FolderPart(folder, prefix, entries[start : start + _PART_LENGTH])
    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    del entries
    for name in names:
        path = os.path.join(folder, name)
        selected = selection.select(prefix + name) if selection else None
        inner = open_directory(name, descriptor, path)
        try:
            below = None if isinstance(selected, bool) else selected
            yield from _parts(inner, path, f"{prefix}{name}/", below)
        finally:
            os.close(inner)


def _summarize_part(root: Path, part: _FolderPart) -> _PartSummary:
    rows = [
        (entry.name, *_STAT_FIELDS(entry.stat(follow_symlinks=False))) for entry in part.entries
    ]
    if {row[1] >> _KIND for row in rows} != {stat.S_IFREG >> _KIND}:
        rows = [row for entry in rows if (row := _file_row(root, part.folder, entry))]
    return _summarize(part.prefix, rows)


def _file_row(root: Path, folder: str, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the row of a file; for a link, with the status of its target; None for others."""

    name, mode = row[:2]
    if stat.S_ISREG(mode):
        return row
    target = linked_file(root, os.path.join(folder, name)) if stat.S_ISLNK(mode) else None
    return (name, *_STAT_FIELDS(target[1])) if target else None


def _summarize(prefix: str, rows: list[tuple[Any, ...]]) -> _PartSummary:
    """Summarize files; `rows` has the name and the `_STAT_FIELDS` of each."""

    if not rows:
        return b"", 0, 0, 0
    columns = tuple(zip(*rows, strict=True))
    _, _, sizes, mtimes, ctimes, _ = columns
    digest = blake2b(marshal.dumps((prefix, columns), MARSHAL_FORMAT), digest_size=16).digest()
    return digest, len(rows), sum(sizes), max(*mtimes, *ctimes)


# Two processes


def _can_fork() -> bool:
    """Return whether a child process would help, and could not inherit the lock of a thread."""

    return sys.platform == "linux" and not _thread._count() and len(os.sched_getaffinity(0)) > 1


def _share(root: Path, parts: Iterator[_FolderPart]) -> list[_PartSummary] | None:
    """Summarize the parts; if there are many, every other one in a child process.

    Returns None if the child cannot be started or did not succeed: what it met will be met again.
    """

    summaries = [_summarize_part(root, part) for part in islice(parts, _PARTS_BEFORE_FORK)]
    if len(summaries) < _PARTS_BEFORE_FORK:
        return summaries
    try:
        child, pipe = _fork()
    except OSError:  # e.g. the limit of processes
        return None
    if not child:
        _work_as_child(root, parts, pipe)
    try:
        with open(pipe, "rb") as stream:
            ours = _summarize_every_other(root, parts, 0)
            data = stream.read()
    finally:
        os.kill(child, signal.SIGKILL)  # nobody needs its work if it is still running
        os.waitpid(child, 0)
    try:
        theirs = marshal.loads(data)
    except (EOFError, ValueError, TypeError):
        return None
    if len(ours) != len(theirs):
        return None  # the folder changes
    return [*summaries, *(mine or other for mine, other in zip(ours, theirs, strict=True))]


def _summarize_every_other(
    root: Path, parts: Iterator[_FolderPart], share: int
) -> list[_PartSummary | None]:
    return [
        _summarize_part(root, part) if number % 2 == share else None
        for number, part in enumerate(parts)
    ]


def _fork() -> tuple[int, int]:
    """Start a child that does not handle signals.

    Return its process ID and the end of a pipe to read from; to the child, 0 and the other end.
    Raises OSError.
    """

    reading, writing = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        child = os.fork()
        if not child:
            for number in _HANDLED_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(writing if child else reading)
    return (child, reading) if child else (0, writing)


def _work_as_child(root: Path, parts: Iterator[_FolderPart], pipe: int) -> NoReturn:
    """Write the summaries of every other part to the pipe, and exit without any cleanup."""

    try:
        theirs = marshal.dumps(_summarize_every_other(root, parts, 1))
        with open(pipe, "wb") as stream:
            stream.write(theirs)
    finally:
        os._exit(0)
