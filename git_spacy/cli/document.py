"""`git spacy document`: the block in README.md."""

from __future__ import annotations

import click

from git_spacy.cli import generated, output
from git_spacy.cli.run import project_dir
from git_spacy.project import loader


@click.command()
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE, '-' is stdout.")
@click.option("-NE", "--no-emoji", is_flag=True, help="Without emoji.")
@generated.options
@click.pass_context
def document(
    ctx: click.Context,
    directory: tuple[str, ...],
    to: str | None,
    no_emoji: bool,
    check: bool,
    stdout: bool,
    force: bool,
) -> int:
    """Write a block of README.md that lists commands, workflows and assets. It takes the place of
    what weasel or spaCy wrote there; the rest of the file stays as it is."""

    from git_spacy.generate import document as block
    from git_spacy.generate.writer import read

    start, rest = project_dir(ctx.obj, directory)
    if rest:
        raise click.UsageError(f"'{rest[0]}' is not a folder with a project.yml")
    root = loader.find(start)
    project = loader.load(root)
    stdout = stdout or to == "-"
    file = generated.named(root, ctx.obj, None if to == "-" else to, block.FILE)
    part = block.readme_block(project, file.name, emoji=not no_emoji)
    if not stdout and block.is_ignored(read(file.base, file.where) or ""):
        output.note(f"'{part.file}' asks to be left alone")
        return 0
    return generated.deliver(root, part, check=check, stdout=stdout, force=force, to=file)
