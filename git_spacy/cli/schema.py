"""`git spacy schema`: a JSON Schema of project.yml, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from git_spacy.cli import generated
from git_spacy.errors import InvalidInput


@click.command()
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE, '-' is stdout.")
@generated.options
@click.pass_context
def schema(ctx: click.Context, to: str | None, check: bool, stdout: bool, force: bool) -> int:
    """Print a JSON Schema of project.yml, the same for every project: with it, an editor knows the
    keys and underlines mistakes. With -o, write it to FILE; --check compares that file, by default
    the project's project.schema.json."""

    from git_spacy.generate import schema as written

    if force and not to:
        raise click.UsageError("--force is for a file; name it with -o")
    stdout = stdout or to == "-" or not (to or check)
    root = _root(ctx.obj)
    file = generated.named(root, ctx.obj, None if to == "-" else to, written.FILE)
    part = written.schema_file(file.name)
    return generated.deliver(root, part, check=check, stdout=stdout, force=force, to=file)


def _root(start: Path) -> Path:
    """The project's folder; where there is none, `start`: the schema needs no project."""

    from git_spacy.project import loader

    try:
        return loader.find(start)
    except InvalidInput:
        return start
