"""`git spacy lock`: rebuild, record and resolve project.lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output, overrides

if TYPE_CHECKING:
    from git_spacy.state.lock_history import ResolvedEntry


@click.group()
def lock() -> None:
    """Put project.lock right: from the records of a commit, from what is there, or after a merge.

    Where it is merged by entry, two branches that ran different commands do not conflict:

    \b
        git config merge.spacy-lock.driver "git spacy lock merge-driver %O %A %B"
        echo "project.lock merge=spacy-lock" >> .gitattributes
    """


@lock.command(short_help="Rebuild it for a commit from the records.")
@click.argument("revision", required=False, metavar="[REV]")
@click.pass_context
def rebuild(ctx: click.Context, revision: str | None) -> None:
    """Rebuild project.lock for a commit (HEAD by default) from the records on it and its
    ancestors, or wherever else a run fits it."""

    from git_spacy.cli import history_format as words
    from git_spacy.project import loader
    from git_spacy.state import lock_repair

    repository, root, _ = words.opened(ctx.obj)
    done = lock_repair.rebuild(root or loader.find(ctx.obj), repository, revision)
    rows = [(name, _word(one), [_source(one)]) for name, one in done.entries.items()]
    rows += [(name, "unknown", ["no run of it is noted"]) for name in done.unknown]
    colours = {"restored": "green", "stale": "yellow", "unknown": "yellow"}
    output.result_painted(output.table(rows, colours))


def _word(known: ResolvedEntry) -> str:
    return ("restored" if known.record else "kept") if known.matches_commit else "stale"


def _source(known: ResolvedEntry) -> str:
    from git_spacy.cli import history_format as words

    if known.record is None:
        return "as a lock had it"
    return f"the run of {words.when(known.record)}, noted on {known.recorded_on[:7]}"


@lock.command(cls=overrides.OverridingCommand, short_help="Enter results that are there already.")
@click.argument("names", nargs=-1, required=True, metavar="NAME... [PROJECT_DIR]")
@click.pass_context
def record(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Enter results that are there already into project.lock, and note them, without running
    anything: NAME is a command or a workflow."""

    from git_spacy.cli.run import project_dir, report_waiting, run_context
    from git_spacy.project import graph, loader, matrix
    from git_spacy.run.scheduler import record_existing as record_results
    from git_spacy.state import lock as lock_file
    from git_spacy.state.run_lock import project_lock

    start, names = project_dir(ctx.obj, names)
    root = loader.find(start)
    given = overrides.current_overrides(ctx)
    project = loader.load(root, given)
    commands = graph.expand_names(project, names)
    if given:
        data, entries = loader.read_bytes(root), lock_file.read(root)
        commands = matrix.recorded_variants(data, given, commands, entries)
        project = matrix.with_commands(project, commands)
    with project_lock(root, os.environ, waiting=report_waiting):
        record_results(commands, run_context(ctx, project, root))
    for command in commands:
        output.note(f"recorded {command.name}")


@lock.command(short_help="Settle one that a merge left in conflict.")
@click.pass_context
def resolve(ctx: click.Context) -> int:
    """Settle a project.lock that a merge left in conflict, by entry: of what both sides changed,
    the fresher one as the project now is. Then it is staged."""

    from git_spacy.git.repository import Repository
    from git_spacy.project import loader, matrix
    from git_spacy.state import lock_repair

    root = loader.find(ctx.obj)
    done = lock_repair.resolve_conflict(root, Repository.discover(root))
    if done is None:
        output.note("project.lock is not in conflict")
        return 0
    stale = {command.name for command in done.stale}
    for name, side in done.sides.items():
        output.note(f"{name}: took {side}" + (", stale like the other" if name in stale else ""))
    if not done.sides:
        output.note("merged by entry: each was changed on one side only")
    if done.stale:
        output.note(f"Next: {matrix.command_line(done.stale)} && git add project.lock")
    return 0


@lock.command("merge-driver", hidden=True)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("rest", nargs=-1)
def merge_driver(base: Path, ours: Path, theirs: Path, rest: tuple[str, ...]) -> int:  # noqa: ARG001
    """What Git calls (`%O %A %B`): the merged file goes to OURS; 1 if it has conflicts."""

    from git_spacy.state import lock_repair

    return 0 if lock_repair.merge_driver(base, ours, theirs) else 1
