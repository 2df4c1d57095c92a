"""`git spacy ignore`: list fetched and generated files in .gitignore."""

from __future__ import annotations

import click

from git_spacy.cli import generated
from git_spacy.cli.commands.run import project_dir
from git_spacy.project import loader


@click.command()
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@generated.options
@click.pass_context
def ignore(
    ctx: click.Context, directory: tuple[str, ...], check: bool, stdout: bool, force: bool
) -> int:
    """List fetched assets and outputs of commands in a block of .gitignore, except those that Git
    tracks or another pattern ignores. Other lines of the file stay unchanged."""

    from git_spacy.generate.ignore import ignore_block
    from git_spacy.git.repository import no_repository

    start, rest = project_dir(ctx.obj, directory)
    if rest:
        raise click.UsageError(f"'{rest[0]}' is not a folder with a project.yml")
    root = loader.find(start)
    generated_file = ignore_block(root, loader.load(root))
    if generated_file is None:
        raise no_repository(root, "not in a Git working tree")
    return generated.deliver(root, generated_file, check=check, stdout=stdout, force=force)
