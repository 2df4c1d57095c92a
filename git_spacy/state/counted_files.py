"""Decide which files of a folder that a command depends on count.

Caches, the files of editors, and whatever Git ignores do not count. Always counted are files that
Git tracks, and what project.yml names: outputs and assets, in full, and other dependencies. Outputs
and assets that are folders count in full, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import cache
from pathlib import Path

from git_spacy.light_typing import NamedTuple
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath

PATTERNS = (
    "__pycache__", "*.pyc", "*.pyo", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", ".DS_Store", "._*", "Thumbs.db", "desktop.ini", "*~", ".*.sw[a-p]", ".#*",
    "[#]*[#]", ".git",
)  # fmt: skip
"""The built-in list: names of untracked files and folders that do not count, as in .gitignore."""


class Selection(NamedTuple):
    """Which files of a folder count; paths are relative to it.

    The files and folders in `ignored` do not count, but the paths in `named` do: in full if they
    map to True. With `only_named`, nothing else does.
    """

    ignored: frozenset[str]
    named: Mapping[str, bool]
    only_named: bool = False

    def select(self, path: str) -> Selection | bool:
        """Return what counts at `path`: everything, nothing, or a selection."""

        in_full = self.named.get(path)
        if in_full:
            return True
        if in_full is None and (self.only_named or path in self.ignored):
            below = path + "/"
            has_named = any(other.startswith(below) for other in self.named)
            return has_named and self._replace(only_named=True)
        return self._replace(only_named=False) if self.only_named else self


def dependency_folders(project: Project) -> dict[str, dict[str, bool]]:
    """Return the dependencies that are not outputs or assets, with what project.yml names in them.

    That are relative paths, and whether they count in full.
    """

    full = {path.normal for command in project.commands for path in command.produced}
    full |= {asset.dest.normal for asset in project.assets}
    dependencies = {path.normal for command in project.commands for path in command.deps}
    folders: dict[str, dict[str, bool]] = {
        path: {} for path in dependencies if full.isdisjoint((path, *parents(path)))
    }
    for path in full | dependencies:
        for parent in parents(path):
            if parent in folders:
                folders[parent][path[len(parent) + 1 :]] = path in full
    return folders


def parents(path: str) -> Iterator[str]:
    """Yield the parent folders of a path, outermost first, without the root folder."""

    slash = path.find("/", 1)
    while slash > 0:
        yield path[:slash]
        slash = path.find("/", slash + 1)


def names_below(folder: str, listed: Iterable[str]) -> list[str] | None:
    """Return those of the `listed` paths that are in `folder`, relative to it.

    Git lists folders with a slash at the end. Returns None if a listed folder contains `folder`.
    """

    below = folder + "/"
    names = []
    for path in listed:
        if path.endswith("/") and below.startswith(path):
            return None
        if path.startswith(below):
            names.append(path[len(below) :].rstrip("/"))
    return names


def uncounted_by_name(root: Path, folder: str, named: Mapping[str, bool]) -> list[str]:
    """Return the files and folders in `folder` that are on the built-in list, relative to it."""

    top = os.path.join(root, folder)
    found = []
    for current, folders, files in os.walk(top):
        prefix = os.path.relpath(current, top) + "/" if current != top else ""
        uncounted = {name for name in (*folders, *files) if is_uncounted_name(name)}
        found += [prefix + name for name in uncounted if prefix + name not in named]
        folders[:] = [
            name for name in folders if name not in uncounted and not named.get(prefix + name)
        ]
    return found


def is_uncounted_name(name: str) -> bool:
    """Return whether a file or folder of this name is on the built-in list."""

    return bool(_built_in_list().match(name))


@cache
def _built_in_list() -> re.Pattern[str]:
    return re.compile("|".join(map(translate, PATTERNS)))


def counts_in_git(
    path: ProjectPath, names: Iterable[str], committed: Iterable[ProjectPath]
) -> bool:
    """Return whether Git has the content of `path`, given the `names` of files in it that Git has.

    Not if these are only placeholders, or only what is `committed` of an output that is not.
    """

    inner = [other.normal[len(path.normal) + 1 :] for other in committed if path.holds(other)]
    parts = tuple(part for part in inner if part)
    return not all(
        is_placeholder(name) or any(name == part or name.startswith(f"{part}/") for part in parts)
        for name in names
    )


def only_placeholders(names: Sequence[str]) -> bool:
    """Return whether no file, or only files like .gitkeep, are left of a folder."""

    return all(map(is_placeholder, names))


def is_placeholder(name: str) -> bool:
    """Return whether a file only exists so that Git keeps its folder."""

    return name.rpartition("/")[2] in _PLACEHOLDERS


_PLACEHOLDERS = (".gitkeep", ".gitignore", ".keep")
