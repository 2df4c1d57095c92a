"""Dependencies between commands and assets, and the commands that a name refers to.

Pure functions of a `Project`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from shlex import quote

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.light_typing import Generic, NamedTuple, TypeVar
from git_spacy.project.diagnostics import closest_name
from git_spacy.project.model import Asset, Command, Project, Workflow
from git_spacy.project.paths import ProjectPath

Owner = TypeVar("Owner")


class PathIndex(Generic[Owner]):
    """An index of paths and their owners that finds those that overlap with a given path.

    A lookup does not compare the path with every entry.
    """

    def __init__(self, pairs: Iterable[tuple[ProjectPath, Owner]]) -> None:
        self._entries: dict[str, list[tuple[ProjectPath, Owner]]] = defaultdict(list)
        for path, owner in pairs:
            self._entries[path.normal].append((path, owner))
        self._sorted = sorted(self._entries)

    def touching(self, path: ProjectPath) -> Iterator[tuple[ProjectPath, Owner]]:
        """Yield the entries whose path equals, contains or lies inside `path`."""

        parts = path.normal.split("/")
        for depth in range(1, len(parts) + 1):
            yield from self._entries.get("/".join(parts[:depth]), ())
        below = path.normal + "/"
        for name in self._sorted[bisect_left(self._sorted, below) :]:
            if not name.startswith(below):
                break
            yield from self._entries[name]


def find_cycle(dependencies: Mapping[Owner, Collection[Owner]]) -> list[Owner]:
    """Return a dependency cycle, or [] if there are no cycles.

    Each item of the result is a dependency of the next one, and the last is a dependency of the
    first. The cycle starts with the item that comes first in `dependencies`.
    """

    remaining = {
        item: {dependency for dependency in needed if dependency in dependencies}
        for item, needed in dependencies.items()
    }
    dependents: dict[Owner, list[Owner]] = defaultdict(list)
    for item, needed in remaining.items():
        for dependency in needed:
            dependents[dependency].append(item)
    ready = [item for item, needed in remaining.items() if not needed]
    while ready:  # an item whose dependencies are all removed is not part of a cycle
        removed = ready.pop()
        for dependent in dependents[removed]:
            remaining[dependent].discard(removed)
            if not remaining[dependent]:
                ready.append(dependent)
    unresolved = [item for item, needed in remaining.items() if needed]
    if not unresolved:
        return []
    path = [unresolved[0]]
    while True:
        previous = next(item for item in unresolved if item in remaining[path[-1]])
        if previous in path:
            cycle = path[path.index(previous) :][::-1]
            start = cycle.index(next(item for item in dependencies if item in cycle))
            return cycle[start:] + cycle[:start]
        path.append(previous)


def topological_sort(dependencies: Mapping[Owner, Collection[Owner]]) -> list[Owner]:
    """Sort the keys of `dependencies` so that each comes after its dependencies.

    Otherwise their order is kept. A cycle is cut at the dependency that closes it.
    """

    finished: dict[Owner, None] = {}
    visited: set[Owner] = set()
    for root in dependencies:
        stack = [(root, iter(dependencies[root]))] if root not in visited else []
        visited.add(root)
        while stack:  # not recursive: a project may be a chain of a thousand commands
            item, remaining = stack[-1]
            dependency = next(
                (other for other in remaining if other in dependencies and other not in visited),
                None,
            )
            if dependency is None:
                finished[item] = None
                stack.pop()
            else:
                visited.add(dependency)
                stack.append((dependency, iter(dependencies[dependency])))
    return list(finished)


def workflow_commands(project: Project, workflow: Workflow | None = None) -> tuple[Command, ...]:
    """Return the commands of `workflow` in order, without repeats; of the project if None."""

    if workflow is None:
        return project.commands
    by_name = {command.name: command for command in project.commands}
    return tuple(by_name[name] for name in dict.fromkeys(workflow.steps) if name in by_name)


class DependencyGraph:
    """The dependencies between `commands`, found once and in linear time.

    A command is upstream of another one if one of its outputs overlaps with a dependency of the
    other: if it is the same path, contains it or lies inside it.
    """

    def __init__(self, commands: Iterable[Command]) -> None:
        self.commands = tuple(commands)
        self._outputs = PathIndex(
            (path, position)
            for position, command in enumerate(self.commands)
            for path in command.produced
        )
        self.upstream = {command.name: tuple(self._upstream(command)) for command in self.commands}
        """The direct upstream commands of each command by its name, and the dependency that each
        produces, in the order of the dependencies and then of `commands`."""

    def _upstream(self, command: Command) -> Iterator[tuple[Command, ProjectPath]]:
        seen = {command.name}
        for dependency in command.deps:
            for producer in self.producers(dependency):
                if producer.name not in seen:
                    seen.add(producer.name)
                    yield producer, dependency

    def producers(self, path: ProjectPath) -> list[Command]:
        """Return the commands whose outputs overlap with `path`, in the order of `commands`."""

        positions = {position for _, position in self._outputs.touching(path)}
        return [self.commands[position] for position in sorted(positions)]

    def enclosing(self, command: Command) -> list[tuple[Command, ProjectPath]]:
        """Return the outputs of other commands in which an output of `command` is."""

        found = {
            (position, outer)
            for inner in command.produced
            for outer, position in self._outputs.touching(inner)
            if outer.holds(inner) and outer.normal != inner.normal
        }
        pairs = ((self.commands[position], outer) for position, outer in sorted(found))
        return [pair for pair in pairs if pair[0].name != command.name]

    def alternatives(self, producer: Command, dependency: ProjectPath) -> list[Command]:
        """Return the other commands that also produce what `producer` does of `dependency`."""

        outputs = [path for path in producer.produced if path.touches(dependency)]
        return [
            other
            for other in self.producers(dependency)
            if other is not producer
            and all(any(own.holds(path) for own in other.produced) for path in outputs)
        ]

    def upstream_names(self) -> dict[str, tuple[str, ...]]:
        """Map the name of each command to those of its direct upstream commands."""

        return {
            name: tuple(producer.name for producer, _ in pairs)
            for name, pairs in self.upstream.items()
        }

    def producers_first(self) -> list[str]:
        """Return the names of the commands, each after its upstream commands; a cycle is cut."""

        return topological_sort(self.upstream_names())


def self_dependencies(command: Command) -> list[ProjectPath]:
    """Return the dependencies of `command` that are its own outputs, or inside them.

    A folder in which it creates an output is not one: that has other contents, too.
    """

    return [
        dependency
        for dependency in command.deps
        if any(
            output.normal == dependency.normal or output.holds(dependency)
            for output in command.produced
        )
    ]


def find_workflow(project: Project, name: str) -> Workflow:
    """Return the workflow called `name`. Raises InvalidInput if it is not defined."""

    workflow = project.workflow(name)
    if workflow is None:
        names = [workflow.name for workflow in project.workflows]
        closest = closest_name(name, names)
        if closest:
            hint = f"did you mean '{closest}'?"
        elif names:
            hint = f"available workflows: {', '.join(names)}"
        else:
            hint = "add it under 'workflows:' in project.yml"
        raise InvalidInput(f"unknown workflow '{name}'", hint=hint, file="project.yml")
    return workflow


def expand_names(project: Project, names: Sequence[str]) -> tuple[Command, ...]:
    """Return the commands that `names` refer to, in the order in which they run.

    A name is that of a command or of a workflow. Raises InvalidInput for any other name.
    """

    commands: list[Command] = []
    for name in names:
        workflow = project.workflow(name)
        for step in workflow.steps if workflow else (name,):
            command = project.command(step)
            if command is None:
                raise _unknown_name(project, step)
            commands.append(command)
    return tuple(commands)


def producers(project: Project, path: ProjectPath) -> tuple[Command | Asset, ...]:
    """Return the commands and assets whose output or destination overlaps with `path`."""

    commands = [
        command
        for command in project.commands
        if any(output.touches(path) for output in command.produced)
    ]
    assets = [asset for asset in project.assets if asset.dest.touches(path)]
    return (*commands, *assets)


def check_destinations(assets: Sequence[Asset]) -> None:
    """Raise InvalidInput if two assets have the same destination, or one is inside a single file.

    The folder of an asset from Git, of an extracted or of a private one, may contain other assets.
    """

    overlaps = [
        (first, second)
        for number, first in enumerate(assets)
        for second in assets[number + 1 :]
        if (first.dest.holds(second.dest) and not _may_contain(first, second))
        or (second.dest.holds(first.dest) and not _may_contain(second, first))
    ]
    if overlaps:
        raise InvalidInput.from_problems(
            Diagnostic(
                _overlap_message(first, second),
                "give each asset its own destination",
                "project.yml",
                second.line,
            )
            for first, second in overlaps
        )


def _may_contain(outer: Asset, inner: Asset) -> bool:
    return (outer.url is None or outer.extract) and outer.dest.normal != inner.dest.normal


def _overlap_message(first: Asset, second: Asset) -> str:
    if first.dest.normal == second.dest.normal:
        return f"asset destination '{second.dest}' is already used on line {first.line}"
    relation = "is inside" if first.dest.holds(second.dest) else "contains"
    return f"asset destination '{second.dest}' {relation} '{first.dest}' (line {first.line})"


def producer_hint(project: Project, name: str, path: ProjectPath) -> str:
    """Return a hint on how to obtain `path`, a missing dependency of the command `name`."""

    for producer in producers(project, path):
        if isinstance(producer, Command):
            if producer.name != name:
                return f"git spacy run {producer.name}"
        elif producer.has_source:
            return f"git spacy assets {quote(producer.dest.text)}"
        else:
            return f"'{producer.dest}' is a private asset: copy it there yourself"
    return "no command produces it: create it, or correct the path in project.yml"


def paths_in_git(project: Project, commands: Iterable[Command]) -> list[ProjectPath]:
    """Return the paths of `commands` that belong in Git.

    These are dependencies that are neither produced nor fetched, and uncached outputs.
    """

    elsewhere = [path for command in project.commands for path in command.outputs]
    elsewhere += [asset.dest for asset in project.assets if asset.has_source]
    deps = dict.fromkeys(path for command in commands for path in command.deps)
    outputs = [path for command in commands for path in command.outputs_no_cache]
    paths = [path for path in deps if not any(map(path.touches, elsewhere))] + outputs
    return [path for path in paths if not path.outside]


def checksum_hint(asset: Asset, *, edited: bool = False) -> str:
    """Return a hint on what to do about `asset`, whose file does not match its checksum.

    `edited`: the user edited it, so that it is only fetched again with --force.
    """

    import shlex

    dest = shlex.quote(asset.dest.text)
    accept = f"git spacy assets --update {dest}"
    if asset.has_source:
        again = f"git spacy assets {'--force ' if edited else ''}{dest}"
        return f"{again}\nor, to accept what its source has now: {accept}"
    return f"copy the right file to {dest}\nor, to accept this one: {accept}"


def _unknown_name(project: Project, name: str) -> InvalidInput:
    known = [workflow.name for workflow in project.workflows]
    known += [command.name for command in project.commands]
    if name in ("asset", "assets"):
        hint = "to fetch the assets: git spacy assets"
    elif closest := closest_name(name, known):
        hint = f"did you mean '{closest}'?"
    elif known:
        hint = f"available: {', '.join(known)}"
    else:
        hint = "add it under 'commands:' in project.yml"
    return InvalidInput(f"unknown command or workflow '{name}'", hint=hint, file="project.yml")


class OutsideUse(NamedTuple):
    """The use of a path outside of the project: by the commands that read it, by those that write
    it, or by the fetch of assets (no commands)."""

    path: ProjectPath
    is_written: bool
    commands: tuple[str, ...]


def outside_uses(project: Project) -> list[OutsideUse]:
    """Return the uses of paths that lead out of the project, in the order of project.yml."""

    uses: list[tuple[ProjectPath, bool, tuple[str, ...]]] = [
        (path, is_written, (command.name,))
        for command in project.commands
        for is_written, paths in ((False, command.deps), (True, command.produced))
        for path in paths
        if path.outside
    ]
    uses += [
        (asset.dest, True, ())
        for asset in project.assets
        if asset.dest.outside and asset.has_source
    ]
    names: dict[tuple[str, bool, bool], OutsideUse] = {}
    for path, is_written, by in uses:
        key = (path.text, is_written, bool(by))
        known = names.get(key, OutsideUse(path, is_written, ()))
        names[key] = known._replace(commands=(*known.commands, *by))
    return list(names.values())
