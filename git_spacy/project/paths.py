"""Validation of paths from project.yml and other files, and detection of Git directories.

Only the text of a path is checked; `files` deals with symbolic links when the path is used. A path
may lead out of the project: it can be read there, and `project.permission` decides whether it may
be written. Names that Windows or macOS would treat as `.git` are refused on every system, since
projects are shared.
"""

from __future__ import annotations

import os
from pathlib import Path

from git_spacy.containment import RESERVED_NAMES, is_git_name, leads_out
from git_spacy.errors import Diagnostic, Refused
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late

_HEAD = compile_late(rb"ref:\s*refs/|[0-9a-f]{40}")
_DRIVE = compile_late(r"[A-Za-z]:")
_CONTROL = compile_late(r"[\x00-\x1f\x7f]")

ROLES = ("dependency", "output", "asset destination", "directory")


class ProjectPath(NamedTuple):
    """A validated path, relative to the project or outside of it.

    `text` is the original spelling, which is recorded in project.lock. `normal` is the normalized
    path (no `.`, no repeated or trailing slashes, `~` replaced), which is compared and opened.
    """

    text: str
    normal: str

    def __str__(self) -> str:
        return self.text

    @property
    def outside(self) -> bool:
        """Whether the path leads out of the project by its text. A symlink may do so as well."""

        return is_outside(self.normal)

    @property
    def is_windows(self) -> bool:
        """Whether the path is absolute, or has a part `..`, on Windows only."""

        return bool(_DRIVE.match(self.normal)) or (
            leads_out(self.normal) and not leads_out(self.normal.replace("\\", ""))
        )

    @property
    def in_archive(self) -> str:
        """The name of the path in an archive: below the top folder, wherever the path leads."""

        parts = self.normal.split("/")
        return (
            "/".join(part for part in parts if part not in ("", ".."))
            if self.outside
            else self.normal
        )

    def holds(self, other: ProjectPath) -> bool:
        """Return whether `other` is this path or is below it."""

        return other.normal == self.normal or other.normal.startswith(self.normal + "/")

    def touches(self, other: ProjectPath) -> bool:
        """Return whether the paths overlap, so that writing one can change the other."""

        return self.holds(other) or other.holds(self)


def is_outside(normal: str) -> bool:
    """Return whether a normalized path leads out of the project, on Unix or on Windows."""

    return leads_out(normal) or bool(_DRIVE.match(normal))


def parse_path(text: str, role: str) -> ProjectPath | Diagnostic:
    """Validate a path used in `role` (one of ROLES); return it, or the reason to refuse it."""

    name = f"{role} {text!r}"
    if _CONTROL.search(text):
        return Diagnostic(f"{name} contains a control character", "remove it")
    expanded = os.path.expanduser(text)
    parts = [part for part in expanded.split("/") if part not in ("", ".")]
    if not parts:
        folder = "the root folder" if text.startswith("/") else "the project folder itself"
        return Diagnostic(f"{name} is {folder}", "use the path of a file or folder inside it")
    if any(map(is_git_name, parts)):
        return Diagnostic(f"{name} is inside Git's own directory", "use another folder")
    normal = "/" * expanded.startswith("/") + "/".join(parts)
    if role != "dependency" and normal.casefold() in RESERVED_NAMES:
        return Diagnostic(f"{name} would overwrite the project's own file", "use another name")
    return ProjectPath(text, normal)


def is_git_dir(path: Path) -> bool:
    """Return whether Git would treat the folder `path` as a repository.

    As in Git's setup.c, that is a folder with a HEAD that is a reference or an object id, and with
    the folders `objects` and `refs`.
    """

    shared = folder = os.fspath(path)  # text, since this is asked often
    head, common = f"{folder}/HEAD", f"{folder}/commondir"
    try:
        if os.path.islink(head):
            if not os.readlink(head).startswith("refs/"):
                return False
        elif not (os.path.isfile(head) and _HEAD.match(_read_start(head))):
            return False
        if os.path.isfile(common):
            shared = os.path.join(folder, _read_start(common).decode().strip())
    except (OSError, ValueError):
        return False
    return all(os.path.isdir(f"{shared}/{name}") for name in ("objects", "refs"))


def has_git_dir(folder: Path) -> bool:
    """Return whether Git's search for a repository would stop at the `.git` of `folder`."""

    dot_git = folder / ".git"
    return dot_git.is_file() or is_git_dir(dot_git)


def _read_start(file: str) -> bytes:
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
