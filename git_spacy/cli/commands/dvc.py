"""`git spacy dvc`: write dvc.yaml for DVC 3."""

from __future__ import annotations

import click

from git_spacy.cli import generated, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy dvc", "Write dvc.yaml for the first workflow."),
    ("git spacy dvc all --stdout", "Print the dvc.yaml of the workflow 'all'."),
)


@click.command(cls=SpacyCommand)
@click.argument("names", nargs=-1, metavar="[WORKFLOW] [PROJECT_DIR]")
@click.option("--no-urls", is_flag=True, help="Do not let DVC check URLs for changes.")
@generated.options
@click.pass_obj
def dvc(
    context: CommandContext,
    names: tuple[str, ...],
    no_urls: bool,
    check: bool,
    stdout: bool,
    force: bool,
) -> int:
    """Write dvc.yaml with a stage for each asset and each command of WORKFLOW (default: the first
    one; all commands without one), so that 'dvc repro' runs what changed, and params.yaml with the
    variables, which 'dvc exp run --set-param' changes. DVC does not have to be installed."""

    from git_spacy.generate import dvc as generator

    context, name = context.one_argument(names, "workflow")
    root, loaded = context.root, context.loaded
    workflow = generator.select_workflow(loaded.project, name)
    generated_file = generator.dvc_file(root, loaded, context.data, name, urls=not no_urls)
    if name is None and len(loaded.project.workflows) > 1:
        output.warning(
            f"dvc.yaml holds one workflow: wrote '{workflow.name}', the first;"
            " for another: git spacy dvc WORKFLOW"
        )
    for difference in generator.differences(loaded.project, workflow):
        output.message(difference)
    return generated.deliver(root, generated_file, check=check, stdout=stdout, force=force)
