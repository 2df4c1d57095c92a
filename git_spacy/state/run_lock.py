"""One run or fetch at a time in a project.

A `git spacy run` in a script of ours belongs to the run that started it: it must not wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from git_spacy.files import file_lock
from git_spacy.state.stat_cache import state_dir

_HOLDERS = "GIT_SPACY_RUN"
"""In the environment of scripts: the real paths of the projects whose runs they belong to."""


@contextmanager
def project_lock(
    root: Path, environ: Mapping[str, str], *, wait: bool = True, waiting: Callable[[], None]
) -> Iterator[None]:
    """Have the project at `root` for ourselves until the block ends. Calls `waiting` before it
    waits for somebody else; raises Busy instead if `wait` is false."""

    if os.path.realpath(root) in environ.get(_HOLDERS, "").split(os.pathsep):
        yield
        return
    hint = "another run is going on in this project; wait for it, or end it"
    with file_lock(state_dir(root) / "run.lock", wait=wait, waiting=waiting, hint=hint):
        yield


def child_env(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for scripts of the project at `root`."""

    holders = [*environ.get(_HOLDERS, "").split(os.pathsep), os.path.realpath(root)]
    return {**environ, _HOLDERS: os.pathsep.join(filter(None, holders))}
