"""Allow only one run or fetch at a time in a project.

A `git spacy run` inside a project's script belongs to the run that started it, so it does not wait
for that run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from git_spacy.files import file_lock
from git_spacy.git.state_dir import state_dir

_LOCKED_PROJECTS = "GIT_SPACY_RUN"
"""Environment variable of scripts: the real paths of the projects whose runs started them."""


@contextmanager
def project_lock(
    root: Path, environ: Mapping[str, str], *, wait: bool = True, waiting: Callable[[], None]
) -> Iterator[None]:
    """Lock the project at `root` until the block ends.

    Calls `waiting` before it waits for another process; raises Busy instead if `wait` is false.
    """

    if os.path.realpath(root) in environ.get(_LOCKED_PROJECTS, "").split(os.pathsep):
        yield
        return
    hint = "wait for the other run in this project, or stop it"
    with file_lock(state_dir(root) / "run.lock", wait=wait, waiting=waiting, hint=hint):
        yield


def child_env(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for scripts of the project at `root`, which is locked."""

    projects = [*environ.get(_LOCKED_PROJECTS, "").split(os.pathsep), os.path.realpath(root)]
    return {**environ, _LOCKED_PROJECTS: os.pathsep.join(filter(None, projects))}
