"""Summarize the project in the current folder, for `git spacy` without a command."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from git_spacy.errors import GitSpacyError, InvalidInput, sanitize

if TYPE_CHECKING:
    from git_spacy.check.project_status import Status
    from git_spacy.cli.context import CommandContext
    from git_spacy.project.model import Project

_LOCK, _IGNORE = "project.lock", ".gitignore"
_MAX_PROJECTS = 12
_HELP = "For details: git spacy status; for all commands: git spacy -h"


def overview(context: CommandContext) -> str | None:
    """Return a summary of the project around the current folder, or of the projects below it.

    Return None if there is neither. Raises InvalidInput for an invalid project.yml.
    """

    try:
        root = context.root
    except InvalidInput:
        return _list_projects(context.cwd)
    from git_spacy.check import project_status
    from git_spacy.git.state_dir import state_dir
    from git_spacy.project.documents import cached

    context.recover_outputs()
    with cached(state_dir(root)):
        project = context.project
        status = project_status.project_status(project, root, os.environ)
    return _summarize(project, root, status)


def _list_projects(start: Path) -> str | None:
    from git_spacy.check.projects import find_projects

    try:
        roots = sorted(map(os.path.relpath, find_projects(start)))
    except GitSpacyError:
        return None
    more = [f"  … and {len(roots) - _MAX_PROJECTS} more"] if len(roots) > _MAX_PROJECTS else []
    count = "1 project" if len(roots) == 1 else f"{len(roots)} projects"
    return "\n".join([
        f"{count} below this folder:", *(f"  {root}" for root in roots[:_MAX_PROJECTS]), *more,
        f"Next: cd {roots[0]} && git spacy",
    ])  # fmt: skip


def _summarize(project: Project, root: Path, current: Status) -> str:
    from git_spacy.cli import output

    rows = []
    if current.commands:
        rows.append(
            ("commands", _count_states(verdict.state for verdict in current.commands.values()))
        )
    if current.assets:
        rows.append(("assets", _count_states(current.assets.values())))
    if project.workflows:
        rows.append(("workflows", ", ".join(workflow.name for workflow in project.workflows)))
    if current.orphaned:
        rows.append(("project.lock", f"{len(current.orphaned)} orphaned"))
    title = output.paint(sanitize(project.title or root.name), "bold")
    return "\n".join([title, *_columns(rows), *_next_steps(project, root, current), _HELP])


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    from git_spacy.cli import output

    return [output.columns(rows)] if rows else ["  project.yml defines nothing yet"]


def _count_states(states: Iterable[str]) -> str:
    from git_spacy.state.verdict import state_label

    counts = Counter(states)
    return ", ".join(f"{count} {state_label(state)}" for state, count in counts.items())


def _next_steps(project: Project, root: Path, current: Status) -> list[str]:
    from git_spacy.cli.states import next_steps

    steps = next_steps(project, current, root)
    if not steps and (files := files_to_commit(root, project)):
        return [f"Next: git add {shlex.join(files)} && git commit"]
    return steps


def files_to_commit(root: Path, project: Project) -> list[str]:
    """Return the files that belong to a commit of the results and are not staged: project.yml,
    project.lock, .gitignore, uncached outputs, and dependencies that are not fetched or produced.

    They are relative to the current folder. Returns [] if project.lock is not among them, outside a
    repository and if Git fails.
    """

    from git_spacy.git.index import Index
    from git_spacy.project.graph import paths_in_git
    from git_spacy.project.loader import PROJECT_FILE

    try:
        index = Index.discover(root)
        if index is None:
            return []
        kept = paths_in_git(project, project.commands)
        folder = Path(os.path.relpath(root.resolve(), index.top.resolve()))
        names = dict.fromkeys((PROJECT_FILE, _LOCK, _IGNORE, *(path.normal for path in kept)))
        paths = [(folder / name).as_posix() for name in names]
        unstaged = index.unstaged(paths)
    except GitSpacyError:
        return []
    if (folder / _LOCK).as_posix() not in unstaged:
        return []
    first = [path for path in paths if path in unstaged]
    inside = [path for path in unstaged if path not in paths]  # of folders
    return [os.path.relpath(index.top / name) for name in (*first, *inside)]
