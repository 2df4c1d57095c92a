"""Choose the outputs to push or pull from what a user typed: outputs, commands and workflows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.storage.remote import configure_hint, is_address


class OutputSelection(NamedTuple):
    """The remote that a user named (None: the default) and the outputs, by command.

    `is_explicit` says whether the user named outputs; otherwise, these are all outputs.
    """

    remote: str | None
    outputs: dict[str, tuple[ProjectPath, ...]]
    is_explicit: bool = False

    def outputs_of(self, command: Command) -> tuple[ProjectPath, ...]:
        """Return the selected outputs of `command`."""

        return self.outputs.get(command.name, ())


def all_outputs(project: Project, remote: str | None = None) -> OutputSelection:
    """Return the selection of all outputs that may be in a remote."""

    return OutputSelection(remote, {command.name: command.outputs for command in project.commands})


def select_outputs(
    project: Project, root: Path, remotes: Collection[str], names: Sequence[str], cwd: Path
) -> OutputSelection:
    """Return what the arguments `names` of push or pull select: `[REMOTE] [NAME]…`.

    The first one is a remote if it is one of `remotes` or an address, unless it is the path of
    outputs. Any other is a workflow, or else a command (with its variants), or else a path: an
    output or a folder of outputs, relative to `cwd` or to the project. `./NAME` is always a path.
    Raises InvalidInput for an unknown name.
    """

    rest = list(names)
    remote = None
    if rest and _is_remote(project, root, remotes, rest[0], cwd):
        remote = rest.pop(0)
    if not rest:
        return all_outputs(project, remote)
    chosen: dict[str, dict[ProjectPath, None]] = {}
    for name in rest:
        pairs = _named(project, root, name, cwd)
        if not pairs:
            may_be_remote = remote is None and name == rest[0]
            raise _unknown_name(project, remotes if may_be_remote else (), name, may_be_remote)
        for command, path in pairs:
            chosen.setdefault(command.name, {})[path] = None
    outputs = {name: tuple(paths) for name, paths in chosen.items()}
    return OutputSelection(remote, outputs, is_explicit=True)


_Pair = tuple[Command, ProjectPath]


def _is_remote(
    project: Project, root: Path, remotes: Collection[str], name: str, cwd: Path
) -> bool:
    if name in remotes or name.lower() in remotes:
        return True
    return is_address(name) and not _at_path(project, root, name, cwd)


def _named(project: Project, root: Path, name: str, cwd: Path) -> list[_Pair]:
    """Return the outputs that `name` stands for. Raises InvalidInput if it stands for none."""

    workflow = project.workflow(name)
    wanted = workflow.steps if workflow else (name,)
    commands = [
        command
        for command in project.commands
        if command.name in wanted or command.variant_of in wanted
    ]
    pairs = [(command, path) for command in commands for path in command.outputs]
    if commands and not pairs:
        raise InvalidInput(
            f"'{name}' has no outputs that a remote could have",
            file="project.yml",
            line=commands[0].line,
            hint="list them under 'outputs' in project.yml; 'outputs_no_cache' belong in Git",
        )
    return pairs or _at_path(project, root, name, cwd)


def _at_path(project: Project, root: Path, name: str, cwd: Path) -> list[_Pair]:
    """Return the outputs at or below a path."""

    pairs = [(command, path) for command in project.commands for path in command.outputs]
    for place in places(root, name, cwd):
        if found := [(command, path) for command, path in pairs if place.holds(path)]:
            return found
    return []


def places(root: Path, name: str, cwd: Path) -> Iterator[ProjectPath]:
    """Yield the paths that `name` may stand for: relative to `cwd`, then to the project."""

    for start in (cwd, root):
        full = os.path.normpath(os.path.join(os.path.abspath(start), os.path.expanduser(name)))
        yield ProjectPath(name, os.path.relpath(full, os.path.abspath(root)))


def _unknown_name(
    project: Project, remotes: Collection[str], name: str, may_be_remote: bool
) -> InvalidInput:
    commands = [workflow.name for workflow in project.workflows]
    commands += [command.name for command in project.commands]
    outputs = [path.text for command in project.commands for path in command.outputs]
    in_git = [path.text for command in project.commands for path in command.outputs_no_cache]
    hint = did_you_mean(name, [*remotes, *commands, *outputs])
    whole = [output for output in outputs if name.startswith(output.rstrip("/") + "/")]
    if whole:
        hint = f"an output is transferred as a whole: '{whole[0]}'"
    elif name in in_git:
        hint = "it belongs in Git, since it is listed under 'outputs_no_cache'"
    elif may_be_remote and not remotes and "/" not in name:
        message = f"unknown command or output '{name}', and no remote is configured"
        return InvalidInput(message, file="project.yml", hint=hint or configure_hint(name))
    elif not hint and (known := list(dict.fromkeys((*remotes, *outputs)))):
        hint = f"available: {', '.join(known)}"
    noun = "remote, command or output" if remotes else "command or output"
    return InvalidInput(f"unknown {noun} '{name}'", file="project.yml", hint=hint)
