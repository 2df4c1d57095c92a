"""`git spacy document`: describe the project in README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from git_spacy.cli import generated, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

if TYPE_CHECKING:
    from git_spacy.generate.managed_block import GeneratedFile

EXAMPLES = (
    ("git spacy document", "Update README.md."),
    ("git spacy document --output docs/project.md", "Write to another file."),
    ("git spacy document --model-card", "Describe the model in MODEL_CARD.md."),
)


@click.command(cls=SpacyCommand)
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@click.option("-NE", "--no-emoji", is_flag=True, help="Do not use emoji.")
@click.option(
    "--model-card", is_flag=True, help="Write the model card of the results, MODEL_CARD.md."
)
@generated.options
@click.pass_obj
def document(
    context: CommandContext,
    directory: tuple[str, ...],
    to: str | None,
    no_emoji: bool,
    model_card: bool,
    check: bool,
    stdout: bool,
    force: bool,
) -> int:
    """Describe the project's commands, workflows and assets in a block of README.md. A block that
    weasel or spaCy wrote is replaced; the rest of the file stays unchanged.

    With --model-card, describe the model in the work tree instead, as a model card of Hugging Face:
    its scores, the data and commands that made it, versions and licenses. It is a file of its own.
    """

    from git_spacy.generate import document as generator
    from git_spacy.generate.writer import read

    context = context.only_project_dir(directory)
    stdout = stdout or to == "-"
    default = "MODEL_CARD.md" if model_card else generator.FILE
    file = generated.output_file(context.root, context.cwd, None if to == "-" else to, default)
    if model_card:
        if no_emoji:
            raise click.UsageError("--no-emoji cannot be combined with --model-card")
        card = _model_card(context, file.name)
        return generated.deliver(
            context.root, card, check=check, stdout=stdout, force=force, to=file
        )
    generated_file = generator.readme_block(context.project, file.name, emoji=not no_emoji)
    if not stdout and generator.is_ignored(read(file.base, file.where) or ""):
        output.message(f"left '{generated_file.file}' unchanged: it opts out of this block")
        return 0
    return generated.deliver(
        context.root, generated_file, check=check, stdout=stdout, force=force, to=file
    )


def _model_card(context: CommandContext, file: str) -> GeneratedFile:
    from git_spacy.provenance import facts
    from git_spacy.provenance.model_card import model_card

    repository = context.open_history().repository
    known = facts.facts_of_worktree(context.root, repository, output.diagnostic)
    return model_card(context.root, known, file)
