"""`git spacy clean`: remove outputs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from git_spacy import interrupts
from git_spacy.cli import command_line, output
from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput

if TYPE_CHECKING:
    from git_spacy.storage.clean import CleanPlan

EXAMPLES = (
    ("git spacy clean --dry-run", "Show which outputs would be removed, and their size."),
    ("git spacy clean train --force", "Remove the outputs of 'train' without asking."),
)
SEE_ALSO = ("git-clean(1)",)


@click.command(cls=OverridingCommand)
@click.argument("names", nargs=-1, metavar="[NAME]... [PROJECT_DIR]")
@click.option("-n", "--dry-run", "--dry", "dry", is_flag=True, help="Only show what would be done.")
@click.option("-f", "--force", is_flag=True, help="Remove the outputs without asking.")
@click.pass_obj
def clean(context: CommandContext, names: tuple[str, ...], dry: bool, force: bool) -> int:
    """Remove the outputs of commands, e.g. to run them from the start. NAME is a command, a
    workflow, an output or a folder with outputs; without it, all outputs are removed. That includes
    the outputs of variants, unless variables are given: then only those with these variables are
    removed.

    Files that Git tracks, assets, and what a link leads to outside the project stay. So does an
    output that its command also depends on, as only that command could produce it: name its path
    to remove it. Shows what would be removed and asks first. 'git spacy restore' gets back what the
    local cache has.
    """

    from git_spacy.state.run_lock import claim_paths
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage.clean import choose_outputs, plan_clean
    from git_spacy.storage.clean import clean as remove

    context, names = context.split_project_dir(names)
    project = context.project if context.variables else context.project_with_variants()
    chosen = choose_outputs(project, context.root, names, context.cwd)
    claim = claim_paths(context.root, writes=chosen.paths)
    with context.lock([claim]):
        stats = StatCache.open(context.root)
        stats.declare(project)
        plan = plan_clean(project, context.root, chosen, stats, context.cache())
        _show(plan)
        if not plan.removals or dry or not (force or _is_confirmed(plan)):
            return 0
        remove(context.root, plan.removals)
    output.message(f"removed {_total(plan)}")
    return 0


def _show(plan: CleanPlan) -> None:
    rows = [
        (
            removal.path,
            ", ".join(filter(None, (
                f"{removal.files} files" if removal.files != 1 else "1 file",
                output.size(removal.size),
                "in the cache" if removal.is_cached else "",
            ))),
        )
        for removal in plan.removals
    ]  # fmt: skip
    if rows:
        output.result_painted(output.columns(rows, indent=""))
    for path, reason in plan.kept:
        output.message(f"keeping '{path}': {reason}")
    if not rows:
        output.message("nothing to remove")


def _is_confirmed(plan: CleanPlan) -> bool:
    from git_spacy.git.process import can_prompt

    again = f"{command_line.typed()} --force"
    if not can_prompt():
        raise InvalidInput("cannot ask for confirmation without a terminal", hint=again)
    output.prompt(f"Remove {_total(plan)}? [y/N]: ")
    return interrupts.read_line(sys.stdin).strip().lower() in ("y", "yes")


def _total(plan: CleanPlan) -> str:
    count = len(plan.removals)
    size = sum(removal.size for removal in plan.removals)
    return f"{count} {'output' if count == 1 else 'outputs'}, {output.size(size)}"
