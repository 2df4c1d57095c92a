"""`git spacy assets`: the project's data."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import click

from git_spacy.cli import output, overrides
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
@click.option("-S", "--sparse", is_flag=True, hidden=True)  # spaCy's; ours always is
@click.pass_context
def assets(
    ctx: click.Context,
    names: tuple[str, ...],
    extra: bool,
    force: bool,
    jobs: int,
    no_wait: bool,
    sparse: bool,  # noqa: ARG001
) -> None:
    """Fetch the assets of project.yml and verify them: all but the extra ones, or the DESTs (or
    what lies below the folders) that are named. What is there and right is not fetched again."""

    start: Path = ctx.obj
    if names and (start / names[-1] / loader.PROJECT_FILE).is_file():
        start, names = start / names[-1], names[:-1]  # spaCy's own form
    root = loader.find(start)
    project = loader.load(root, overrides.given(ctx))
    for text in project.warnings:
        output.warning(text)
    names = tuple(_below(root, start, name, project) for name in names)

    from git_spacy.assets.fetch import fetch
    from git_spacy.cli.progress import reporter
    from git_spacy.files import held
    from git_spacy.git.repository import settings
    from git_spacy.run.script import NESTED
    from git_spacy.state.index import StatIndex, home

    with ExitStack() as stack:
        if os.environ.get(NESTED) != str(root):
            waiting = "another run is going on in this project; wait for it, or end it"
            stack.enter_context(held(home(root) / "run.lock", wait=not no_wait, mend=waiting))
        report = stack.enter_context(reporter())
        outcome = fetch(
            project, root, names=names, extra=extra, force=force, jobs=jobs, report=report,
            index=StatIndex.open(root), settings=settings(root), environ=os.environ,
        )  # fmt: skip
    counts = {"failed": outcome.failed, "missing": outcome.lacking}
    summary = f"fetched {len(outcome.fetched)}, kept {len(outcome.kept)}"
    summary += "".join(f", {name} {len(some)}" for name, some in counts.items() if some)
    if not extra and not names and (left := sum(asset.extra for asset in project.assets)):
        summary += f"; {left} more with --extra"
    output.note(summary)
    if error := outcome.error():
        raise error


def _below(root: Path, start: Path, name: str, project: Project) -> str:
    """`name` as project.yml would have it: typed in a subfolder, it may mean one from there."""

    inside = os.path.relpath(os.path.abspath(start / name), root)
    for asset in project.assets:
        if f"{asset.dest.normal}/".startswith(f"{inside}/"):
            return inside
    return name
