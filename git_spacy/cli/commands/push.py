"""`git spacy push`: send outputs to a remote."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.commands.run import lock_project, project_dir
from git_spacy.project import loader
from git_spacy.project.matrix import with_variants


@click.command(cls=overrides.OverridingCommand)
@click.argument("names", nargs=-1, metavar="[REMOTE] [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Send outputs even if REMOTE has them.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N",
    help="Send up to N outputs at a time.",
)  # fmt: skip
@click.pass_context
def push(ctx: click.Context, names: tuple[str, ...], force: bool, jobs: int) -> None:
    """Send outputs to REMOTE: those of all commands that are up to date. Outputs that it already
    has are skipped.

    REMOTE is a name, a path or a URL such as s3://bucket/folder. Names are defined under 'remotes'
    in project.yml, or with 'git config spacy.remote.NAME.url'. The default is the remote
    named 'default'.
    """

    from git_spacy.cli.transfer_progress import reporter
    from git_spacy.git.settings import read_settings
    from git_spacy.lock import lock_format
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage import remote
    from git_spacy.storage.push import push as send

    start, names = project_dir(ctx.obj, names)
    if len(names) > 1:
        raise click.UsageError(f"expected one remote, got {len(names)}")
    root = loader.find(start)
    project = loader.load(root, overrides.current_overrides(ctx))
    project = with_variants(project, loader.read_bytes(root), lock_format.read(root))
    address = remote.resolve_address(project, read_settings(root), names[0] if names else None)
    with lock_project(ctx, root), reporter("pushed") as report:
        outcome = send(
            project, root, remote.open_remote(root, address), stats=StatCache.open(root),
            environ=os.environ, report=report, force=force, jobs=jobs,
        )  # fmt: skip
    failed = f", failed {len(outcome.failed)}" if outcome.failed else ""
    output.message(f"pushed {len(outcome.done)}, skipped {len(outcome.skipped)}{failed}")
    if error := outcome.error():
        raise error
