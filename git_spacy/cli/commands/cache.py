"""`git spacy cache`: the local cache of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyGroup
from git_spacy.cli.context import CommandContext

if TYPE_CHECKING:
    from git_spacy.storage.cache_store import CacheSize

EXAMPLES = (
    ("git spacy cache status", "Show the size of the cache."),
    ("git spacy cache gc --days 7", "Remove results that were not used for a week."),
)
SETTINGS = ("spacy.restore", "spacy.cacheLinks")

_DAY = 24 * 3600


@click.group(cls=SpacyGroup, invoke_without_command=True)
@click.pass_context
def cache(ctx: click.Context) -> None:
    """Show, verify or clean up the local cache of outputs, which all branches and worktrees share.
    With 'git config spacy.restore true', every run saves its outputs there and restores them
    instead of running again.

    Without a subcommand, show what the cache contains.
    """

    if ctx.invoked_subcommand is None:
        ctx.invoke(status)


@cache.command(short_help="Show what the cache contains.")
@click.pass_obj
def status(context: CommandContext) -> None:
    """Show the number of cached results, outputs and files, and their size."""

    output.result(_describe(context.cache().size()))


@cache.command(short_help="Verify all cached files; remove damaged ones.")
@click.pass_obj
def verify(context: CommandContext) -> int:
    """Compare all cached files with their checksums and remove damaged ones. Exits with 1 if any
    were damaged."""

    store = context.cache()
    damaged = store.verify()
    for digest in damaged:
        output.result(f"removed damaged output {digest}")
    if not damaged:
        output.success(f"no damage found ({_describe(store.size())})")
    return 1 if damaged else 0


@cache.command(short_help="Remove results that were not used recently.")
@click.option(
    "--days", type=click.IntRange(0), default=30, show_default=True, metavar="N",
    help="Keep results used in the last N days.",
)  # fmt: skip
@click.pass_obj
def gc(context: CommandContext, days: int) -> None:
    """Remove results that were not used recently. Outputs named in project.lock are kept."""

    from git_spacy.lock import lock_format
    from git_spacy.project.paths import ProjectPath
    from git_spacy.state.run_lock import claim_paths

    entries = lock_format.read(context.root).values()
    in_use = [out.md5 for entry in entries for out in entry.outs if out.md5]
    everything = ProjectPath(".", ".")  # what no process works with
    commands = context.project_with_variants().commands
    outputs = [path for command in commands for path in command.produced]
    with context.lock([claim_paths(context.root, writes=[everything, *outputs])]):
        removed = context.cache().collect(days * _DAY, in_use)
    output.message(f"removed {_describe(removed)}")


def _describe(size: CacheSize) -> str:
    return (
        f"{size.results} results, {size.trees} outputs, {size.objects} files,"
        f" {output.size(size.bytes)}"
    )
