"""`git spacy status`: what is up to date and what is stale, and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import output, overrides
from git_spacy.cli.run import project_dir
from git_spacy.project import loader
from git_spacy.project.graph import producers
from git_spacy.project.model import Command, Project

if TYPE_CHECKING:
    from git_spacy.state.verdict import Verdict
    from git_spacy.status import Status

COLOURS = {
    "up_to_date": "green", "verified": "green", "stale": "yellow", "not_run": "yellow",
    "modified": "yellow", "missing": "red", "checksum_mismatch": "red", "orphaned": "red",
}  # fmt: skip

_TO_FETCH = ("missing", "modified", "checksum_mismatch")
_ASSET_WORDS = {
    "verified": [],
    "missing": [],
    "unverified": ["no checksum in project.yml"],
    "modified": ["changed since it was fetched"],
    "checksum_mismatch": ["differs from the checksum in project.yml"],
}


@click.command(cls=overrides.OverridingCommand)
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("--json", "as_json", is_flag=True, help="In JSON, with every reason.")
@click.option("--porcelain", is_flag=True, help="In lines that stay as they are, for scripts.")
@click.option("--no-data", is_flag=True, help="As where only Git's own files are: in CI.")
@click.pass_context
def status(
    ctx: click.Context, directory: tuple[str, ...], as_json: bool, porcelain: bool, no_data: bool
) -> None:
    """Show whether each command is up to date, and if not, why; and whether each asset is present
    and has its checksum. Changes nothing."""

    start, rest = project_dir(ctx.obj, directory)
    if rest:
        raise click.UsageError(f"'{rest[0]}' is not a folder with a project.yml")
    root = loader.find(start)
    project = loader.load(root, overrides.current_overrides(ctx))

    from git_spacy import status as core

    found = core.project_status(project, root, os.environ, data=not no_data)
    if as_json:
        output.emit_json(document(project, found))
    elif porcelain:
        for line in lines(found):
            output.result(line)
    else:
        for text in project.warnings:
            output.warning(text)
        for part in parts(project, found):
            output.result_painted(part)


def document(project: Project, found: Status) -> dict[str, Any]:
    """The status for machines."""

    return {
        "version": 1,
        "title": project.title,
        "commands": [
            {
                "name": name,
                "state": one.state,
                "reasons": [reason._asdict() for reason in one.reasons],
            }
            for name, one in found.commands.items()
        ],
        "assets": [{"dest": dest, "state": state} for dest, state in found.assets.items()],
        "orphans": [reason.about for reason in found.orphaned],
    }


def lines(found: Status) -> list[str]:
    """A line for each reason, at least one for each thing: its kind, state and name, the kind of
    the reason and what that is about, with tabs between them."""

    rows: list[tuple[str, ...]] = []
    for name, one in found.commands.items():
        reasons = [("command", one.state, name, why.kind, why.about) for why in one.reasons]
        rows += reasons or [("command", one.state, name, "", "")]
    rows += [("asset", state, dest, "", "") for dest, state in found.assets.items()]
    rows += [("lock", "orphaned", reason.about, "", "") for reason in found.orphaned]
    return ["\t".join(_field(part) for part in row) for row in rows]


def _field(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def parts(project: Project, found: Status) -> list[str]:
    """The status for people: a table for each kind of thing, and what to type next."""

    from git_spacy.state.verdict import state_label

    states = found.commands.items()
    assets = found.assets.items()
    tables: dict[str, list[tuple[str, str, list[str]]]] = {
        "Commands": [
            (name, state_label(one.state), _why(project, name, one)) for name, one in states
        ],
        "Assets": [(dest, state_label(state), _ASSET_WORDS[state]) for dest, state in assets],
        "In project.lock": [(why.about, "orphaned", [why.text]) for why in found.orphaned],
    }
    colours = {state_label(state): colour for state, colour in COLOURS.items()}
    shown = [
        f"{output.paint(title, 'bold')}\n{output.table(rows, colours)}"
        for title, rows in tables.items()
        if rows
    ]
    if not shown:
        return ["project.yml defines no commands and no assets yet."]
    return shown + [f"Next: {hint}" for hint in hints(project, found)]


def _why(project: Project, name: str, one: Verdict) -> list[str]:
    """The reasons worth reading: what a command lacks that another has still to make goes without
    saying where that one is named, and so does what is upstream of one that never ran."""

    command = project.command(name)
    coming = {
        path.text
        for path in one.missing
        if any(
            isinstance(maker, Command) and maker != command for maker in producers(project, path)
        )
    }
    return [
        reason.text
        for reason in one.reasons
        if reason.kind != "not_run"  # as the state says
        and not (reason.kind == "dependency" and reason.about in coming)
        and not (reason.kind == "upstream" and one.state == "not_run")
    ]


def hints(project: Project, found: Status) -> list[str]:
    """What to type to bring everything up to date, if anything is to be done."""

    steps = []
    optional = {asset.dest.text for asset in project.assets if asset.extra}
    wanted = [dest for dest, state in found.assets.items() if state in _TO_FETCH]
    if set(wanted) - optional:
        steps.append("git spacy assets")
    stale = {name for name, one in found.commands.items() if one.state in ("stale", "not_run")}
    for workflow in project.workflows:
        due = stale & set(workflow.steps)
        if due:
            steps.append(f"git spacy run {workflow.name}")
            stale -= due
    if not project.workflows and stale:
        steps.append(
            " ".join(["git spacy run", *(name for name in found.commands if name in stale)])
        )
    if found.orphaned:
        steps.append("git spacy check lock --fix")
    return [" && ".join(steps)] if steps else []
