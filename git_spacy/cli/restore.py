"""`git spacy restore`: outputs as they were at a commit."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output
from git_spacy.cli.run import project_dir, report_waiting
from git_spacy.errors import InvalidInput
from git_spacy.project import loader

_COLOURS = {"missing": "red", "refused": "yellow", "failed": "red", "restored": "green"}


@click.command()
@click.argument("names", nargs=-1, metavar="[REV] [PROJECT_DIR]")
@click.option(
    "-F", "--force", is_flag=True, help="Replace tracked files and outputs with no other copy."
)
@click.pass_context
def restore(ctx: click.Context, names: tuple[str, ...], force: bool) -> int:
    """Bring the outputs of all commands as they were at REV (by default HEAD), from the local store
    or the default remote, without running anything. What cannot be had is told, exit code 1."""

    from git_spacy.cli.cache import output_source
    from git_spacy.git.repository import Repository
    from git_spacy.git.settings import read_settings
    from git_spacy.state.lock_history import lock_history
    from git_spacy.state.run_lock import project_lock
    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage import restore as outputs
    from git_spacy.storage.recorded_names import RecordedNames

    start, names = project_dir(ctx.obj, names)
    if len(names) > 1:
        raise click.UsageError(f"one revision, not {len(names)}")
    root = loader.find(start)
    repository = Repository.discover(root)
    if repository is None:
        raise InvalidInput("not in a Git repository: there are no commits", hint="git init")
    revision = names[0] if names else "HEAD"
    recalled = lock_history(root, repository, revision, warn=output.warning)
    wanted = list(outputs.wanted_outputs(recalled, RecordedNames(root, StatCache.open(root))))
    for command, path in outputs.undeclared(recalled):
        output.warning(f"'{path}' is not an output of '{command}' at that commit: not restored")
    widths = (max((len(one.path.text) for one in wanted), default=0), len("restored"))
    found = []
    with project_lock(root, os.environ, waiting=report_waiting):
        source = output_source(recalled.project, root, read_settings(root))
        for one in outputs.restore(root, source, wanted, force=force):
            found.append(one)
            row = (one.wanted.path.text, one.state, (one.why,) if one.why else ())
            output.result_painted(output.table([row], _COLOURS, widths))
    if not found:
        output.note("nothing is known of any output at that commit")
    if error := outputs.failure(found):
        raise error
    return 1 if any(one.state in ("missing", "refused") for one in found) else 0
