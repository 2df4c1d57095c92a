"""`git spacy assets`: fetch the project's assets and verify them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.commands.run import lock_project, project_dir
from git_spacy.errors import GitSpacyError
from git_spacy.git.process import available
from git_spacy.git.settings import Settings, boolean, read_settings
from git_spacy.project import loader
from git_spacy.project.model import Project


@click.command(cls=overrides.OverridingCommand)
@click.argument("names", nargs=-1, metavar="[DEST]... [PROJECT_DIR]")
@click.option("-e", "--extra", is_flag=True, help="Also fetch assets marked 'extra'.")
@click.option(
    "-f", "-F", "--force", is_flag=True,
    help="Fetch unverified assets again; overwrite local edits.",
)  # fmt: skip
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N",
    help="Fetch up to N assets at a time.",
)  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Exit with 75 instead of waiting for another run.")
@click.option("-S", "--sparse", is_flag=True, hidden=True, expose_value=False)  # always on
@click.pass_context
def assets(
    ctx: click.Context,
    names: tuple[str, ...],
    extra: bool,
    force: bool,
    jobs: int,
    no_wait: bool,
) -> None:
    """Fetch the assets in project.yml and verify their checksums.

    DEST is the destination of an asset, or a folder with several. By default, fetch all assets
    except those marked 'extra'. Assets that are present and unchanged are skipped.
    """

    start, names = project_dir(ctx.obj, names)
    root = loader.find(start)
    project = loader.load(root, overrides.current_overrides(ctx))
    for text in project.warnings:
        output.warning(text)
    names = tuple(_destination(root, start, name, project) for name in names)
    configured = read_settings(root)

    from git_spacy.assets.fetch import fetch
    from git_spacy.cli.progress import reporter
    from git_spacy.state.stat_cache import StatCache

    with lock_project(ctx, root, wait=not no_wait), reporter() as report:
        _update_gitignore(root, configured)
        outcome = fetch(
            project, root, names=names, extra=extra, force=force, jobs=jobs, report=report,
            index=StatCache.open(root), settings=configured, environ=os.environ,
        )  # fmt: skip
    counts = {"failed": outcome.failed, "missing": outcome.missing}
    summary = f"fetched {len(outcome.fetched)}, skipped {len(outcome.skipped)}"
    summary += "".join(f", {word} {len(assets)}" for word, assets in counts.items() if assets)
    if not extra and not names and (count := sum(asset.extra for asset in project.assets)):
        summary += f"; {count} more with --extra"
    output.message(summary)
    if error := outcome.error():
        raise error


def _update_gitignore(root: Path, configured: Settings) -> None:
    """Update .gitignore from project.yml, without overrides: they are for this call only."""

    if not boolean(configured, "spacy.ignore") or not available():
        return
    from git_spacy.generate.ignore import update

    try:
        if update(root, loader.load(root)):
            output.message("wrote .gitignore")
    except (GitSpacyError, OSError) as error:  # no reason not to fetch the assets
        reason = error.problems[0].message if isinstance(error, GitSpacyError) else error.strerror
        output.warning(f".gitignore was not updated: {reason}; for details: git spacy ignore")


def _destination(root: Path, start: Path, name: str, project: Project) -> str:
    """Return `name` relative to the project if it is relative to the subfolder `start`."""

    relative = os.path.relpath(os.path.abspath(start / name), root)
    for asset in project.assets:
        if f"{asset.dest.normal}/".startswith(f"{relative}/"):
            return relative
    return name
