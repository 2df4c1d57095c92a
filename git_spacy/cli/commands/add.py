"""`git spacy add`: add an integration to an existing project."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

if TYPE_CHECKING:
    from git_spacy.setup.integrations import Plan

EXAMPLES = (
    ("git spacy add", "List the integrations."),
    ("git spacy add wandb --dry-run", "Show what would change."),
    ("git spacy add wandb", "Add commands that log the training to Weights & Biases."),
    ("git spacy add streamlit --as app", "Add the command 'app-visualize'."),
)
SEE_ALSO = ("git-restore(1)",)


@click.command(cls=SpacyCommand)
@click.argument("names", nargs=-1, metavar="[NAME] [PROJECT_DIR]")
@click.option("-n", "--dry-run", "--dry", "dry", is_flag=True, help="Only show what would change.")
@click.option(
    "--as", "label", metavar="LABEL", help="Name commands, variables and files after this."
)
@click.option("--list", "list_only", is_flag=True, help="List the integrations.")
@click.pass_obj
def add(
    context: CommandContext, names: tuple[str, ...], dry: bool, label: str | None, list_only: bool
) -> None:
    """Add the integration NAME to the project: its scripts, the packages in requirements.txt, and
    its commands and variables in project.yml, whose comments and order stay. The diff is shown.

    The commands use the config, the corpora and the model of the project's own 'spacy train'.
    Nothing that exists is replaced. Git undoes it: the command line for that is shown.

    The pieces are those of the templates integrations/NAME of 'git spacy clone'.
    """

    from git_spacy.project.loader import PROJECT_FILE
    from git_spacy.project.paths import ProjectPath
    from git_spacy.setup import integrations
    from git_spacy.state.run_lock import claim_paths

    context, name = context.one_argument(names, "integration")
    if name is None or list_only:
        rows = [(key, value.summary) for key, value in integrations.INTEGRATIONS.items()]
        output.result(output.columns(rows, ""))
        return
    if label is not None and not label.replace("-", "").replace("_", "").isalnum():
        raise click.UsageError("LABEL consists of letters, digits, '-' and '_'")
    root = context.root
    _ = context.project  # reports errors in project.yml
    edited = [ProjectPath(name, name) for name in (PROJECT_FILE, integrations.REQUIREMENTS)]
    with context.lock([claim_paths(root, writes=edited)]):
        plan = integrations.plan_integration(root, context.data, name, label)
        if not plan.edits:
            output.message(f"'{name}' is already there")
            return
        undo = integrations.check_undo(root, plan.edits, context.cwd)
        _show(plan)
        if dry:
            return
        integrations.apply(root, plan)
    _show_next_steps(plan, name, undo)


def _show(plan: Plan) -> None:
    from git_spacy.generate.writer import unified_diff

    for edit in plan.edits:
        if edit.before is None:
            output.result(f"new file: {edit.name}")
    for edit in plan.edits:
        if edit.before is not None:
            before, after = (
                text.decode("utf-8", "surrogateescape") for text in (edit.before, edit.after)
            )
            output.raw(unified_diff(before, after, edit.name))
    for name in plan.kept:
        output.warning(f"'{name}' exists with other contents: kept")


def _show_next_steps(plan: Plan, name: str, undo: str) -> None:
    for variable in plan.missing:
        output.warning(f"vars.{variable}: project.yml does not tell its value; please check it")
    if plan.names:
        output.message(f"Added '{name}'; next: git spacy run {shlex.quote(plan.names[0])}")
    else:
        output.message(f"Added the missing files of '{name}'")
    output.message(f"To undo: {undo}" if undo else "There is no undo: not in a Git repository")
