"""The outputs that project.lock names: those of variants, and of runs with other variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from git_spacy.errors import InvalidInput
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.matrix import with_variants
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath, parse_path


def with_recorded_outputs(
    project: Project, data: bytes, read_lock: Callable[[], bytes | None]
) -> Project:
    """Return `project` with the outputs that project.lock names added.

    `data` is the content of its project.yml, and `read_lock` returns that of project.lock. A lock
    that cannot be read names no outputs.
    """

    try:
        lock = read_lock()
        entries = lock_format.parse(lock) if lock else {}
    except InvalidInput:
        return project
    project = with_variants(project, data, entries)
    commands = (_with_recorded(command, entries) for command in project.commands)
    return project._replace(commands=tuple(commands))


def with_outputs_in_lock(project: Project, data: bytes, root: Path) -> Project:
    """Return `project` with the outputs that the project.lock in the folder `root` names added."""

    return with_recorded_outputs(project, data, partial(lock_format.content, root))


def _with_recorded(command: Command, entries: Mapping[str, LockEntry]) -> Command:
    entry = entries.get(command.name)
    if entry is None or len(entry.outs) != len(command.produced):
        return command  # project.yml has changed: it is not known which are in a cache
    recorded = [
        path if isinstance(path := parse_path(out.path, "output"), ProjectPath) else None
        for out in entry.outs
    ]
    count = len(command.outputs)
    return command._replace(
        outputs=tuple(dict.fromkeys((*command.outputs, *filter(None, recorded[:count])))),
        outputs_no_cache=tuple(
            dict.fromkeys((*command.outputs_no_cache, *filter(None, recorded[count:])))
        ),
    )
