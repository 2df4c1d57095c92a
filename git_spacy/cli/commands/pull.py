"""`git spacy pull`: fetch outputs from a remote."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.commands.run import lock_project, project_dir, run_context
from git_spacy.project import loader
from git_spacy.project.matrix import with_variants


@click.command(cls=overrides.OverridingCommand)
@click.argument("names", nargs=-1, metavar="[REMOTE] [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Replace stale outputs.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N",
    help="Fetch up to N outputs at a time.",
)  # fmt: skip
@click.pass_context
def pull(ctx: click.Context, names: tuple[str, ...], force: bool, jobs: int) -> None:
    """Fetch outputs from REMOTE instead of running commands.

    For each command whose dependencies are present, fetch the outputs that others produced from
    the same dependencies with the same script, verify them and add them to project.lock. REMOTE is
    chosen as for 'git spacy push'.
    """

    from git_spacy.cli.transfer_progress import reporter
    from git_spacy.git.settings import number, read_settings
    from git_spacy.lock import lock_format
    from git_spacy.storage import remote
    from git_spacy.storage.pull import pull as fetch

    start, names = project_dir(ctx.obj, names)
    if len(names) > 1:
        raise click.UsageError(f"expected one remote, got {len(names)}")
    root = loader.find(start)
    project = loader.load(root, overrides.current_overrides(ctx))
    project = with_variants(project, loader.read_bytes(root), lock_format.read(root))
    configured = read_settings(root)
    address = remote.resolve_address(project, configured, names[0] if names else None)
    with lock_project(ctx, root), reporter("pulled") as report:
        shared = run_context(ctx, project, root)
        outcome = fetch(
            project, root, remote.open_remote(root, address), stats=shared.stats,
            environ=os.environ, report=report,
            record_result=shared.record_result,
            force=force, jobs=jobs, limit=number(configured, "spacy.maxOutputSize"),
        )  # fmt: skip
    failed = f", failed {len(outcome.failed)}" if outcome.failed else ""
    output.message(f"pulled {len(outcome.done)}, skipped {len(outcome.skipped)}{failed}")
    if error := outcome.error():
        raise error
