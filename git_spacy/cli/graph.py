"""`git spacy graph`: what is made of what, and what is up to date."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import generated, output
from git_spacy.cli.run import project_and_workflow
from git_spacy.cli.status import COLOURS
from git_spacy.errors import (
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Refused,
    local_failure,
)
from git_spacy.project import loader
from git_spacy.project.graph import find_workflow
from git_spacy.project.model import Project

if TYPE_CHECKING:
    from git_spacy.generate.graph import Graph

_FORMATS = ("text", "mermaid", "dot", "svg")
_PAINTED = {**COLOURS, "title": "bold", "command": "bold", "faint": "dim"}
_WIDEST = 100  # columns of text


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKFLOW] [PROJECT_DIR]")
@click.option(
    "-f", "--format", "form", type=click.Choice(_FORMATS), metavar="FORMAT",
    help="text (the default), mermaid, dot or svg; by default as FILE ends.",
)  # fmt: skip
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE, '-' is stdout.")
@click.option(
    "--status/--no-status", "status", default=None,
    help="Say what is up to date (by default; never in a file), or do not look.",
)  # fmt: skip
@generated.options
@click.pass_context
def graph(
    ctx: click.Context,
    names: tuple[str, ...],
    form: str | None,
    to: str | None,
    status: bool | None,
    check: bool,
    stdout: bool,
    force: bool,
) -> int:
    """Draw the assets, commands and files of the project, or of one workflow, and which is made
    of which: on stdout with what is up to date and what is stale, in FILE as project.yml has
    them."""

    from git_spacy.generate import drawing
    from git_spacy.generate import graph as core

    to = None if to == "-" else to
    if to is None and (check or force):
        raise click.UsageError(f"{'--check' if check else '--force'} is for a file: add -o FILE")
    if to is not None and status:
        raise click.UsageError("a file says what project.yml says: --status is for stdout")
    start, name = project_and_workflow(ctx.obj, names)
    root = loader.find(start)
    project = loader.load(root)
    workflow = None if name is None else find_workflow(project, name)
    found = core.build_graph(project, workflow)
    if to is None:
        _show(project, root, found, form or "text", status=status is not False)
        return 0
    file = generated.named(root, ctx.obj, to, "")
    form = form or drawing.format_of_file(file.name)
    if form is None:
        endings = ", ".join(ending for one in drawing.FORMATS.values() for ending in one.suffixes)
        raise click.UsageError(f"what is '{file.name}'? add --format, or let it end in {endings}")
    part = drawing.graph_file(found, file.name, form, name)
    return generated.deliver(root, part, check=check, stdout=stdout, force=force, to=file)


def _show(project: Project, root: Path, found: Graph, form: str, *, status: bool) -> None:
    from git_spacy.generate import drawing

    words = _words(project, root, found) if status else {}
    if form != "text":
        output.raw(drawing.draw(found, form, words))
        return
    from git_spacy.generate.drawing import text

    with output.paged(root):
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        output.result_painted(text.draw(found, words, width, _paint).removesuffix("\n"))


def _paint(text: str, what: str) -> str:
    return output.paint(text, _PAINTED[what]) if what in _PAINTED else text


def _words(project: Project, root: Path, found: Graph) -> dict[str, str]:
    """What is known of the nodes now; nothing, with a warning, where that cannot be found out."""

    from git_spacy import status as core

    try:
        known = core.project_status(project, root, os.environ)
    except OSError as error:
        _warn(local_failure(error))
        return {}
    except (InvalidInput, Refused, ExternalError, LocalFailure) as error:
        _warn(error)
        return {}
    tables: dict[str, Mapping[str, str]] = {
        "command": {name: verdict.state for name, verdict in known.commands.items()},
        "asset": known.assets,
    }
    return {
        node.id: tables[node.kind][node.name]
        for node in found.nodes
        if node.name in tables.get(node.kind, {})
    }


def _warn(error: GitSpacyError) -> None:
    first = error.problems[0]
    where = f"{first.location}: " if first.location else ""
    output.warning(f"drawn without what is up to date: {where}{first.message}")
