"""`git spacy graph`: draw how a project's files and commands depend on each other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import generated, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.cli.states import COLOURS, node_states
from git_spacy.project.graph import find_workflow
from git_spacy.project.model import Project

if TYPE_CHECKING:
    from git_spacy.generate.graph import Graph

EXAMPLES = (
    ("git spacy graph", "Draw the graph in the terminal."),
    ("git spacy graph all -o docs/graph.svg", "Draw the workflow 'all' as SVG."),
)

_FORMATS = ("text", "mermaid", "dot", "svg")
_PAINTED = {**COLOURS, "title": "bold", "command": "bold", "faint": "dim"}
_MAX_WIDTH = 100  # columns of text


@click.command(cls=SpacyCommand)
@click.argument("names", nargs=-1, metavar="[WORKFLOW] [PROJECT_DIR]")
@click.option(
    "-f", "--format", "style", type=click.Choice(_FORMATS), metavar="FORMAT",
    help="text, mermaid, dot or svg (default: text, or by FILE's suffix).",
)  # fmt: skip
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@click.option(
    "--status/--no-status", "status", default=None,
    help="Show what is up to date (default on stdout; not for FILE).",
)  # fmt: skip
@generated.options
@click.pass_obj
def graph(
    context: CommandContext,
    names: tuple[str, ...],
    style: str | None,
    to: str | None,
    status: bool | None,
    check: bool,
    stdout: bool,
    force: bool,
) -> int:
    """Draw the assets, commands and files of the project, or of WORKFLOW only, with arrows from
    each file to the commands that depend on it. On stdout, the graph also shows what is up to date
    and what is stale; FILE has only what is in project.yml."""

    from git_spacy.generate import drawing
    from git_spacy.generate import graph as core

    to = None if to == "-" else to
    if to is None and (check or force):
        raise click.UsageError(f"{'--check' if check else '--force'} requires --output FILE")
    if to is not None and status:
        raise click.UsageError("--status cannot be combined with --output FILE")
    context, name = context.one_argument(names, "workflow")
    context.report_warnings()
    project, root = context.project, context.root
    workflow = None if name is None else find_workflow(project, name)
    drawn = core.build_graph(project, workflow)
    if to is None:
        _show(project, root, drawn, style or "text", status=status is not False)
        return 0
    file = generated.output_file(root, context.cwd, to, "")
    style = style or drawing.format_of_file(file.name)
    if style is None:
        suffixes = ", ".join(
            suffix for known in drawing.FORMATS.values() for suffix in known.suffixes
        )
        raise click.UsageError(
            f"unknown format of '{file.name}': use --format, or one of the suffixes {suffixes}"
        )
    generated_file = drawing.graph_file(drawn, file.name, style, name)
    return generated.deliver(root, generated_file, check=check, stdout=stdout, force=force, to=file)


def _show(project: Project, root: Path, graph: Graph, style: str, *, status: bool) -> None:
    from git_spacy.generate import drawing

    states = node_states(project, root, graph) if status else {}
    if style != "text":
        output.raw(drawing.draw(graph, style, states))
        return
    from git_spacy.generate.drawing import text

    with output.paged(root):
        width = min(shutil.get_terminal_size().columns, _MAX_WIDTH)
        output.result_painted(text.draw(graph, states, width, _paint).removesuffix("\n"))


def _paint(text: str, role: str) -> str:
    return output.paint(text, _PAINTED[role]) if role in _PAINTED else text
