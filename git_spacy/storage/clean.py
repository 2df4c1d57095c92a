"""Decide which files `git spacy clean` removes, and remove them.

Only declared outputs are removed. What Git tracks stays, and the assets, what a command updates in
place, and what is outside the project where the user did not allow to write.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.files import remove_beneath
from git_spacy.git.index import Index
from git_spacy.git.repository import prefix
from git_spacy.project import graph
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.real_paths import resolve_writable
from git_spacy.state.stat_cache import StatCache
from git_spacy.storage.cache_store import CacheStore
from git_spacy.storage.selection import places

_TRACKED, _ASSET = "tracked by Git", "an asset, or part of one"
_MAX_NAMES = 3  # paths of one output that stay, before only their number is shown


class Removal(NamedTuple):
    """An output to remove: its number of files and links, and their size in bytes.

    `keep` are the paths in it that stay, relative to the project. `is_cached` means that the local
    cache has an intact copy of the output.
    """

    path: str
    files: int
    size: int
    keep: tuple[str, ...]
    is_cached: bool


class CleanPlan(NamedTuple):
    """What to remove; and the paths that stay, at least in part, each with the reason."""

    removals: tuple[Removal, ...]
    kept: tuple[tuple[str, str], ...]


class ChosenOutputs(NamedTuple):
    """The outputs that a user chose, and those of them that were named by their own paths."""

    paths: tuple[ProjectPath, ...]
    named: frozenset[ProjectPath] = frozenset()


def plan_clean(
    project: Project, root: Path, chosen: ChosenOutputs, stats: StatCache, cache: CacheStore
) -> CleanPlan:
    """Decide what to remove of the outputs that were chosen. One that no run could produce again is
    only removed if it was named.

    Raises ExternalError if git fails, OSError.
    """

    tracked = _tracked_paths(root, project)
    assets = [asset.dest for asset in project.assets]
    named = {path.normal for path in chosen.named}
    updated = {path: why for path, why in _updated(project).items() if path not in named}
    removals, kept = [], []
    present = [path for path in chosen.paths if os.path.lexists(root / path.normal)]
    inner = {path for path in present for other in present if other != path and other.holds(path)}
    for path in present:
        if path in inner:
            continue  # removed with the folder that it is in
        if reason := _leads_out(root, path):
            kept.append((path.text, reason))
            continue
        stays = {name: why for name, why in updated.items() if path.holds(ProjectPath(name, name))}
        stays |= {name: _TRACKED for name in tracked if path.holds(ProjectPath(name, name))}
        stays |= {dest.normal: _ASSET for dest in assets if path.holds(dest)}
        if any(dest.holds(path) for dest in assets):
            stays[path.normal] = _ASSET
        kept += _describe_kept(root, path, stays)
        sizes = list(_sizes(root, path.normal, stays.keys()))
        if path.normal not in stays and (sizes or not stays):
            is_cached = not stays and _is_cached(path, stats, cache)
            removals.append(Removal(path.normal, len(sizes), sum(sizes), tuple(stays), is_cached))
    return CleanPlan(tuple(removals), tuple(kept))


def _is_cached(path: ProjectPath, stats: StatCache, cache: CacheStore) -> bool:
    try:
        known = stats.fingerprint(path.normal)
    except (GitSpacyError, OSError):  # e.g. a FIFO
        return False
    return known is not None and cache.has_intact(known)


def _describe_kept(
    root: Path, output: ProjectPath, stays: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield a path and a sentence about it for what stays in `output`."""

    present = [name for name in stays if os.path.lexists(root / name)]
    if len(present) <= _MAX_NAMES:
        yield from ((name, f"it is {stays[name]}") for name in present)
        return
    for reason, count in Counter(stays[name] for name in present).items():
        yield output.normal, f"{count} of its files are {reason}"


