"""What `git spacy` alone says: where you are, how it stands there, and what to type next."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.project import loader

if TYPE_CHECKING:
    from git_spacy.project.model import Project
    from git_spacy.status import Status

_MOST = 12  # projects that are named
_HELP = "git spacy status says why; git spacy -h has all commands."


def overview(start: Path) -> str | None:
    """A screen about the project that `start` lies in, or the projects below it; None: there is
    none. Raises Malformed for what cannot be read."""

    try:
        root = loader.find(start)
    except InvalidInput:
        return _below(start)
    from git_spacy import status

    project = loader.load(root)
    return _project(project, root, status.project_status(project, root, os.environ))


def _below(start: Path) -> str | None:
    from git_spacy.check.projects import find_projects

    try:
        roots = sorted(os.path.relpath(root, start.resolve()) for root in find_projects(start))
    except GitSpacyError:
        return None
    more = [f"  … and {len(roots) - _MOST} more"] if len(roots) > _MOST else []
    count = "1 project" if len(roots) == 1 else f"{len(roots)} projects"
    return "\n".join([
        f"{count} below this folder:", *(f"  {root}" for root in roots[:_MOST]), *more,
        f"Next: cd {roots[0]} && git spacy",
    ])  # fmt: skip


def _project(project: Project, root: Path, found: Status) -> str:
    from git_spacy.cli import output

    rows = []
    if found.commands:
        rows.append(("commands", _summary(one.state for one in found.commands.values())))
    if found.assets:
        rows.append(("assets", _summary(found.assets.values())))
    if project.workflows:
        rows.append(("workflows", ", ".join(one.name for one in project.workflows)))
    if found.orphaned:
        rows.append(("project.lock", f"{len(found.orphaned)} entries of no command"))
    title = output.paint(output.clean(project.title or root.name), "bold")
    return "\n".join([title, *_columns(rows), *_next(project, root, found), _HELP])


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    from git_spacy.cli import output

    return [output.columns(rows)] if rows else ["  project.yml defines nothing yet"]


def _summary(states: Iterable[str]) -> str:
    from git_spacy.state.verdict import state_label

    counts = Counter(states)
    return ", ".join(f"{count} {state_label(state)}" for state, count in counts.items())


def _next(project: Project, root: Path, found: Status) -> list[str]:
    from git_spacy.cli.status import hints

    steps = hints(project, found)
    if not steps and _lock_is_to_be_committed(root):
        steps = ["git add project.lock && git commit"]
    return [f"Next: {step}" for step in steps]


def _lock_is_to_be_committed(root: Path) -> bool:
    from git_spacy.git.index import Index
    from git_spacy.git.repository import Repository

    repository = Repository.discover(root)
    try:
        index = Index.open(repository) if repository else None
        if index is None or not (root / "project.lock").exists():
            return False
        name = os.path.relpath(root.resolve() / "project.lock", index.top.resolve())
        return not index.entries([name]) or bool(index.edited([name]))
    except GitSpacyError:
        return False
