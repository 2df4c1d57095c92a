"""`git spacy cache`: what is kept on this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.errors import InvalidInput
from git_spacy.git.settings import Settings, boolean, number, settings
from git_spacy.project.model import Project

if TYPE_CHECKING:
    from git_spacy.storage.cache_store import CacheStore
    from git_spacy.storage.run_cache import OutputSource

_DAY = 24 * 3600


def output_source(project: Project, root: Path, configured: Settings) -> OutputSource:
    """The store of `root`, and the default remote if there is one, by the user's settings."""

    from git_spacy.storage import remote
    from git_spacy.storage.run_cache import OutputSource

    limit = number(configured, "spacy.maxOutputSize")
    found = None
    with suppress(InvalidInput):  # there is none
        found = remote.open_remote(root, remote.resolve_address(project, configured, None))
    return OutputSource(_store(root, configured), found, remote.DEFAULT, limit)


def _store(root: Path, configured: Settings) -> CacheStore:
    from git_spacy.storage.cache_store import CacheStore

    return CacheStore.open_for(root, link=boolean(configured, "spacy.cacheLinks"))


def _here(ctx: click.Context) -> tuple[Path, CacheStore]:
    from git_spacy.project import loader

    root = loader.find(ctx.obj)
    return root, _store(root, settings(root))


@click.group(invoke_without_command=True)
@click.pass_context
def cache(ctx: click.Context) -> None:
    """Show or clean up the local cache of outputs, which all branches and worktrees share. With
    'git config spacy.restore true' every run saves its outputs in it. Without a subcommand, show
    what the cache contains."""

    if ctx.invoked_subcommand is None:
        ctx.invoke(status)


@cache.command(short_help="Show what the cache contains.")
@click.pass_context
def status(ctx: click.Context) -> None:
    """Show the number of cached results, outputs and files, and their size."""

    _, here = _here(ctx)
    found = here.size()
    output.result(
        f"{found.results} results, {found.trees} outputs, {found.objects} files,"
        f" {output.size(found.bytes)}"
    )


@cache.command()
@click.pass_context
def verify(ctx: click.Context) -> int:
    """Read all of it; remove what is damaged, exit code 1."""

    _, here = _here(ctx)
    broken = here.verify()
    for digest in broken:
        output.result(f"removed the output {digest}: it was damaged")
    return 1 if broken else 0


@cache.command(short_help="Remove what was not used for a while.")
@click.option(
    "--days", type=click.IntRange(0), default=30, show_default=True, metavar="N",
    help="Keep what was used in the last N days.",
)  # fmt: skip
@click.pass_context
def gc(ctx: click.Context, days: int) -> None:
    """Remove what was not used for a while, but for what project.lock names."""

    from git_spacy.state import lock
    from git_spacy.state.run_lock import project_lock

    root, here = _here(ctx)
    named = [out.md5 for entry in lock.read(root).values() for out in entry.outs if out.md5]
    with project_lock(root, os.environ, waiting=lambda: output.note("Waiting for a run to end …")):
        gone = here.collect(days * _DAY, named)
    output.note(
        f"removed {gone.results} results, {gone.trees} outputs, {gone.objects} files,"
        f" {output.size(gone.bytes)}"
    )
