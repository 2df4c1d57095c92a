"""`git spacy document`: describe the project in README.md."""

from __future__ import annotations

import click

from git_spacy.cli import generated, output
from git_spacy.cli.commands.run import project_dir
from git_spacy.project import loader


@click.command()
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@click.option("-NE", "--no-emoji", is_flag=True, help="Do not use emoji.")
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
    """Describe the project's commands, workflows and assets in a block of README.md. A block that
    weasel or spaCy wrote is replaced; the rest of the file stays unchanged."""

    from git_spacy.generate import document as generator
    from git_spacy.generate.writer import read

    start, rest = project_dir(ctx.obj, directory)
    if rest:
        raise click.UsageError(f"'{rest[0]}' is not a folder with a project.yml")
    root = loader.find(start)
    project = loader.load(root)
    stdout = stdout or to == "-"
    file = generated.output_file(root, ctx.obj, None if to == "-" else to, generator.FILE)
    generated_file = generator.readme_block(project, file.name, emoji=not no_emoji)
    if not stdout and generator.is_ignored(read(file.base, file.where) or ""):
        output.message(f"left '{generated_file.file}' unchanged: it opts out of this block")
        return 0
    return generated.deliver(root, generated_file, check=check, stdout=stdout, force=force, to=file)
