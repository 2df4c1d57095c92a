"""`git spacy resolved`: print the project with its variables filled in."""

from __future__ import annotations

import json

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext
from git_spacy.project.model import Asset, Command, Project

EXAMPLES = (("git spacy resolved --vars.seed 7", "Show what a variable changes."),)


@click.command(cls=OverridingCommand)
@click.argument("directory", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the keys of project.yml.")
@click.pass_obj
def resolved(context: CommandContext, directory: tuple[str, ...], as_json: bool) -> None:
    """Print the project with its variables filled in and defaults shown. Values of environment
    variables are not shown."""

    context = context.only_project_dir(directory)
    context.report_warnings()
    if as_json:
        # infinite numbers, which JSON does not have, are printed as they are inserted in strings
        text = json.dumps(context.loaded.document)
        output.emit_json(json.loads(text, parse_constant=str))
    else:
        output.result(format_project(context.project))


def format_project(project: Project) -> str:
    """Return the project as text."""

    parts = [f"title: {project.title or '(none)'}"]
    if project.environment:
        rows = [f"  {name}: from ${variable}" for name, variable in project.environment.items()]
        parts.append("\n".join(["env:", *rows]))
    if project.directories:
        parts.append(f"directories: {', '.join(map(str, project.directories))}")
    parts += [_asset(asset) for asset in project.assets]
    parts += [_command(command) for command in project.commands]
    parts += [f"workflow {flow.name}: {' → '.join(flow.steps)}" for flow in project.workflows]
    parts += [f"remote {remote.name}: {remote.url}" for remote in project.remotes]
    return "\n\n".join(parts)


def _asset(asset: Asset) -> str:
    lines = [f"asset {asset.dest}"]
    if asset.git:
        branch = asset.git.branch or "the remote's HEAD (default)"
        lines += [f"  git: {asset.git.repo}", f"  path: {asset.git.path or '(all of it)'}"]
        lines.append(f"  branch: {branch}")
    else:
        lines.append(f"  url: {asset.url or '(none: copy the file there yourself)'}")
    lines.append(f"  checksum: {asset.checksum or '(none: not verified)'}")
    if asset.extract:
        lines.append("  extract: the archive, whose checksum this is, into the destination")
    if asset.extra:
        lines.append("  extra: fetched with --extra only")
    return "\n".join(lines)


def _command(command: Command) -> str:
    lines = [f"command {command.name}"]
    for name, values in (
        ("script", command.script),
        ("deps", command.deps),
        ("outputs", command.outputs),
        ("outputs_no_cache", command.outputs_no_cache),
    ):
        if values:
            lines += [f"  {name}:", *(f"    {value}" for value in values)]
    if command.no_skip:
        lines.append("  no_skip: true")
    elif not command.produced:
        lines.append("  always runs: declares no outputs (default)")
    return "\n".join(lines)
