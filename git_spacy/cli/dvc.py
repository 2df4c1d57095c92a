"""`git spacy dvc`: dvc.yaml, for DVC 3."""

from __future__ import annotations

import click

from git_spacy.cli import generated, output
from git_spacy.cli.run import project_and_workflow
from git_spacy.project import loader


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKFLOW] [PROJECT_DIR]")
@click.option("--no-urls", is_flag=True, help="Let DVC not look whether files on the web changed.")
@generated.options
@click.pass_context
def dvc(
    ctx: click.Context,
    names: tuple[str, ...],
    no_urls: bool,
    check: bool,
    stdout: bool,
    force: bool,
) -> int:
    """Write dvc.yaml: a stage for each asset and for each command of a workflow (by default the
    first), so that 'dvc repro' runs what changed. DVC need not be installed for this."""

    from git_spacy.generate import dvc as stages

    start, name = project_and_workflow(ctx.obj, names)
    root = loader.find(start)
    data = loader.read_bytes(root)
    loaded = loader.parse(data)
    workflow = stages.select_workflow(loaded.project, name)
    part = stages.dvc_file(root, loaded, data, workflow.name, urls=not no_urls)
    if name is None and len(loaded.project.workflows) > 1:
        output.warning(
            f"DVC has one workflow: '{workflow.name}', the first;"
            " to have another: git spacy dvc WORKFLOW"
        )
    for name in stages.omitted_commands(loaded.project, workflow):
        output.note(f"'{name}' has no deps and no outputs: it is not for DVC")
    return generated.deliver(root, part, check=check, stdout=stdout, force=force)
