"""Refuse a run or a fetch that would write where the user did not allow it, before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from git_spacy.errors import Diagnostic, Refused
from git_spacy.project.loader import PROJECT_FILE, LoadedProject
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.project.source_map import Position, nearest_position
from git_spacy.real_paths import resolve_writable

WrittenPath = tuple[ProjectPath, str, Position]
"""A path, what it is ("output"), and its position in project.yml."""


def require_all_writable(root: Path, written: Iterable[WrittenPath]) -> None:
    """Raise Refused, with all problems, unless the user allowed all of these paths."""

    problems = []
    for path, noun, position in written:
        try:
            require_writable(root, path)
        except Refused as error:
            (problem,) = error.problems
            message = f"{noun} {problem.message}"
            problems.append(Diagnostic(message, problem.hint, PROJECT_FILE, *position))
    if problems:
        raise Refused.from_problems(problems)


def require_writable(root: Path, path: ProjectPath) -> None:
    """Raise Refused unless `path` is in the project or the user allowed it."""

    if path.is_windows:
        raise Refused(
            f"'{path}' is a path of Windows, which this system does not have",
            hint="write it as this system spells it, with '/'",
        )
    resolve_writable(root, path.normal)


def written_by_commands(
    loaded: LoadedProject, root: Path, commands: Iterable[Command]
) -> Iterator[WrittenPath]:
    """Yield the paths that a run of `commands` writes: their outputs, and the directories."""

    yield from written_directories(loaded, root)
    for command in commands:
        name = command.variant_of or command.name
        for key, paths in (
            ("outputs", command.outputs),
            ("outputs_no_cache", command.outputs_no_cache),
        ):
            for path in paths:
                position = nearest_position(loaded.source_map, "commands", name, key, path.text)
                yield path, "output", position


def written_directories(loaded: LoadedProject, root: Path) -> Iterator[WrittenPath]:
    """Yield the directories that a run or a fetch creates, since they do not exist."""

    for path in loaded.project.directories:
        if not (root / path.normal).is_dir():
            yield path, "directory", nearest_position(loaded.source_map, "directories", path.text)
