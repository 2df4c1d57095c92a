"""What `init` did here, kept in Git's own folder so that it can be taken back.

What all work trees of a repository share (its configuration, its hooks) is kept where they share
it; what belongs to one work tree with that. The JSON is ours alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from git_spacy import formats, sharing
from git_spacy.errors import InvalidInput
from git_spacy.files import write_atomic
from git_spacy.git.repository import Repository
from git_spacy.setup.changes import SETTINGS, STEPS, Edit

_VERSION = 1
_MOST_BYTES = 64 << 20
_FILES = {True: "spacy/init.json", False: "spacy/init-tree.json"}  # by `shared`


Kind = Literal["setting", "text", "move"]


class JournalEntry(NamedTuple):
    """One thing that was done. `where` is a setting's name, or a path: from the shared Git folder
    if it is `shared`, else from the top of the work tree. `value` is a setting's, or the name that
    a file got; `own` what the repository had set before; `new` files and `made` folders (from
    the same place) were not there."""

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
    """All that was done, in its order. Raises Malformed for a file that is none of ours."""

    return tuple(one for shared in _FILES for one in _read(_path(repository, shared)))


def write(repository: Repository, done: Iterable[JournalEntry]) -> None:
    """Keep `done` instead of what is kept. Raises OSError."""

    every = tuple(done)
    for shared in _FILES:
        path = _path(repository, shared)
        some = [_plain(one) for one in every if one.shared == shared]
        if some:
            sharing.make_folders(path.parent)
            text = json.dumps({"v": _VERSION, "done": some}, indent=1)
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
            document = formats.document(stream.read(_MOST_BYTES))
        if document["v"] != _VERSION:
            raise ValueError(document["v"])
        shared = path.as_posix().endswith(_FILES[True])
        return [_done(one, shared) for one in document["done"]]
    except FileNotFoundError:
        return []
    except (InvalidInput, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(
            "what 'git spacy init' did here cannot be read",
            location=str(path), hint=f"remove it; what was done stays: rm {path}",
        ) from None  # fmt: skip


def _plain(done: JournalEntry) -> dict[str, Any]:
    edit = done.edit and {
        **done.edit._asdict(), "removed": _text(done.edit.removed), "added": _text(done.edit.added)
    }  # fmt: skip
    return {**done._asdict(), "edit": edit}


def _done(document: dict[str, Any], shared: bool) -> JournalEntry:
    """One thing as we write it: it leads nowhere but below the folder that it is about. Raises
    Malformed, ValueError, KeyError, TypeError, AttributeError."""

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
        removed=_bytes(document["removed"]),
        added=_bytes(document["added"]),
        digest=formats.sha256(document["digest"]),
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
