"""`git spacy restore`: restore the outputs of a commit."""

from __future__ import annotations

import click

from git_spacy.cli import output
from git_spacy.cli.commands.run import lock_project, project_dir
from git_spacy.project import loader

_COLOURS = {"missing": "red", "refused": "yellow", "failed": "red", "restored": "green"}


@click.command()
@click.argument("names", nargs=-1, metavar="[REV] [PROJECT_DIR]")
@click.option(
    "-F", "--force", is_flag=True, help="Replace tracked files, and outputs without another copy."
)
@click.pass_context
def restore(ctx: click.Context, names: tuple[str, ...], force: bool) -> int:
    """Restore the outputs of all commands at the commit REV (default: HEAD) from the local cache
    or the default remote, without running anything. Exits with 1 and lists the outputs that could
    not be restored."""

    from git_spacy.cli.commands.cache import output_source
    from git_spacy.git.repository import Repository, no_repository
    from git_spacy.git.settings import read_settings
    from git_spacy.history.lock_history import lock_history
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage import restore as outputs
    from git_spacy.storage.recorded_names import RecordedNames

    start, names = project_dir(ctx.obj, names)
    if len(names) > 1:
        raise click.UsageError(f"expected one revision, got {len(names)}")
    root = loader.find(start)
    repository = Repository.discover(root)
    if repository is None:
        raise no_repository(root, "not in a Git repository")
    revision = names[0] if names else "HEAD"
    committed = lock_history(root, repository, revision, warn=output.warning)
    wanted = list(outputs.wanted_outputs(committed, RecordedNames(root, StatCache.open(root))))
    for command, path in outputs.undeclared_outputs(committed):
        output.warning(f"'{path}' is not an output of '{command}' at that commit: not restored")
    widths = (max((len(output_.path.text) for output_ in wanted), default=0), len("restored"))
    results = []
    with lock_project(ctx, root):
        source = output_source(committed.project, root, read_settings(root))
        for result in outputs.restore(root, source, wanted, force=force):
            results.append(result)
            row = (result.wanted.path.text, result.state, (result.detail,) if result.detail else ())
            output.result_painted(output.table([row], _COLOURS, widths))
    if not results:
        output.message("no outputs are recorded for that commit")
    if error := outputs.first_failure(results):
        raise error
    return 1 if any(result.state in ("missing", "refused") for result in results) else 0
