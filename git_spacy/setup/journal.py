"""The journal of what `init` has done, in Git's own folder, so that it can be undone.

Changes that all worktrees of a repository share (configuration, hooks) are recorded in the common
Git folder, the others in the one of their worktree. No other tool reads the JSON.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from git_spacy import formats, sharing
from git_spacy.errors import InvalidInput
from git_spacy.files import write_atomic
from git_spacy.git.repository import Repository
from git_spacy.setup.changes import SETTINGS, STEPS, Edit

_VERSION = 1
_MAX_BYTES = 64 << 20
_FILES = {True: "spacy/init.json", False: "spacy/init-tree.json"}  # by `JournalEntry.shared`

Kind = Literal["setting", "text", "move"]


class JournalEntry(NamedTuple):
    """A change that was made. The field names are keys of the JSON, so they must not change.

    `part` is the step of `init`, `name` the name to show. `where` is the name of a setting, or a
    path: relative to the common Git folder if `shared`, else to the top of the working tree.
    `value` is the value of the setting, or the new name of a file; `own` are the former values of
    the setting in the repository. `new` means that the file did not exist before; `made` are the
    folders that were created, as paths like `where`.
    """

    kind: Kind
    part: str
    name: str
    where: str
    shared: bool
    value: str = ""
    edit: Edit | None = None
    own: tuple[str, ...] = ()
    new: bool = False
    made: tuple[str, ...] = ()


def read(repository: Repository) -> tuple[JournalEntry, ...]:
    """Return all entries, in order. Raises InvalidInput for an invalid file."""

    return tuple(entry for shared in _FILES for entry in _read(_path(repository, shared)))


def write(repository: Repository, entries: Iterable[JournalEntry]) -> None:
    """Replace the journal with `entries`. Raises OSError."""

    all_entries = tuple(entries)
    for shared in _FILES:
        path = _path(repository, shared)
        documents = [_to_json(entry) for entry in all_entries if entry.shared == shared]
        if documents:
            sharing.make_folders(path.parent)
            text = json.dumps({"v": _VERSION, "done": documents}, indent=1)
            write_atomic(path, f"{text}\n".encode())
        elif path.exists():
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _path(repository: Repository, shared: bool) -> Path:
    return (repository.common_dir if shared else repository.git_dir) / _FILES[shared]


def _read(path: Path) -> list[JournalEntry]:
    try:
        with open(path, "rb") as stream:
            document = formats.document(stream.read(_MAX_BYTES))
        if document["v"] != _VERSION:
            raise ValueError(document["v"])
        shared = path.as_posix().endswith(_FILES[True])
        return [_entry(item, shared) for item in document["done"]]
    except FileNotFoundError:
        return []
    except (InvalidInput, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(
            "invalid journal of 'git spacy init'",
            file=str(path),
            hint=f"rm {shlex.quote(str(path))}\nthe changes stay, but can no longer be undone",
        ) from None


def _to_json(entry: JournalEntry) -> dict[str, Any]:
    edit = entry.edit and {
        **entry.edit._asdict(),
        "removed": _decode(entry.edit.removed),
        "added": _decode(entry.edit.added),
    }  # fmt: skip
    return {**entry._asdict(), "edit": edit}


def _entry(document: dict[str, Any], shared: bool) -> JournalEntry:
    """Parse and validate an entry, so that its paths do not lead out of their folder.

    Raises InvalidInput, ValueError, KeyError, TypeError, AttributeError.
    """

    kind, part, where = document["kind"], document["part"], document["where"]
    if kind not in get_args(Kind) or part not in STEPS or document["shared"] is not shared:
        raise ValueError(kind)
    if kind == "setting" and where not in SETTINGS:
        raise ValueError(where)
    value = formats.text(document["value"])
    if kind == "move" and "/" in formats.name(value):
        raise ValueError(value)
    return JournalEntry(
        kind,
        part,
        name=formats.text(document["name"]),
        where=where if kind == "setting" else formats.name(where),
        shared=shared,
        value=value,
        edit=_edit(document["edit"]),
        own=tuple(map(formats.text, _list(document["own"]))),
        new=document["new"] is True,
        made=tuple(map(formats.name, _list(document["made"]))),
    )


def _edit(document: dict[str, Any] | None) -> Edit | None:
    if document is None:
        return None
    return Edit(
        at=formats.size(document["at"]),
        removed=_encode(document["removed"]),
        added=_encode(document["added"]),
        digest=formats.sha256(document["digest"]),
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
