"""Copies of the project, in which the variants of a matrix run that write the same paths.

A copy has the files that a fresh clone and a worker of a cluster would have: those that Git tracks
or does not ignore, without outputs, and the dependencies of the commands that run in it. Files are
never hard links, since scripts write in place. The copies are in Git's folder, where no tool finds
them, on the file system of the project, and are removed when the run ends.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from git_spacy import sharing
from git_spacy.errors import ExternalError, Refused
from git_spacy.file_copy import copy_content
from git_spacy.files import make_directory, remove_tree, resolve_beneath, staging
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.real_paths import leads_outside
from git_spacy.run.workspace_archive import is_packable, versioned_files, walk
from git_spacy.state.stat_summary import stat_summary
from git_spacy.state.tracked_paths import TrackedPaths

_NAME_LENGTH = 60


def require_inside(root: Path, commands: Iterable[Command]) -> None:
    """Raise Refused if one of `commands` uses a path that a copy of the project cannot have."""

    for command in commands:
        for path in (*command.deps, *command.produced):
            if path.outside or leads_outside(root, path.normal):
                raise Refused(
                    f"'{path}' is outside the project, so variants of"
                    f" '{command.variant_of or command.name}' cannot have it each for themselves",
                    hint="use a path inside the project, or run the variants one by one:"
                    f" {command.cli_name}",
                    file="project.yml",
                    line=command.line,
                )


class VariantTree:
    """One copy of the project, which is created and filled when it is first needed."""

    def __init__(self, project: Project, root: Path, folder: Path, name: str) -> None:
        self._project = project
        self._root = root
        self._is_filled = False
        self._seen: dict[str, str] = {}
        self._base: set[str] = set()
        self.root = folder / _folder_name(name)

    def create(self) -> Path:
        """Create the folder, still empty, and return it."""

        if not self.root.is_dir():
            sharing.make_folders(self.root)
        return self.root

    def fill(self, command: Command) -> None:
        """Copy the project's files, once, and create the folders that `command` expects."""

        self.create()
        if not self._is_filled:
            self._is_filled = True
            self._base = set(base_files(self._project, self._root))
            for name in sorted(self._base):
                target = self.root / name
                if not os.path.lexists(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _copy(self._root / name, target)
        folders = [path.normal for path in self._project.directories]
        parents = (os.path.dirname(path.normal) for path in command.produced)
        folders += [name for name in parents if name and (self._root / name).is_dir()]
        for name in folders:
            make_directory(self.root, name)

    def remove_outputs(self, command: Command) -> None:
        """Remove what an attempt of `command` wrote; the project's own files are copied again."""

        for path in command.produced:
            folder, name = os.path.split(path.normal)
            remove_tree(resolve_beneath(self.root, folder) / name)
        self._is_filled = False

    def copy_dependency(self, path: ProjectPath) -> None:
        """Copy a dependency from the project, unless the copy has it and no script changed it."""

        if self.is_unchanged(path):
            return
        real = os.path.relpath(os.path.realpath(self._root / path.normal), self._root.resolve())
        with staging(self.root, path.normal) as staged:
            if (self._root / real).is_dir():
                os.mkdir(staged.path)
            for name in walk(self._root, real):
                target = staged.path if name == real else staged.path / os.path.relpath(name, real)
                is_inside = is_packable(self._root, name)
                # a link to a file elsewhere counts as that file
                if is_inside or (self._root / name).is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _copy(self._root / name, target, follow=not is_inside)
            staged.commit()
        self.remember(path)

    def undeclared_files(self) -> list[str]:
        """Return the files in the copy that are neither the project's own nor outputs or
        dependencies of a command."""

        commands = self._project.commands
        declared = {path.normal for c in commands for path in (*c.deps, *c.produced)}
        return sorted(
            name
            for name in set(walk(self.root, "")) - self._base
            if "__pycache__" not in name and declared.isdisjoint(_with_parents(name))
        )

    def remember(self, path: ProjectPath) -> None:
        """Remember the state of a path, to find out later whether a script changed it."""

        summary = stat_summary(self.root, path.normal)
        self._seen[path.normal] = summary.signature if summary else ""

    def is_unchanged(self, path: ProjectPath) -> bool:
        """Return whether a path is in the state that was remembered."""

        if path.normal not in self._seen:
            return False
        summary = stat_summary(self.root, path.normal)
        return (summary.signature if summary else "") == self._seen[path.normal]


def base_files(project: Project, root: Path) -> list[str]:
    """Return the files that Git tracks or does not ignore, without outputs.

    What Git tracks inside an output that is a folder stays, as in a fresh clone.
    """

    outputs = {path.normal for command in project.commands for path in command.produced}
    try:
        index = TrackedPaths.open(root) if outputs else None
        names = [index.prefix + name for name in outputs] if index else []
        entries = index.git_index.entries(names) if index else ()
        tracked = {entry.name[len(index.prefix) :] for entry in entries} if index else set()
    except ExternalError:  # without git, there are no files to tell apart
        tracked = set()
    tracked -= outputs
    return sorted(
        name
        for name in versioned_files(root)
        if (name in tracked or outputs.isdisjoint(_with_parents(name))) and is_packable(root, name)
    )


def _copy(source: Path, target: Path, *, follow: bool = False) -> None:
    if source.is_symlink() and not follow:
        os.symlink(os.readlink(source), target)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(source, "rb") as read:
        mode = stat.S_IMODE(os.fstat(read.fileno()).st_mode) | 0o200
        with open(os.open(target, flags, mode), "wb") as write:
            copy_content(read, write)
    shutil.copystat(source, target)
    os.chmod(target, mode)


def _with_parents(name: str) -> list[str]:
    return [name, *(name[:index] for index, letter in enumerate(name) if letter == "/")]


def _folder_name(name: str) -> str:
    """Return a readable name for the folder of a copy, different for each `name`."""

    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:_NAME_LENGTH]
    return f"{readable}-{digest}"
