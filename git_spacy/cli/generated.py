"""What all generators' verbs share: --check, --stdout, --force, and saying what was done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from git_spacy.cli import output

if TYPE_CHECKING:
    from git_spacy.generate.managed_block import GeneratedFile

_Function = TypeVar("_Function", bound=Callable[..., Any])


def options(function: _Function) -> _Function:
    """The options of a verb that writes a file."""

    for option in (
        click.option("-F", "--force", is_flag=True, help="Overwrite what a person edited."),
        click.option("--stdout", is_flag=True, help="Print it; write nothing."),
        click.option("--check", is_flag=True, help="Only compare: exit code 1 and a diff."),
    ):
        function = option(function)
    return function


class Named(NamedTuple):
    """Where a file is to be written: its path `where` from the folder `base`, which no link may
    leave, and its `name` as seen from the project."""

    base: Path
    where: str
    name: str


def named(root: Path, start: Path, to: str | None, default: str) -> Named:
    """Where a part is to be written: to `to`, seen from the folder `start`, if the user named a
    file; else to `default` in the project at `root`. Raises Unsafe."""

    from git_spacy.git.repository import confine

    path = Path(os.path.abspath(start / to if to else root / default))
    name = Path(os.path.relpath(path, root)).as_posix()
    base, where = confine(path) if name.startswith("../") else (root, name)
    return Named(base, where, name)


def deliver(
    root: Path,
    part: GeneratedFile,
    *,
    check: bool,
    stdout: bool,
    force: bool,
    to: Named | None = None,
) -> int:
    """Write `part`, print it, or compare; the exit code. `to` is the file if the user named one.

    Raises Unsafe for what a person edited.
    """

    from git_spacy.generate import writer
    from git_spacy.generate.managed_block import with_markers

    if stdout:
        output.raw(with_markers(part))
        return 0
    base, where, _ = to or Named(root, part.file, part.file)
    if check:
        different = writer.difference(writer.read(base, where), part)
        if different:
            output.raw(different)
            output.note(f"'{part.file}' is not current; to write it: {part.command}")
        return 1 if different else 0
    if writer.write(base, part, file=where, force=force):
        output.note(f"wrote {part.file}")
    else:
        output.note(f"{part.file} is current")
    return 0
