"""`git spacy lock`: repair project.lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output, overrides

if TYPE_CHECKING:
    from git_spacy.history.lock_history import ResolvedEntry


@click.group()
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
@click.pass_context
def rebuild(ctx: click.Context, revision: str | None) -> None:
    """Rebuild project.lock for the commit REV (default: HEAD) from the run records on REV and its
    ancestors, or from records on other commits that match REV."""

    from git_spacy.cli import history_format
    from git_spacy.history import lock_repair
    from git_spacy.project import loader

    repository, root, _ = history_format.open_history(ctx.obj)
    rebuilt = lock_repair.rebuild(root or loader.find(ctx.obj), repository, revision)
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


@lock.command(cls=overrides.OverridingCommand, short_help="Add existing outputs to project.lock.")
@click.argument("names", nargs=-1, required=True, metavar="NAME... [PROJECT_DIR]")
@click.pass_context
def record(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Add existing outputs of the command or workflow NAME to project.lock and record them,
    without running anything."""

    from git_spacy.cli.commands.run import project_dir, report_waiting, run_context
    from git_spacy.lock import lock_format as lock_file
    from git_spacy.project import graph, loader, matrix
    from git_spacy.run.scheduler import record_existing as record_results
    from git_spacy.state.run_lock import project_lock

    start, names = project_dir(ctx.obj, names)
    root = loader.find(start)
    variables = overrides.current_overrides(ctx)
    project = loader.load(root, variables)
    commands = graph.expand_names(project, names)
    if variables:
        data, entries = loader.read_bytes(root), lock_file.read(root)
        commands = matrix.recorded_variants(data, variables, commands, entries)
        project = matrix.with_commands(project, commands)
    with project_lock(root, os.environ, waiting=report_waiting):
        record_results(commands, run_context(ctx, project, root))
    for command in commands:
        output.message(f"recorded {command.name}")


@lock.command(short_help="Resolve a merge conflict in project.lock.")
@click.pass_context
def resolve(ctx: click.Context) -> int:
    """Resolve a merge conflict in project.lock entry by entry, and stage the result. If both sides
    changed an entry, take the one that matches the project as it is now."""

    from git_spacy.git.repository import Repository
    from git_spacy.history import lock_repair
    from git_spacy.project import loader, matrix

    root = loader.find(ctx.obj)
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
        output.message(f"Next: {matrix.command_line(resolution.stale)} && git add project.lock")
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
