"""Decide which names and links may exist below a folder.

Used for everything that others may have written: the tree of a repository, an archive from a
remote or a cluster, a path in project.yml, a name in a record. The rule is the same on all systems,
since projects are shared: backslashes separate, and every spelling of `.git` counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from git_spacy.light_typing import Literal
from git_spacy.patterns import compile_late

RESERVED_NAMES = ("project.yml", "project.lock")
"""The project's own files, which no command and no asset replaces."""
MAX_NAME_BYTES = 255
"""The longest name of a file on Linux; the limit of a path is higher."""
_MAX_PATH_BYTES = 3_000  # Linux allows 4,096, with the path of the folder itself
_MAX_DEPTH = 100  # nested folders

# Code points that HFS+ ignores in names, as Git's utf8.c lists them: `.g\u200cit` is `.git`.
_HFS_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_GIT = compile_late(r"(?:\.git|git~\d+)[. ]*(?::.*)?", re.DOTALL)

MemberKind = Literal["file", "folder", "link"]
MakeError = Callable[[str, str], Exception]
"""Creates the error for (name, reason). The reason continues a sentence: "'x', which is …"."""


def is_git_name(name: str) -> bool:
    """Return whether Git, Windows (NTFS) or macOS (HFS+) could take `name` for `.git`.

    The same holds for any part of it between backslashes, which Windows takes for separators.
    """

    folded = name.translate(_HFS_IGNORED).casefold()
    return any(_GIT.fullmatch(part) for part in folded.split("\\"))


def leads_out(path: str) -> bool:
    """Return whether a path is absolute or has a part `..`, on Unix or on Windows."""

    return path.startswith(("/", "\\")) or ".." in path.replace("\\", "/").split("/")


def names_beneath(real: str, top: str) -> tuple[str, ...] | None:
    """Return the names on the way from the folder `top` to `real`; None if it is elsewhere.

    Both are real paths.
    """

    prefix = os.path.join(top, "")  # "/" ends in a slash already
    if real == top:
        return ()
    return tuple(real[len(prefix) :].split(os.sep)) if real.startswith(prefix) else None


def refuse_name(name: str) -> str:
    """Return why nothing may be created at the path `name` below a folder; "" if it may."""

    parts = name.split("/")
    if leads_out(name) or "/\\" in name or not {"", "."}.isdisjoint(parts):
        return "is not a path below its folder"
    # the first two tests are for speed: an output can have 200,000 files
    if ("git" in name.lower() or not name.isascii()) and any(map(is_git_name, parts)):
        return "belongs to Git, or which Git could take for '.git'"
    if "\0" in name or len(parts) > _MAX_DEPTH or _is_too_long(name):
        return "is not a valid file name"
    return ""


def link_stays_inside(
    name: str, target: str, may_be_link: Callable[[str], bool] = lambda _: True
) -> bool:
    """Return whether the link `name` below a folder leads to that folder or to a path below it.

    `..` may not follow a path below the folder for which `may_be_link` is true: in `a/../b`, `a`
    could lead elsewhere. If this holds for all links of a folder, none leads out through others.
    """

    if not target or target[0] in "/\\" or "\0" in target or _is_too_long(target):
        return False
    position = name.split("/")[:-1]  # folders, since no member may be below a link
    is_folder = True
    for part in target.split("/"):
        if part == "..":
            if not position or not is_folder:
                return False
            position.pop()
        elif part not in ("", "."):
            if is_git_name(part) or leads_out(part):
                return False
            position.append(part)
            is_folder = is_folder and not may_be_link("/".join(position))
    return True


class TreeNames:
    """The names in a folder that others wrote, each checked before it is created.

    No name occurs twice, and none is below a file or a link, or would be below a link where case
    is ignored. So folders on the way to a member are real ones. "" is the folder itself. With
    `portable`, names must also differ where case and the composition of letters are ignored.
    """

    def __init__(self, error: MakeError, *, portable: bool = False) -> None:
        self._error = error
        self._spellings: dict[str, str] | None = {} if portable else None
        self._kinds: dict[str, MemberKind] = {}
        self._folded_folders: set[str] = set()
        self._folded_links: set[str] = set()

    def __len__(self) -> int:
        return len(self._kinds)

    def is_file(self, name: str) -> bool:
        """Return whether this file was added."""

        return self._kinds.get(name) == "file"

    def may_be_link(self, name: str) -> bool:
        """Return whether some system could take this name for a link that was added."""

        return bool(self._folded_links) and name.casefold() in self._folded_links

    def add(self, name: str, kind: MemberKind) -> list[str]:
        """Add a member; return the folders to create for it: parents and itself, unless they exist.

        Raises the error for a name that must not be created.
        """

        if name and (reason := refuse_name(name)):
            raise self._error(name, reason)
        folders = ["", *(name[: match.start()] for match in re.finditer("/", name))] if name else []
        if kind == "folder":
            folders.append(name)
        elif name in self._kinds or (kind == "link" and name.casefold() in self._folded_folders):
            raise self._error(name, "occurs twice")
        new = []
        self._check_spelling(name, [*folders, name])
        for folder in folders:
            existing = "link" if self.may_be_link(folder) else self._kinds.get(folder)
            if existing is None:
                self._kinds[folder] = "folder"
                self._folded_folders.add(folder.casefold())
                new.append(folder)
            elif existing != "folder":
                raise self._error(name, f"is below a {existing}, so that a name occurs twice")
        self._kinds[name] = kind
        if kind == "link":
            self._folded_links.add(name.casefold())
        return new

    def _check_spelling(self, name: str, paths: list[str]) -> None:
        """Raise the error if a path on the way to `name` has another spelling than before."""

        if self._spellings is None:
            return
        import unicodedata

        for path in reversed(paths):
            folded = path if path.isascii() else unicodedata.normalize("NFC", path)
            known = self._spellings.setdefault(folded.casefold(), path)
            if known != path:
                raise self._error(name, f"some systems take for '{known}'")


def _is_too_long(path: str) -> bool:
    if path.isascii() and len(path) <= MAX_NAME_BYTES:
        return False
    try:
        lengths = [len(os.fsencode(part)) for part in path.split("/")]
    except UnicodeError:
        return True  # the file system cannot encode it
    return sum(lengths) + len(lengths) > _MAX_PATH_BYTES or max(lengths) > MAX_NAME_BYTES
