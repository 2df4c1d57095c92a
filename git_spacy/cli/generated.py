"""What all generators' verbs share: --check, --stdout, --force, and saying what was done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from git_spacy.cli import output

if TYPE_CHECKING:
    from git_spacy.generate.marked import Part

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


def named(root: Path, start: Path, to: str | None, default: str) -> tuple[Path, str]:
    """Where a part is to be written, and what it is called there: `to`, seen from the folder
    `start`, is the file if the user named one; else it is `default` in the project at `root`.
    Raises Unsafe."""

    from git_spacy.files import resolved_inside

    path = Path(os.path.abspath(start / to if to else root / default))
    name = Path(os.path.relpath(path, root)).as_posix()
    # what lies in the project may be a stranger's link; what lies elsewhere is the user's own
    return path if name.startswith("../") else resolved_inside(root, name), name


def deliver(
    root: Path, part: Part, *, check: bool, stdout: bool, force: bool, to: Path | None = None
) -> int:
    """Write `part`, print it, or compare; the exit code. `to` is the file if the user named one.

    Raises Unsafe for what a person edited.
    """

    from git_spacy.files import resolved_inside
    from git_spacy.generate import writer
    from git_spacy.generate.marked import marked

    if stdout:
        output.raw(marked(part))
        return 0
    path = to or resolved_inside(root, part.file)
    if check:
        different = writer.difference(writer.read(path, part.file), part)
        if different:
            output.raw(different)
            output.note(f"'{part.file}' is not current; to write it: {part.command}")
        return 1 if different else 0
    if writer.write_to(path, part, force=force):
        output.note(f"wrote {part.file}")
    else:
        output.note(f"{part.file} is current")
    return 0
