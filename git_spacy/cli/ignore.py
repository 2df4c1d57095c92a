"""`git spacy ignore`: the block in .gitignore."""

from __future__ import annotations

import click

from git_spacy.cli import generated
from git_spacy.cli.run import project_dir
from git_spacy.errors import InvalidInput
from git_spacy.project import loader


@click.command()
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@generated.options
@click.pass_context
def ignore(
    ctx: click.Context, directory: tuple[str, ...], check: bool, stdout: bool, force: bool
) -> int:
    """Write a block of .gitignore for what git-spacy fetches and commands make. Not for what Git
    tracks or another pattern ignores; other lines stay as they are."""

    from git_spacy.generate.ignore import ignore_block

    start, rest = project_dir(ctx.obj, directory)
    if rest:
        raise click.UsageError(f"'{rest[0]}' is not a folder with a project.yml")
    root = loader.find(start)
    part = ignore_block(root, loader.load(root))
    if part is None:
        raise InvalidInput("not in a Git work tree", hint="git init")
    return generated.deliver(root, part, check=check, stdout=stdout, force=force)
