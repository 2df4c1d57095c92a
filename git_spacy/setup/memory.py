"""What `init` did here, kept in Git's own folder so that it can be taken back.

What all work trees of a repository share (its configuration, its hooks) is kept where they share
it; what belongs to one work tree with that. The JSON is ours alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from git_spacy.errors import Malformed
from git_spacy.files import replace
from git_spacy.git.repository import Repository
from git_spacy.setup.change import Edit

_VERSION = 1
_FILES = {True: "spacy/init.json", False: "spacy/init-tree.json"}  # by `shared`


class Done(NamedTuple):
    """One thing that was done. `where` is a setting's name, or a path: from the shared Git folder
    if it is `shared`, else from the top of the work tree. `value` is a setting's, or the name that
    a file got; `own` what the repository had set before; `new` files and `made` folders (from
    the same place) were not there."""

    kind: Literal["setting", "text", "move"]
    part: str
    name: str
    where: str
    shared: bool
    value: str = ""
    edit: Edit | None = None
    own: tuple[str, ...] = ()
    new: bool = False
    made: tuple[str, ...] = ()


def read(repository: Repository) -> tuple[Done, ...]:
    """All that was done, in its order. Raises Malformed for a file that is none of ours."""

    return tuple(one for shared in _FILES for one in _read(_path(repository, shared)))


def write(repository: Repository, done: Iterable[Done]) -> None:
    """Keep `done` instead of what is kept. Raises OSError."""

    every = tuple(done)
    for shared in _FILES:
        path = _path(repository, shared)
        some = [_plain(one) for one in every if one.shared == shared]
        if some:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"v": _VERSION, "done": some}, indent=1)
            replace(path, f"{text}\n".encode())
        elif path.exists():
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _path(repository: Repository, shared: bool) -> Path:
    return (repository.common_dir if shared else repository.git_dir) / _FILES[shared]


def _read(path: Path) -> list[Done]:
    try:
        document = json.loads(path.read_bytes())
        if document["v"] != _VERSION:
            raise ValueError(document["v"])
        return [_done(one) for one in document["done"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise Malformed(
            "what 'git spacy init' did here cannot be read",
            where=str(path), mend=f"remove it; what was done stays: rm {path}",
        ) from None  # fmt: skip


def _plain(done: Done) -> dict[str, Any]:
    edit = done.edit and {
        **done.edit._asdict(), "removed": _text(done.edit.removed), "added": _text(done.edit.added)
    }  # fmt: skip
    return {**done._asdict(), "edit": edit}


def _done(document: dict[str, Any]) -> Done:
    edit = document["edit"]
    if edit:
        parts = {**edit, "removed": _bytes(edit["removed"]), "added": _bytes(edit["added"])}
        edit = Edit(**parts)
    listed = {name: tuple(document[name]) for name in ("own", "made")}
    return Done(**{**document, **listed, "edit": edit})


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
