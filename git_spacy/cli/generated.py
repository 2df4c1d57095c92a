"""What the commands that generate a file share: their options, and writing or comparing it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from git_spacy.cli import output
from git_spacy.errors import GitSpacyError, as_warning
from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from git_spacy.cli.context import CommandContext
    from git_spacy.generate.managed_block import GeneratedFile

_Function = TypeVar("_Function", bound=Callable[..., Any])


def options(function: _Function) -> _Function:
    """Add --check, --stdout and --force to a command that generates a file."""

    import click  # imported here, since 'git spacy run' needs no options of this module

    for option in (
        click.option("-F", "--force", is_flag=True, help="Overwrite manual edits."),
        click.option("--stdout", is_flag=True, help="Print the result; write nothing."),
        click.option("--check", is_flag=True, help="Print a diff and exit with 1 if out of date."),
    ):
        function = option(function)
    return function


class OutputFile(NamedTuple):
    """A file to write: its path `where` relative to the folder `base`, which links must not leave,
    and its `name` relative to the project."""

    base: Path
    where: str
    name: str


def output_file(root: Path, cwd: Path, to: str | None, default: str) -> OutputFile:
    """Return the file `to`, relative to the folder `cwd`, or else `default` in the project.

    Raises Refused if the file is not in a folder that may be written to.
    """

    from git_spacy.git.repository import confine

    path = Path(os.path.abspath(cwd / to if to else root / default))
    name = Path(os.path.relpath(path, root)).as_posix()
    base, where = confine(path) if name.startswith("../") else (root, name)
    return OutputFile(base, where, name)


def deliver(
    root: Path,
    generated: GeneratedFile,
    *,
    check: bool,
    stdout: bool,
    force: bool,
    to: OutputFile | None = None,
) -> int:
    """Write `generated` to its file (or to `to`), print it or compare it; return the exit code.

    Raises Refused if the file has manual edits and not `force`.
    """

    from git_spacy.generate import params_file, writer
    from git_spacy.generate.managed_block import with_markers
    from git_spacy.project.project_text import PARAMS_FILE, PROJECT_FILE

    if stdout:
        output.raw(with_markers(generated))
        return 0
    base, where, _ = to or OutputFile(root, generated.file, generated.file)
    if check:
        before = writer.read(base, where)
        added = params_file.difference(root, generated)
        difference = writer.difference(before, generated) + added
        if difference:
            output.raw(difference)
            state = "missing" if before is None else "out of date"
            output.message(f"'{generated.file}' is {state}; to write it: {generated.command}")
        return 1 if difference else 0
    if params_file.update(root, generated, force=force):
        output.message(f"wrote {PARAMS_FILE}: its values count, not those in {PROJECT_FILE}")
    if writer.write(base, generated, file=where, force=force):
        output.message(f"wrote {generated.file}")
    else:
        output.message(f"{generated.file} is up to date")
    return 0


def update_gitignore(context: CommandContext, *, create: bool) -> None:
    """Update .gitignore from project.yml and project.lock, without overrides: they are for this
    call only. Without `create`, only a file that has our block. A failure is a warning."""

    from git_spacy.git.process import available
    from git_spacy.git.settings import boolean

    if not boolean(context.settings, "spacy.ignore") or not available():
        return
    from git_spacy.generate.ignore import update

    try:
        if update(context.root, create=create):
            output.message("wrote .gitignore")
    except (GitSpacyError, OSError) as error:
        output.diagnostic(as_warning(error, ".gitignore was not updated"))
