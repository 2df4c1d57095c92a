"""`git spacy restore`: restore the outputs of a commit."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.cli.remote_settings import REMOTE_SETTINGS

if TYPE_CHECKING:
    from git_spacy.project.model import Project
    from git_spacy.storage.restore import RestoreResult

EXAMPLES = (
    ("git spacy restore", "Restore the outputs of HEAD."),
    ("git spacy restore v1.0", "Restore the outputs of a tag."),
)
SETTINGS = (*REMOTE_SETTINGS, "spacy.maxOutputSize", "spacy.allowOutside")

_COLOURS = {"missing": "red", "refused": "yellow", "failed": "red", "restored": "green"}


@click.command(cls=SpacyCommand)
@click.argument("names", nargs=-1, metavar="[REV] [PROJECT_DIR]")
@click.option(
    "-F", "--force", is_flag=True, help="Replace tracked files, and outputs without another copy."
)
@click.pass_obj
def restore(context: CommandContext, names: tuple[str, ...], force: bool) -> int:
    """Restore the outputs of all commands at the commit REV (default: HEAD) from Git, if they are
    in that commit, the local cache or the default remote, without running anything. Exits with 1
    and lists the outputs that could not be restored."""

    from git_spacy.git.repository import Repository
    from git_spacy.history.lock_history import lock_history
    from git_spacy.state.run_lock import claim_paths
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage import restore as outputs
    from git_spacy.storage.recorded_names import RecordedNames

    context, revision = context.one_argument(names, "revision")
    root = context.root
    repository = Repository.require(root)
    committed = lock_history(root, repository, revision or "HEAD", warn=output.diagnostic)
    wanted = list(outputs.wanted_outputs(committed, RecordedNames(root, StatCache.open(root))))
    copies = outputs.copies_in_git(root, repository, committed)
    wanted += outputs.only_in_git(committed, copies, wanted)
    for command, path in outputs.undeclared_outputs(committed):
        output.warning(f"'{path}' is not an output of '{command}' at that commit: not restored")
    widths = (max((len(output_.path.text) for output_ in wanted), default=0), len("restored"))
    results = []
    claim = claim_paths(root, writes=[output_.path for output_ in wanted])
    with context.lock([claim]):
        source = context.output_source(committed.project)
        for result in outputs.restore(root, source, copies, wanted, force=force):
            results.append(result)
            row = (result.wanted.path.text, result.state, (result.detail,) if result.detail else ())
            output.result_painted(output.table([row], _COLOURS, widths))
    if not results:
        output.message("no outputs are recorded for that commit")
    if revision in (None, "HEAD") and (hint := _how_to_produce(committed.project, results)):
        output.message(output.as_typed_here(f"hint: {hint}"))
    if error := outputs.first_failure(results):
        raise error
    return 1 if any(result.state in ("missing", "refused") for result in results) else 0


def _how_to_produce(project: Project, results: Iterable[RestoreResult]) -> str:
    """Return what runs the commands of the missing outputs, "" if none is missing.

    The default remote does not have them either, so pull would not help.
    """

    from git_spacy.project.matrix import command_line

    missing = {result.wanted.command for result in results if result.state == "missing"}
    commands = [command for command in project.commands if command.name in missing]
    if len(commands) > 1:
        for workflow in project.workflows:
            if set(workflow.steps) == missing:
                return f"git spacy run {shlex.quote(workflow.name)}"
    return command_line(commands)
