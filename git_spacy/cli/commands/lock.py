"""`git spacy lock`: repair project.lock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import OverridingCommand, SpacyGroup
from git_spacy.cli.context import CommandContext

if TYPE_CHECKING:
    from git_spacy.history.lock_history import ResolvedEntry

EXAMPLES = (
    ("git spacy lock rebuild", "Rebuild a lost project.lock."),
    ("git spacy lock record train", "Record a model that you copied here."),
    ("git spacy lock resolve", "Resolve a merge conflict in project.lock."),
)
SEE_ALSO = ("gitattributes(5)",)


@click.group(cls=SpacyGroup)
def lock() -> None:
    """Repair project.lock: rebuild it from run records, add existing outputs to it, or resolve a
    merge conflict in it.

    'git spacy init' sets up a merge driver, so that branches that ran different commands merge
    without conflicts. To set it up by hand:

    \b
        git config merge.spacy-lock.driver "git spacy lock merge-driver %O %A %B"
        echo "project.lock merge=spacy-lock" >> .gitattributes
    """


@lock.command(short_help="Rebuild project.lock from run records.")
@click.argument("revision", required=False, metavar="[REV]")
@click.pass_obj
def rebuild(context: CommandContext, revision: str | None) -> None:
    """Rebuild project.lock for the commit REV (default: HEAD) from the run records on REV and its
    ancestors, or from records on other commits that match REV."""

    from git_spacy.history import lock_repair

    repository = context.open_history().repository
    rebuilt = lock_repair.rebuild(context.root, repository, revision)
    rows = [(name, _state(entry), [_source(entry)]) for name, entry in rebuilt.entries.items()]
    rows += [(name, "unknown", ["no run is recorded"]) for name in rebuilt.unknown]
    colours = {"rebuilt": "green", "stale": "yellow", "unknown": "yellow"}
    if rows:
        output.result_painted(output.table(rows, colours))
    if not rebuilt.unknown:
        output.success(f"project.lock is complete ({len(rebuilt.entries)} entries)")


def _state(entry: ResolvedEntry) -> str:
    return ("rebuilt" if entry.record else "unchanged") if entry.matches_commit else "stale"


def _source(entry: ResolvedEntry) -> str:
    from git_spacy.cli import history_format

    if entry.record is None:
        return "from a committed lock"
    when = history_format.start_time(entry.record)
    return f"from the run of {when}, recorded on {entry.recorded_on[:7]}"


@lock.command(cls=OverridingCommand, short_help="Add existing outputs to project.lock.")
@click.argument("names", nargs=-1, required=True, metavar="NAME... [PROJECT_DIR]")
@click.pass_obj
def record(context: CommandContext, names: tuple[str, ...]) -> None:
    """Add existing outputs of the command or workflow NAME to project.lock and record them,
    without running anything."""

    from git_spacy.project import graph, matrix
    from git_spacy.run.record_existing import record_existing
    from git_spacy.state.run_lock import claim_files

    context, names = context.split_project_dir(names)
    commands = context.as_variants(graph.expand_names(context.project, names))
    project = matrix.with_commands(context.project, commands)
    with context.lock(claim_files(context.root, commands, write=False)):
        record_existing(commands, context.run_context(project))
    for command in commands:
        output.message(f"recorded {command.name}")


@lock.command(short_help="Resolve a merge conflict in project.lock.")
@click.pass_obj
def resolve(context: CommandContext) -> int:
    """Resolve a merge conflict in project.lock entry by entry, and stage the result. If both sides
    changed an entry, take the one that matches the project as it is now."""

    from git_spacy.git.repository import Repository
    from git_spacy.history import lock_repair
    from git_spacy.project import matrix

    root = context.root
    resolution = lock_repair.resolve_conflict(root, Repository.discover(root))
    if resolution is None:
        output.message("project.lock has no conflicts")
        return 0
    stale = {command.name for command in resolution.stale}
    for name, side in resolution.sides.items():
        output.message(f"{name}: took {side}" + (" (both are stale)" if name in stale else ""))
    if not resolution.sides:
        output.message("merged: no entry was changed on both sides")
    if resolution.stale:
        steps = f"Next: {matrix.command_line(resolution.stale)} && git add project.lock"
        output.message(output.as_typed_here(steps))
    return 0


@lock.command("merge-driver", hidden=True)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("rest", nargs=-1)
def merge_driver(base: Path, ours: Path, theirs: Path, rest: tuple[str, ...]) -> int:  # noqa: ARG001
    """Merge project.lock for Git (`%O %A %B`) into OURS; exit with 1 if conflicts remain."""

    from git_spacy.history import lock_repair

    return 0 if lock_repair.merge_driver(base, ours, theirs) else 1
