"""Find what an output has besides the contents of its files: links, empty folders, executables.

The md5 of an output does not cover these. The cache and the archives for remotes restore them.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.containment import link_stays_inside, refuse_name
from git_spacy.errors import Refused
from git_spacy.real_paths import resolve_writable
from git_spacy.state.hashing import FileStat


class Member(NamedTuple):
    """A folder of an output, or a link to `target`; `name` is relative to the output ("" for the
    output itself)."""

    name: str
    target: str | None = None
    is_empty: bool = False


class OutputLayout(NamedTuple):
    """The executable files, the links with their targets, and the empty folders of an output.

    Names are relative to the output. `copied_links` are links to files elsewhere in the project,
    which count as files.
    """

    executables: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    copied_links: frozenset[str] = frozenset()

    def key(self, path: str) -> str:
        """Return a digest of this layout of the output at `path`.

        Its first digits depend on the path alone; see `path_key`.
        """

        text = json.dumps(self[:3]).encode()
        return path_key(path) + hashlib.md5(text, usedforsecurity=False).hexdigest()[:24]


def path_key(path: str) -> str:
    """Return what the `OutputLayout.key` of every output at `path` begins with."""

    data = path.encode("utf-8", "surrogateescape")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()[:8]


def read_layout(root: Path, path: str, files: Sequence[FileStat]) -> OutputLayout:
    """Return the layout of the output at `path` with these files.

    Raises Refused as `folders_and_links` does, OSError.
    """

    members = list(folders_and_links(root, path))
    links = {member.name: member.target for member in members if member.target is not None}
    top = resolve_writable(root, path)
    return OutputLayout(
        tuple(
            file.name for file in files if file.name not in links and os.access(file.path, os.X_OK)
        ),
        tuple((name, target) for name, target in links.items() if target is not None),
        tuple(member.name for member in members if member.is_empty),
        frozenset(file.name for file in files if file.name and os.path.islink(top / file.name)),
    )


def folders_and_links(root: Path, path: str) -> Iterator[Member]:
    """Yield every folder of the output at `path`, and every link that stays inside it.

    Raises Refused for a link to a folder elsewhere, and for a name that Git could take for `.git`;
    a link to a file elsewhere counts as a file.
    """

    top = resolve_writable(root, path)
    for folder, folders, files in os.walk(top):
        above = os.path.relpath(folder, top)
        above = "" if above == "." else above
        yield Member(above, is_empty=not folders and not files)
        for name in sorted((*folders, *files)):
            inner = posixpath.join(above, name)
            if reason := refuse_name(inner):
                raise Refused(
                    f"'{posixpath.join(path, inner)}', which {reason}, is never shared",
                    hint=f"remove it from '{path}'",
                )
            link = os.path.join(folder, name)
            if not os.path.islink(link):
                continue
            target = os.readlink(link)
            if link_stays_inside(inner, target):
                yield Member(inner, target)
            elif os.path.isdir(link):
                raise Refused(
                    f"'{posixpath.join(path, inner)}' is a link to a folder outside '{path}'",
                    hint="replace the link with a copy of the folder",
                )
            else:
                resolve_writable(root, os.path.join(path, inner))
