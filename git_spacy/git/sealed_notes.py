"""Keep notes small: a full note is sealed, and a new one on the same commit names it.

To append a line, Git writes a note again as a whole, so that the bytes of one long note grow with
the square of its lines. The blob of a sealed note is not written again. It is in the notes under
its own id: no clean-up of Git removes it, a fetch or push takes it along, and it is never in
conflict with another version. The first lines of the new note name sealed ones, in which more may
be named. docs/reference/run-records.md has the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from git_spacy.git.new_objects import ReadTree
from git_spacy.git.objects import is_object_id
from git_spacy.light_typing import NamedTuple

MAX_OPEN_LINES, MAX_OPEN_BYTES = 32, 64 << 10  # of a note to which lines are appended
_MAX_NAMED = 16  # sealed notes that one note names
_MAX_FOLDERS = 3  # in the path of a note: Git makes more for more notes
_BEFORE, _AFTER = '{"before":"', '","v":2}'  # the id of a sealed note in a line that names it


def named_by(lines: Iterable[str]) -> list[str]:
    """Return the ids of the sealed notes that the lines of a note name."""

    return [id for id in map(_named_by_line, lines) if id]


def _named_by_line(line: str) -> str:
    """Return the id of the sealed note that a line names, or ""."""

    if not (line.startswith(_BEFORE) and line.endswith(_AFTER)):
        return ""
    id = line[len(_BEFORE) : -len(_AFTER)]
    return id if is_object_id(id) else ""


def is_full(lines: Sequence[str]) -> bool:
    """Return whether a note with these lines should be sealed before more are appended."""

    size = sum(len(line) + 1 for line in lines)
    return len(lines) - len(named_by(lines)) >= MAX_OPEN_LINES or size >= MAX_OPEN_BYTES


def first_lines(full: Sequence[str], id: str) -> list[str]:
    """Return the lines with which a note begins after a full one, whose blob has the id `id`.

    They name all that it named, up to a number, so that a long chain is read in a few steps.
    """

    named = named_by(full)
    ids = [*(named if len(named) < _MAX_NAMED else ()), id]
    return [f"{_BEFORE}{name}{_AFTER}" for name in ids]


class Joined(NamedTuple):
    """The ids under which a note and the sealed ones before it are in the notes, and their lines,
    each once, without those that name sealed notes."""

    keys: tuple[str, ...]
    lines: tuple[str, ...]


def join(
    key: str, lines: Mapping[str, Sequence[str]], named: Mapping[str, Sequence[str]]
) -> Joined:
    """Join a note and the sealed notes before it.

    `key` is the id under which it is in the notes, `lines` has the lines of the notes by such ids,
    and `named` the ids of the sealed notes that each of them names, the oldest first.
    """

    keys, known = [key], {key}
    for later in keys:
        before = [id for id in reversed(named[later]) if id not in known]
        keys += dict.fromkeys(before)
        known.update(before)
    joined = dict.fromkeys(line for id in reversed(keys) for line in lines[id])
    return Joined(tuple(keys), tuple(line for line in joined if not _named_by_line(line)))


class NotePath(NamedTuple):
    """Where a note is or would be in the tree of the notes, and the paths and ids of the blobs
    that are there; more than one if other tools wrote it into other folders."""

    path: str
    blobs: Mapping[str, str]


def find_note(read_tree: ReadTree, version: str, id: str) -> NotePath:
    """Find the note on the object `id` in a version of the notes ("": there are none).

    In the tree, the first digits of ids may be folders, in any number. Raises as `read_tree`.
    """

    blobs: dict[str, str] = {}
    tree = f"{version}^{{tree}}" if version else ""
    existing = 0  # folders
    for folders in range(_MAX_FOLDERS + 1):
        if not tree:
            break
        items = read_tree(tree)
        rest = id[2 * folders :].encode()
        note, folder = items.get(rest), items.get(rest[:2])
        if note and note.kind == "blob":
            blobs[_path(id, folders)] = note.id
        existing += folder is not None
        tree = folder.id if folder and folder.kind == "tree" else ""
    path = _path(id, min(existing, _MAX_FOLDERS) or 1)
    return NotePath(next(iter(blobs), path), blobs)


def is_note_path(name: str) -> bool:
    """Return whether this is the path of a note: an id whose first digits may be folders."""

    *folders, rest = name.split("/")
    return rest != "" and all(len(folder) == 2 for folder in folders)


def _path(id: str, folders: int) -> str:
    return "".join(f"{id[2 * n : 2 * n + 2]}/" for n in range(folders)) + id[2 * folders :]
