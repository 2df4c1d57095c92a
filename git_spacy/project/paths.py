"""The only gate for a path that a file gave us, and the one check for a folder that Git would take
for a repository.

Of a path it looks at the text alone; links are `files.resolved_inside`'s business, when the path is
used. What Windows and macOS would read as `.git` is refused here too: projects are shared.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Refused
from git_spacy.git_names import is_git_name

_HEAD = re.compile(rb"ref:\s*refs/|[0-9a-f]{40}")
_DRIVE = re.compile(r"[A-Za-z]:")
_OURS = ("project.yml", "project.lock")

ROLES = ("dependency", "output", "asset destination", "directory")


class ProjectPath(NamedTuple):
    """A path inside the project. `text` is as the file has it and goes into project.lock;
    `normal` has no `.`, no doubled and no closing slash, and is what is compared and opened."""

    text: str
    normal: str

    def __str__(self) -> str:
        return self.text

    def holds(self, other: ProjectPath) -> bool:
        """Whether `other` is this path or lies below it."""

        return other.normal == self.normal or other.normal.startswith(self.normal + "/")

    def touches(self, other: ProjectPath) -> bool:
        """Whether writing one can change the other."""

        return self.holds(other) or other.holds(self)


class PathRefusal(NamedTuple):
    """Why a path may not be used, and what to use instead."""

    message: str
    hint: str


def parse_path(text: str, role: str) -> ProjectPath | PathRefusal:
    """The path that `text` names in its `role` (one of ROLES), or why it may not be used."""

    name = f"{role} {text!r}"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        return PathRefusal(f"{name} contains a control character", "remove it")
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
    if text.startswith(("/", "\\", "~")) or _DRIVE.match(text) or ".." in parts:
        inside = "/".join(part for part in parts if part not in ("..", "~") and ":" not in part)
        short = inside.rsplit("/", 1)[-1] or "data"
        return PathRefusal(
            f"{name} leaves the project", f"use a path inside the project, e.g. 'assets/{short}'"
        )
    if not parts:
        return PathRefusal(f"{name} is the project itself", "name a file or a folder in it")
    if any(is_git_name(part) for part in parts):
        return PathRefusal(f"{name} lies in Git's own folder", "use another folder")
    normal = "/".join(part for part in text.split("/") if part not in ("", "."))
    if role != "dependency" and normal.casefold() in _OURS:
        return PathRefusal(f"{name} would overwrite the project's own file", "use another name")
    return ProjectPath(text, normal)


def is_git_dir(path: Path) -> bool:
    """Whether Git would take the folder `path` for a repository, as its setup.c tells: a HEAD that
    is a reference or an id, and folders for objects and refs."""

    head = path / "HEAD"
    try:
        if head.is_symlink():
            if not os.readlink(head).startswith("refs/"):
                return False
        elif not (head.is_file() and _HEAD.match(_start(head))):
            return False
        common = path / "commondir"
        shared = path / _start(common).decode().strip() if common.is_file() else path
    except (OSError, ValueError):
        return False
    return all((shared / name).is_dir() for name in ("objects", "refs"))


def has_git_dir(folder: Path) -> bool:
    """Whether Git, on its way up, would stop at the `.git` of `folder`."""

    dot_git = folder / ".git"
    return dot_git.is_file() or is_git_dir(dot_git)


def _start(file: Path) -> bytes:
    with open(file, "rb") as stream:
        return stream.read(4096)


def bare_repository(folder: Path) -> Refused:
    """The error for a bare repository that nobody named: anyone can put one among the files of a
    template, and its configuration names programs for Git to run."""

    import shlex

    return Refused(
        f"'{folder}' is a bare repository, and its configuration may start programs",
        hint="go to a clone or a work tree of it; if you trust it: "
        f"git --git-dir={shlex.quote(str(folder))} spacy log",
    )
