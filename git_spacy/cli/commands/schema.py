"""`git spacy schema`: print a JSON Schema of project.yml for editors."""

from __future__ import annotations

from pathlib import Path

import click

from git_spacy.cli import generated
from git_spacy.errors import InvalidInput


@click.command()
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@generated.options
@click.pass_context
def schema(ctx: click.Context, to: str | None, check: bool, stdout: bool, force: bool) -> int:
    """Print a JSON Schema of project.yml, the same for every project. With it, editors complete
    keys and underline mistakes.

    With --output, write it to FILE. --check compares FILE (default: project.schema.json in the
    project) with the current schema.
    """

    from git_spacy.generate import schema as generator

    if force and not to:
        raise click.UsageError("--force requires --output FILE")
    stdout = stdout or to == "-" or not (to or check)
    root = _root(ctx.obj)
    file = generated.output_file(root, ctx.obj, None if to == "-" else to, generator.FILE)
    generated_file = generator.schema_file(file.name)
    return generated.deliver(root, generated_file, check=check, stdout=stdout, force=force, to=file)


def _root(start: Path) -> Path:
    """Return the project's folder, or `start` outside a project: the schema does not need one."""

    from git_spacy.project import loader

    try:
        return loader.find(start)
    except InvalidInput:
        return start
