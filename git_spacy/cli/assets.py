"""`git spacy assets`: fetch the project's data."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.run import project_dir
from git_spacy.errors import printable
from git_spacy.project import loader


@click.command(cls=overrides.OverridingCommand)
@click.argument("dests", nargs=-1, metavar="[DEST]... [PROJECT_DIR]")
@click.option("-e", "--extra", is_flag=True, help="Fetch also those marked 'extra'.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=8, show_default=True,
    help="How many at a time.",
)  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="Fetch again, and replace what is there.")
@click.option("-S", "--sparse", is_flag=True, hidden=True, expose_value=False)  # always so here
@click.pass_context
def assets(ctx: click.Context, dests: tuple[str, ...], extra: bool, jobs: int, force: bool) -> None:
    """Fetch the assets of project.yml and verify them. What is there and right is kept; what
    fails leaves what was there before."""

    from git_spacy.assets.decision import selected
    from git_spacy.assets.fetch import fetch
    from git_spacy.assets.sources import Context
    from git_spacy.files import held
    from git_spacy.git.process import may_prompt
    from git_spacy.git.repository import settings
    from git_spacy.run.script import NESTED
    from git_spacy.state.index import StatIndex, home

    start, dests = project_dir(ctx.obj, dests)
    root = loader.find(start)
    project = loader.load(root, overrides.given(ctx))
    for text in project.warnings:
        output.warning(text)
    wanted = selected(project, dests, extra)
    left_out = sum(asset.extra for asset in project.assets) if not (extra or dests) else 0
    context = Context(
        root, settings(root), os.environ, project.environment, may_prompt(), threading.Event(),
        lambda *_: None, lambda *_: None,
    )  # fmt: skip
    nested = os.environ.get(NESTED) == str(root)
    with _lock(home(root) / "run.lock", nested, held), _reporter() as report:
        outcome = fetch(
            project, wanted, context, StatIndex.open(root), report, jobs=jobs, force=force
        )
    summary = f"fetched {len(outcome.fetched)}, kept {len(outcome.kept)}"
    if outcome.errors:
        summary += f", failed {len(outcome.errors)}"
    if left_out:
        summary += f"; {left_out} more with --extra"
    output.note(summary)
    if failure := outcome.failure():
        raise failure


@contextmanager
def _lock(path: Any, nested: bool, held: Any) -> Iterator[None]:
    """`assets` in a script belongs to the run that started it."""

    if nested:
        yield
        return
    with held(path):
        yield


@contextmanager
def _reporter() -> Iterator[Callable[[Any], None]]:
    """A bar for each download on a terminal, plain lines elsewhere."""

    import sys

    if not output.is_terminal(sys.stderr):
        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    parts = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*parts, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(event: Any) -> None:
            name = type(event).__name__
            if name == "Progress":
                key = event.asset.dest.normal
                if key not in tasks:
                    shown = printable(key)[-30:].replace("[", r"\[")
                    tasks[key] = bars.add_task(shown, total=event.total)
                bars.update(tasks[key], completed=event.done, total=event.total)
                return
            if name in ("Finished", "Failed") and event.asset.dest.normal in tasks:
                bars.remove_task(tasks.pop(event.asset.dest.normal))
            say(event)

        yield report


def say(event: Any) -> None:
    """One event as a line."""

    from git_spacy.assets import fetch

    if isinstance(event, fetch.Decided):
        decision = event.decision
        if decision.action == "keep":
            output.note(f"kept     {decision.asset.dest} ({decision.reason})")
        elif decision.action == "fetch":
            output.note(f"fetching {decision.asset.dest} ({decision.reason})")
        else:
            output.note(f"failed   {decision.asset.dest}")
    elif isinstance(event, fetch.Finished):
        output.note(f"fetched  {event.asset.dest} ({output.size(event.size)}, {event.how})")
    elif isinstance(event, fetch.Failed):
        output.note(f"failed   {event.asset.dest}")
    elif isinstance(event, fetch.Noted):
        output.warning(f"{event.asset.dest}: {event.text}")
