"""`git spacy assets`: the project's data."""

from __future__ import annotations

import os
from pathlib import Path

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.run import project_dir, report_waiting
from git_spacy.errors import GitSpacyError
from git_spacy.git.process import available
from git_spacy.git.settings import Settings, boolean, read_settings
from git_spacy.project import loader
from git_spacy.project.model import Project


@click.command(cls=overrides.OverridingCommand)
@click.argument("names", nargs=-1, metavar="[DEST]... [PROJECT_DIR]")
@click.option("-e", "--extra", is_flag=True, help="Fetch those marked 'extra' too.")
@click.option(
    "-f", "-F", "--force", is_flag=True, help="Fetch what is there unverified; replace edits."
)
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N",
    help="Fetch N at a time.",
)  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Exit with 75 if another run is going on here.")
@click.option("-S", "--sparse", is_flag=True, hidden=True, expose_value=False)  # always so here
@click.pass_context
def assets(
    ctx: click.Context,
    names: tuple[str, ...],
    extra: bool,
    force: bool,
    jobs: int,
    no_wait: bool,
) -> None:
    """Fetch the assets of project.yml and verify them: all but the extra ones, or the DESTs (or
    what lies below the folders) that are named. What is there and right is not fetched again."""

    start, names = project_dir(ctx.obj, names)
    root = loader.find(start)
    project = loader.load(root, overrides.current_overrides(ctx))
    for text in project.warnings:
        output.warning(text)
    names = tuple(_below(root, start, name, project) for name in names)
    configured = read_settings(root)

    from git_spacy.assets.fetch import fetch
    from git_spacy.cli.progress import reporter
    from git_spacy.state.run_lock import project_lock
    from git_spacy.state.stat_cache import StatCache

    turn = project_lock(root, os.environ, wait=not no_wait, waiting=report_waiting)
    with turn, reporter() as report:
        _ignore(root, configured)
        outcome = fetch(
            project, root, names=names, extra=extra, force=force, jobs=jobs, report=report,
            index=StatCache.open(root), settings=configured, environ=os.environ,
        )  # fmt: skip
    counts = {"failed": outcome.failed, "missing": outcome.missing}
    summary = f"fetched {len(outcome.fetched)}, kept {len(outcome.skipped)}"
    summary += "".join(f", {name} {len(some)}" for name, some in counts.items() if some)
    if not extra and not names and (left := sum(asset.extra for asset in project.assets)):
        summary += f"; {left} more with --extra"
    output.note(summary)
    if error := outcome.error():
        raise error


def _ignore(root: Path, configured: Settings) -> None:
    """Keep .gitignore current, of project.yml without overrides: those are of this once."""

    if not boolean(configured, "spacy.ignore") or not available():
        return
    from git_spacy.generate.ignore import update

    try:
        if update(root, loader.load(root)):
            output.note("wrote .gitignore")
    except (GitSpacyError, OSError) as error:  # the data is here to be had all the same
        what = error.problems[0].message if isinstance(error, GitSpacyError) else error.strerror
        output.warning(f".gitignore is not current: {what}; to see more: git spacy ignore")


def _below(root: Path, start: Path, name: str, project: Project) -> str:
    """`name` as project.yml would have it: typed in a subfolder, it may mean one from there."""

    inside = os.path.relpath(os.path.abspath(start / name), root)
    for asset in project.assets:
        if f"{asset.dest.normal}/".startswith(f"{inside}/"):
            return inside
    return name
