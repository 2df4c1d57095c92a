"""Validation of paths from project.yml and other files, and detection of Git directories.

Only the text of a path is checked; `files.resolve_beneath` deals with symbolic links when the path
is used. Names that Windows or macOS would treat as `.git` are refused on every system, since
projects are shared.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from git_spacy.containment import is_git_name, leads_out
from git_spacy.errors import Diagnostic, Refused

_HEAD = re.compile(rb"ref:\s*refs/|[0-9a-f]{40}")
_DRIVE = re.compile(r"[A-Za-z]:")
_RESERVED = ("project.yml", "project.lock")

ROLES = ("dependency", "output", "asset destination", "directory")


class ProjectPath(NamedTuple):
    """A validated path inside the project.

    `text` is the original spelling, which is recorded in project.lock. `normal` is the normalized
    path (no `.`, no repeated or trailing slashes), which is compared and opened.
    """

    text: str
    normal: str

    def __str__(self) -> str:
        return self.text

    def holds(self, other: ProjectPath) -> bool:
        """Return whether `other` is this path or is below it."""

        return other.normal == self.normal or other.normal.startswith(self.normal + "/")

    def touches(self, other: ProjectPath) -> bool:
        """Return whether the paths overlap, so that writing one can change the other."""

        return self.holds(other) or other.holds(self)


def parse_path(text: str, role: str) -> ProjectPath | Diagnostic:
    """Validate a path used in `role` (one of ROLES); return it, or the reason to refuse it."""

    name = f"{role} {text!r}"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        return Diagnostic(f"{name} contains a control character", "remove it")
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
    if leads_out(text) or text.startswith("~") or _DRIVE.match(text):
        below = "/".join(part for part in parts if part not in ("..", "~") and ":" not in part)
        short = below.rsplit("/", 1)[-1] or "data"
        return Diagnostic(
            f"{name} is outside the project",
            f"use a path inside the project, e.g. 'assets/{short}'",
        )
    if not parts:
        return Diagnostic(
            f"{name} is the project folder itself", "use the path of a file or folder inside it"
        )
    if any(is_git_name(part) for part in parts):
        return Diagnostic(f"{name} is inside Git's own directory", "use another folder")
    normal = "/".join(part for part in text.split("/") if part not in ("", "."))
    if role != "dependency" and normal.casefold() in _RESERVED:
        return Diagnostic(f"{name} would overwrite the project's own file", "use another name")
    return ProjectPath(text, normal)


def is_git_dir(path: Path) -> bool:
    """Return whether Git would treat the folder `path` as a repository.

    As in Git's setup.c, that is a folder with a HEAD that is a reference or an object id, and with
    the folders `objects` and `refs`.
    """

    head = path / "HEAD"
    try:
        if head.is_symlink():
            if not os.readlink(head).startswith("refs/"):
                return False
        elif not (head.is_file() and _HEAD.match(_read_start(head))):
            return False
        common = path / "commondir"
        shared = path / _read_start(common).decode().strip() if common.is_file() else path
    except (OSError, ValueError):
        return False
    return all((shared / name).is_dir() for name in ("objects", "refs"))


def has_git_dir(folder: Path) -> bool:
    """Return whether Git's search for a repository would stop at the `.git` of `folder`."""

    dot_git = folder / ".git"
    return dot_git.is_file() or is_git_dir(dot_git)


def _read_start(file: Path) -> bytes:
    with open(file, "rb") as stream:
        return stream.read(4096)


def bare_repository(folder: Path) -> Refused:
    """Return the error for a bare repository that the user did not name explicitly.

    A template can contain one, and its configuration names programs for Git to run.
    """

    import shlex

    return Refused(
        f"'{folder}' is a bare repository whose configuration may run programs",
        hint="change to a clone or a worktree of it, or, if you trust it: "
        f"git --git-dir={shlex.quote(str(folder))} spacy log",
    )
