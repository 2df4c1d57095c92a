"""Remember what `git spacy update` has seen in the template, for `git spacy status`.

That never asks the network, so it shows what the last `git spacy update` in this clone found.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from git_spacy.errors import GitSpacyError
from git_spacy.files import write_atomic
from git_spacy.git.state_dir import state_dir
from git_spacy.setup.template_update import TemplateUpdate, find_project

_NAME = "template.json"  # cli.commands.status knows it, too
_MAX_BYTES = 10_000


def remember(root: Path, update: TemplateUpdate) -> None:
    """Write down how many commits of the template the project at `root` lacks."""

    if not update.is_newer:
        forget(root)
        return
    file = state_dir(root) / _NAME
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        origin = update.project.origin
        found = {"recorded_in": origin.recorded_in, "commits": len(update.commits)}
        write_atomic(file, json.dumps(found).encode())


def forget(root: Path) -> None:
    """Delete what was written down, since the project at `root` was updated."""

    with suppress(OSError):
        (state_dir(root) / _NAME).unlink(missing_ok=True)


def known_changes(root: Path) -> int | None:
    """Return how many commits of the template the project at `root` is known to lack.

    None if nothing is known, or if the project was updated since.
    """

    try:
        with open(state_dir(root) / _NAME, "rb") as stream:
            found = json.loads(stream.read(_MAX_BYTES))
        recorded_in, commits = found["recorded_in"], found["commits"]
        if isinstance(commits, int) and find_project(root).origin.recorded_in == recorded_in:
            return commits
    except (OSError, ValueError, KeyError, TypeError, GitSpacyError):
        pass
    return None
