"""`git spacy ignore`: list fetched and generated files in .gitignore."""

from __future__ import annotations

import click

from git_spacy.cli import generated
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy ignore", "Update .gitignore."),
    ("git spacy ignore --check", "Check whether .gitignore is up to date."),
)
SEE_ALSO = ("gitignore(5)",)


@click.command(cls=SpacyCommand)
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@generated.options
@click.pass_obj
def ignore(
    context: CommandContext, directory: tuple[str, ...], check: bool, stdout: bool, force: bool
) -> int:
    """List fetched assets and outputs of commands in a block of .gitignore, except those that Git
    tracks or another pattern ignores. Other lines of the file stay unchanged."""

    from git_spacy.generate.ignore import ignore_block
    from git_spacy.git.index import Index
    from git_spacy.git.repository import Repository

    context = context.only_project_dir(directory)
    Index.require(Repository.require(context.root))
    generated_file = ignore_block(context.root, context.project, context.data)
    assert generated_file
    return generated.deliver(context.root, generated_file, check=check, stdout=stdout, force=force)
