"""`git spacy document`: describe the project in README.md."""

from __future__ import annotations

import click

from git_spacy.cli import generated, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy document", "Update README.md."),
    ("git spacy document --output docs/project.md", "Write to another file."),
)


@click.command(cls=SpacyCommand)
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@click.option("-NE", "--no-emoji", is_flag=True, help="Do not use emoji.")
@generated.options
@click.pass_obj
def document(
    context: CommandContext,
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

    context = context.only_project_dir(directory)
    stdout = stdout or to == "-"
    file = generated.output_file(
        context.root, context.cwd, None if to == "-" else to, generator.FILE
    )
    generated_file = generator.readme_block(context.project, file.name, emoji=not no_emoji)
    if not stdout and generator.is_ignored(read(file.base, file.where) or ""):
        output.message(f"left '{generated_file.file}' unchanged: it opts out of this block")
        return 0
    return generated.deliver(
        context.root, generated_file, check=check, stdout=stdout, force=force, to=file
    )
