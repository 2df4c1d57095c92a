"""`git spacy cache`: the local cache of outputs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.errors import InvalidInput
from git_spacy.git.settings import Settings, boolean, number, read_settings
from git_spacy.project.model import Project

if TYPE_CHECKING:
    from git_spacy.storage.cache_store import CacheSize, CacheStore
    from git_spacy.storage.run_cache import OutputSource

_DAY = 24 * 3600


def output_source(project: Project, root: Path, configured: Settings) -> OutputSource:
    """Return the local cache and, if configured, the default remote as a source of outputs."""

    from git_spacy.storage import remote
    from git_spacy.storage.run_cache import OutputSource

    limit = number(configured, "spacy.maxOutputSize")
    default_remote = None
    with suppress(InvalidInput):  # no default remote
        default_remote = remote.open_remote(root, remote.resolve_address(project, configured, None))
    return OutputSource(_open_cache(root, configured), default_remote, remote.DEFAULT, limit)


def _open_cache(root: Path, configured: Settings) -> CacheStore:
    from git_spacy.storage.cache_store import CacheStore

    return CacheStore.open_for(root, link=boolean(configured, "spacy.cacheLinks"))


def _project_and_cache(ctx: click.Context) -> tuple[Path, CacheStore]:
    from git_spacy.project import loader

    root = loader.find(ctx.obj)
    return root, _open_cache(root, read_settings(root))


@click.group(invoke_without_command=True)
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
@click.pass_context
def status(ctx: click.Context) -> None:
    """Show the number of cached results, outputs and files, and their size."""

    _, store = _project_and_cache(ctx)
    output.result(_describe(store.size()))


@cache.command(short_help="Verify all cached files; remove damaged ones.")
@click.pass_context
def verify(ctx: click.Context) -> int:
    """Compare all cached files with their checksums and remove damaged ones. Exits with 1 if any
    were damaged."""

    _, store = _project_and_cache(ctx)
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
@click.pass_context
def gc(ctx: click.Context, days: int) -> None:
    """Remove results that were not used recently. Outputs named in project.lock are kept."""

    from git_spacy.lock import lock_format
    from git_spacy.state.run_lock import project_lock

    root, store = _project_and_cache(ctx)
    in_use = [out.md5 for entry in lock_format.read(root).values() for out in entry.outs if out.md5]
    with project_lock(
        root, os.environ, waiting=lambda: output.message("Waiting for a run to end …")
    ):
        removed = store.collect(days * _DAY, in_use)
    output.message(f"removed {_describe(removed)}")


def _describe(size: CacheSize) -> str:
    return (
        f"{size.results} results, {size.trees} outputs, {size.objects} files,"
        f" {output.size(size.bytes)}"
    )
