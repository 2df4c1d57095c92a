"""`git spacy provenance`: describe how the results of a commit were made, for other tools."""

from __future__ import annotations

import importlib

import click

from git_spacy.cli import generated, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import Refused

EXAMPLES = (
    (
        "git spacy provenance -o ro-crate-metadata.json",
        "Describe the results of HEAD as a Workflow Run RO-Crate.",
    ),
    ("git spacy provenance -f cyclonedx v1.0", "Print the bill of materials of a tag."),
)
SEE_ALSO = ("git-notes(1)",)


@click.command(cls=SpacyCommand)
@click.argument("revision", default="HEAD", metavar="[REV]")
@click.option(
    "-f", "--format", "style", type=click.Choice(("rocrate", "cyclonedx")), default="rocrate",
    show_default=True, help="Write a Workflow Run RO-Crate or a CycloneDX ML-BOM.",
)  # fmt: skip
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@click.option("-F", "--force", is_flag=True, help="Overwrite a file of another origin.")
@click.pass_obj
def provenance(
    context: CommandContext, revision: str, style: str, to: str | None, force: bool
) -> None:
    """Describe how the results of the commit REV (default: HEAD) were made: data with checksums and
    licenses, models, commands and versions, from project.lock and the run records. A commit gives
    the same text in every clone that has the same records.

    'rocrate' is the content of ro-crate-metadata.json, for the project's folder, and 'cyclonedx' is
    a bill of materials; both are JSON.
    """

    from git_spacy.provenance import FORMATS
    from git_spacy.provenance.facts import facts_of_commit

    module = importlib.import_module(FORMATS[style])
    repository = context.open_history().repository
    facts = facts_of_commit(context.root, repository, revision, output.diagnostic)
    text: str = module.to_text(facts)
    for run in facts.runs:
        if not run.is_current:
            message = f"the results of '{run.name}' are of an earlier state of its files"
            output.warning(message, f"{run.command.cli_name}, and commit the result")
    if to in (None, "-"):
        output.raw(text)
    else:
        _write(context, to, text, module.MARK, force=force)


def _write(context: CommandContext, to: str, text: str, mark: str, *, force: bool) -> None:
    """Write the text to a file, but over nothing that this command did not write."""

    from git_spacy.files import write_beneath
    from git_spacy.generate import writer

    file = generated.output_file(context.root, context.cwd, to, "")
    before = writer.read(file.base, file.where)
    if before == text:
        output.message(f"{file.name} is up to date")
        return
    if before and mark not in before and not force:
        raise Refused(
            f"'{file.name}' was not written by 'git spacy provenance'",
            hint="use another file name, or add --force to overwrite it",
        )
    write_beneath(file.base, file.where, text.encode())
    output.message(f"wrote {file.name}")
