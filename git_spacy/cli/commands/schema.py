"""`git spacy schema`: print a JSON Schema of project.yml for editors."""

from __future__ import annotations

from pathlib import Path

import click

from git_spacy.cli import generated
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput

EXAMPLES = (("git spacy schema -o project.schema.json", "Write the schema to a file."),)


@click.command(cls=SpacyCommand)
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@generated.options
@click.pass_obj
def schema(context: CommandContext, to: str | None, check: bool, stdout: bool, force: bool) -> int:
    """Print a JSON Schema of project.yml, the same for every project. With it, editors complete
    keys and underline mistakes.

    With --output, write it to FILE. --check compares FILE (default: project.schema.json in the
    project) with the current schema.
    """

    from git_spacy.generate import schema as generator

    if force and not to:
        raise click.UsageError("--force requires --output FILE")
    stdout = stdout or to == "-" or not (to or check)
    root = _root(context)
    file = generated.output_file(root, context.cwd, None if to == "-" else to, generator.FILE)
    generated_file = generator.schema_file(file.name)
    return generated.deliver(root, generated_file, check=check, stdout=stdout, force=force, to=file)


def _root(context: CommandContext) -> Path:
    """Return the project's folder, or the current one outside a project: the schema does not need
    a project."""

    try:
        return context.root
    except InvalidInput:
        return context.cwd
