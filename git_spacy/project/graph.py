"""Who makes what, what hangs together, and which commands a name stands for. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from git_spacy.errors import InvalidInput, Problem
from git_spacy.project.diagnostics import closest_name
from git_spacy.project.model import Asset, Command, Project, Workflow
from git_spacy.project.paths import ProjectPath

Owner = TypeVar("Owner")


class PathIndex(Generic[Owner]):
    """Paths and whose they are, asked for what touches a path: in a time that does not grow with
    their number."""

    def __init__(self, pairs: Iterable[tuple[ProjectPath, Owner]]) -> None:
        self._of: dict[str, list[tuple[ProjectPath, Owner]]] = defaultdict(list)
        for path, owner in pairs:
            self._of[path.normal].append((path, owner))
        self._sorted = sorted(self._of)

    def touching(self, path: ProjectPath) -> Iterator[tuple[ProjectPath, Owner]]:
        """The paths that are `path`, hold it or lie in it, with their owners."""

        parts = path.normal.split("/")
        for depth in range(1, len(parts) + 1):
            yield from self._of.get("/".join(parts[:depth]), ())
        below = path.normal + "/"
        for name in self._sorted[bisect_left(self._sorted, below) :]:
            if not name.startswith(below):
                break
            yield from self._of[name]


def find_cycle(dependencies: Mapping[Owner, Collection[Owner]]) -> list[Owner]:
    """Things each of which the next one needs, and the last one the first: a way round in `needs`,
    from the one that comes first there; [] if there is none."""

    waiting = {
        user: {maker for maker in made if maker in dependencies}
        for user, made in dependencies.items()
    }
    users: dict[Owner, list[Owner]] = defaultdict(list)
    for user, made in waiting.items():
        for maker in made:
            users[maker].append(user)
    free = [one for one, made in waiting.items() if not made]
    while free:  # what needs nothing that is left is in no circle
        done = free.pop()
        for user in users[done]:
            waiting[user].discard(done)
            if not waiting[user]:
                free.append(user)
    left = [one for one, made in waiting.items() if made]
    if not left:
        return []
    way = [left[0]]
    while True:
        before = next(one for one in left if one in waiting[way[-1]])
        if before in way:
            around = way[way.index(before) :][::-1]
            start = around.index(next(one for one in dependencies if one in around))
            return around[start:] + around[:start]
        way.append(before)


def topological_sort(dependencies: Mapping[Owner, Collection[Owner]]) -> list[Owner]:
    """The things of `needs`, each after those that it needs, else in the order in which they are
    there. What a circle cannot have comes as if the need that closes it were not."""

    done: dict[Owner, None] = {}
    begun: set[Owner] = set()
    for first in dependencies:
        way = [(first, iter(dependencies[first]))] if first not in begun else []
        begun.add(first)
        while way:  # no recursion: a project may be a chain of a thousand
            one, waiting = way[-1]
            before = next(
                (other for other in waiting if other in dependencies and other not in begun), None
            )
            if before is None:
                done[one] = None
                way.pop()
            else:
                begun.add(before)
                way.append((before, iter(dependencies[before])))
    return list(done)


def workflow_commands(project: Project, workflow: Workflow | None = None) -> tuple[Command, ...]:
    """The commands of `workflow`, each once, in its order; without one all of the project's."""

    if workflow is None:
        return project.commands
    known = {command.name: command for command in project.commands}
    return tuple(known[name] for name in dict.fromkeys(workflow.steps) if name in known)


def upstream_commands(
    project: Project, workflow: Workflow | None = None
) -> dict[str, tuple[str, ...]]:
    """For each command (of `workflow`, if one is named) the others of these that make what it
    needs, each once. In a time that does not grow with the square of their number."""

    commands = workflow_commands(project, workflow)
    made = PathIndex((path, command.name) for command in commands for path in command.produced)
    return {
        command.name: tuple(
            dict.fromkeys(
                maker
                for dep in command.deps
                for _, maker in made.touching(dep)
                if maker != command.name
            )
        )
        for command in commands
    }


def find_workflow(project: Project, name: str) -> Workflow:
    """The workflow of this name. Raises Malformed, with the one that was most likely meant."""

    workflow = project.workflow(name)
    if workflow is None:
        names = [one.name for one in project.workflows]
        close = closest_name(name, names)
        if close:
            hint = f"did you mean '{close}'?"
        else:
            hint = f"there are: {', '.join(names)}" if names else "project.yml defines none"
        raise InvalidInput(f"no workflow '{name}'", hint=hint, location="project.yml")
    return workflow


def expand_names(project: Project, names: Sequence[str]) -> tuple[Command, ...]:
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


def producers(project: Project, path: ProjectPath) -> tuple[Command | Asset, ...]:
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
        raise InvalidInput.from_problems(
            Problem(
                f"asset destination '{second.dest}' is that of line {first.line} or lies in it"
                if first.dest.holds(second.dest)
                else f"asset destination '{second.dest}' holds '{first.dest}' of line {first.line}",
                "give each asset a place of its own",
                f"project.yml:{second.line}",
            )
            for first, second in clashes
        )


def producer_hint(project: Project, name: str, path: ProjectPath) -> str:
    """What to type to have `path`, a dependency of the command `name`."""

    for maker in producers(project, path):
        if isinstance(maker, Command):
            if maker.name != name:
                return f"git spacy run {maker.name}"
        elif maker.url or maker.git:
            return f"git spacy assets {maker.dest}"
        else:
            return f"'{maker.dest}' is private: put it there yourself"
    return "nothing in project.yml makes it: put it there, or correct the path"


def _unknown(project: Project, name: str) -> InvalidInput:
    known = [workflow.name for workflow in project.workflows]
    known += [command.name for command in project.commands]
    if name in ("asset", "assets"):
        hint = "to fetch the assets: git spacy assets"
    elif close := closest_name(name, known):
        hint = f"did you mean '{close}'?"
    elif known:
        hint = f"there are: {', '.join(known)}"
    else:
        hint = "project.yml defines none"
    return InvalidInput(f"no command or workflow '{name}'", hint=hint, location="project.yml")
