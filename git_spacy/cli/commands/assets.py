"""`git spacy assets`: fetch the project's assets and verify them."""

from __future__ import annotations

import os

import click

from git_spacy.cli import generated, output
from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy assets", "Fetch assets that are missing or have changed."),
    ("git spacy assets --extra assets/vectors", "Also fetch the extra assets in one folder."),
)
SETTINGS = (
    "spacy.ignore", "spacy.timeout", "spacy.fetchTimeout", "spacy.maxAssetSize",
    "spacy.allowLocalPath", "spacy.allowLocalRepository", "spacy.allowEnvInUrl",
)  # fmt: skip


@click.command(cls=OverridingCommand)
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
@click.pass_obj
def assets(
    context: CommandContext,
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

    context, names = context.split_project_dir(names)
    project, root = context.project, context.root
    context.report_warnings()
    names = tuple(_destination(context, name) for name in names)

    from git_spacy.assets.fetch import fetch
    from git_spacy.cli.progress import fetch_reporter
    from git_spacy.state.stat_cache import StatCache

    with context.lock(wait=not no_wait), fetch_reporter() as report:
        generated.update_gitignore(context, create=True)
        outcome = fetch(
            project, root, names=names, extra=extra, force=force, jobs=jobs, report=report,
            index=StatCache.open(root), settings=context.settings, environ=os.environ,
        )  # fmt: skip
    counts = {"failed": outcome.failed, "missing": outcome.missing}
    summary = f"fetched {len(outcome.fetched)}, skipped {len(outcome.skipped)}"
    summary += "".join(f", {word} {len(assets)}" for word, assets in counts.items() if assets)
    if not extra and not names and (count := sum(asset.extra for asset in project.assets)):
        summary += f"; {count} more with --extra"
    output.message(summary)
    if error := outcome.error():
        raise error


def _destination(context: CommandContext, name: str) -> str:
    """Return `name` relative to the project if it is relative to the folder of the user."""

    relative = os.path.relpath(os.path.abspath(context.start / name), context.root)
    for asset in context.project.assets:
        if f"{asset.dest.normal}/".startswith(f"{relative}/"):
            return relative
    return name
