"""Who makes what, and which commands a name stands for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from git_spacy.errors import Malformed, Problem
from git_spacy.project.model import Asset, Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.problem import nearest


def order(project: Project, names: Sequence[str]) -> tuple[Command, ...]:
    """The commands that `names` (of commands and workflows) stand for, in the order in which they
    are to run. Raises Malformed for a name that is neither."""

    commands: list[Command] = []
    for name in names:
        workflow = project.workflow(name)
        for step in workflow.steps if workflow else (name,):
            command = project.command(step)
            if command is None:
                raise _unknown(project, step)
            commands.append(command)
    return tuple(commands)


def makers(project: Project, path: ProjectPath) -> tuple[Command | Asset, ...]:
    """The commands and assets whose outputs or destination hold `path` or lie in it."""

    commands = [
        command
        for command in project.commands
        if any(output.touches(path) for output in command.produced)
    ]
    assets = [asset for asset in project.assets if asset.dest.touches(path)]
    return (*commands, *assets)


def check_destinations(assets: Sequence[Asset]) -> None:
    """Raises Malformed if one asset's destination is, or lies in, another's: bringing one would
    destroy the other."""

    clashes = [
        (first, second)
        for number, first in enumerate(assets)
        for second in assets[number + 1 :]
        if first.dest.touches(second.dest)
    ]
    if clashes:
        raise Malformed.of(
            Problem(
                f"asset destination '{second.dest}' is that of line {first.line} or lies in it"
                if first.dest.holds(second.dest)
                else f"asset destination '{second.dest}' holds '{first.dest}' of line {first.line}",
                "give each asset a place of its own",
                f"project.yml:{second.line}",
            )
            for first, second in clashes
        )


def who_makes(project: Project, name: str, path: ProjectPath) -> str:
    """What to type to have `path`, a dependency of the command `name`."""

    for maker in makers(project, path):
        if isinstance(maker, Command):
            if maker.name != name:
                return f"git spacy run {maker.name}"
        elif maker.url or maker.git:
            return f"git spacy assets {maker.dest}"
        else:
            return f"'{maker.dest}' is private: put it there yourself"
    return "nothing in project.yml makes it: put it there, or correct the path"


def _unknown(project: Project, name: str) -> Malformed:
    known = [workflow.name for workflow in project.workflows]
    known += [command.name for command in project.commands]
    if name in ("asset", "assets"):
        mend = "to fetch the assets: git spacy assets"
    elif close := nearest(name, known):
        mend = f"did you mean '{close}'?"
    elif known:
        mend = f"there are: {', '.join(known)}"
    else:
        mend = "project.yml defines none"
    return Malformed(f"no command or workflow '{name}'", mend=mend, where="project.yml")