def clean(root: Path, removals: Iterable[Removal]) -> None:
    """Remove what was decided. Raises OSError, and Refused for a link that appeared since then."""

    for removal in removals:
        remove_beneath(root, removal.path, removal.keep)


def choose_outputs(project: Project, root: Path, names: Sequence[str], cwd: Path) -> ChosenOutputs:
    """Return the outputs that `names` refer to; without names, all.

    A name is the path of an output, or else a command (with its variants) or a workflow, or else a
    folder of outputs. Paths are relative to `cwd` or to the project. Raises InvalidInput for an
    unknown name.
    """

    outputs = {path.normal: path for command in project.commands for path in command.produced}
    if not names:
        return ChosenOutputs(tuple(outputs.values()))
    chosen: dict[str, ProjectPath] = {}
    named: list[ProjectPath] = []
    for name in names:
        at_path = list(places(root, name, cwd))
        exact = [outputs[place.normal] for place in at_path if place.normal in outputs][:1]
        below: list[ProjectPath] = []
        if not (project.command(name) or project.workflow(name)):
            held = ([path for path in outputs.values() if place.holds(path)] for place in at_path)
            below = next(filter(None, held), [])
        found = exact or below or _outputs_of(project, name)
        named += exact
        chosen |= {path.normal: path for path in found}
    return ChosenOutputs(tuple(chosen.values()), frozenset(named))


def _updated(project: Project) -> dict[str, str]:
    """Return the paths that a command both reads and writes, and no other one produces, with a
    reason to keep each."""

    updated: dict[str, str] = {}
    for command in project.commands:
        for path in command.deps:
            if any(output.holds(path) for output in command.produced) and not any(
                _produces_anew(other, path) for other in project.commands
            ):
                name = command.variant_of or command.name
                reason = f"updated in place by '{name}' and cannot be produced again"
                updated.setdefault(path.normal, reason)
    return updated


def _produces_anew(command: Command, path: ProjectPath) -> bool:
    """Return whether a command produces `path` without reading what was there."""

    is_output = any(output.holds(path) for output in command.produced)
    return is_output and not any(dep.touches(path) for dep in command.deps)


def _outputs_of(project: Project, name: str) -> list[ProjectPath]:
    """Return the outputs of a command with its variants, or of a workflow.

    Raises InvalidInput for any other name.
    """

    try:
        wanted = {command.name for command in graph.expand_names(project, [name])}
    except InvalidInput as error:
        problem = error.problems[0]
        message = problem.message.replace("command or workflow", "command, workflow or output")
        raise InvalidInput(message, hint=problem.hint, file=problem.file) from None
    commands = (c for c in project.commands if wanted & {c.name, c.variant_of})
    return [path for command in commands for path in command.produced]


def _tracked_paths(root: Path, project: Project) -> list[str]:
    """Return the files at or below outputs that Git tracks or is told to add, from the root."""

    index = Index.discover(root)
    if index is None:
        return []
    top = prefix(root, index.top)
    outputs = [path for command in project.commands for path in command.produced]
    full = [top + path.normal for path in outputs if not path.outside]
    names = [entry.name for entry in index.entries(full)]
    names += index.special(full)  # in conflict, or only intended to be added
    return [name.removeprefix(top) for name in dict.fromkeys(names)]


def _leads_out(root: Path, path: ProjectPath) -> str:
    """Return why an output that is behind a link stays; "" if no link leads out of the project."""

    try:
        resolve_writable(root, path.normal)
    except Refused:
        return "it is outside the project, where nothing may be written"
    return ""


def _sizes(root: Path, path: str, stays: Iterable[str]) -> Iterator[int]:
    """Yield the size of each file and link at or below `path` that does not stay."""

    status = os.lstat(root / path)
    if path in stays:
        return
    if not os.path.isdir(root / path) or os.path.islink(root / path):
        yield status.st_size
        return
    for entry in sorted(os.listdir(root / path)):
        yield from _sizes(root, f"{path}/{entry}", stays)
