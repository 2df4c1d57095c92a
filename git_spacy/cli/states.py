"""The states of commands and assets: their colours, and what to type next."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from git_spacy.check.project_status import Status
    from git_spacy.project.model import Project

COLOURS = {
    "running": "cyan",
    "up_to_date": "green", "verified": "green", "stale": "yellow", "not_run": "yellow",
    "modified": "yellow", "missing": "red", "checksum_mismatch": "red", "orphaned": "red",
}  # fmt: skip
_TO_FETCH = ("missing", "stale", "checksum_mismatch")


def next_steps(project: Project, current: Status, root: Path) -> list[str]:
    """Return the lines that say what to type to bring everything up to date; [] if nothing.

    Where only outputs are missing, as in a fresh clone, and a remote may have them, the first line
    fetches them.
    """

    steps = _steps_to_run(project, current)
    if steps and _could_pull(project, current, root):
        return ["Next: git spacy pull", f"or, to run the commands here: {' && '.join(steps)}"]
    return [f"Next: {' && '.join(steps)}"] if steps else []


def _could_pull(project: Project, current: Status, root: Path) -> bool:
    """Return whether paths that do not exist are all that is wrong, and a remote is configured."""

    verdicts = [v for v in current.commands.values() if v.state in ("stale", "not_run")]
    reasons = [reason for v in verdicts for reason in v.reasons if reason.kind != "upstream"]
    if not reasons or not all(
        reason.kind in ("output", "dependency") and not os.path.lexists(root / reason.about)
        for reason in reasons
    ):
        return False
    from git_spacy.git.settings import read_settings
    from git_spacy.storage.remote import known_addresses

    return bool(known_addresses(project, read_settings(root)))


def _steps_to_run(project: Project, current: Status) -> list[str]:
    steps = []
    optional = {asset.dest.text for asset in project.assets if asset.extra}
    wanted = [dest for dest, state in current.assets.items() if state in _TO_FETCH]
    if set(wanted) - optional:
        steps.append("git spacy assets")
    stale = {
        name for name, verdict in current.commands.items() if verdict.state in ("stale", "not_run")
    }
    if current.holder and current.holder.running:
        stale = set()  # another run would wait for the one in progress
    for workflow in project.workflows:
        stale_steps = stale & set(workflow.steps)
        if stale_steps:
            steps.append(f"git spacy run {workflow.name}")
            stale -= stale_steps
    if not project.workflows and stale:
        steps.append(
            " ".join(["git spacy run", *(name for name in current.commands if name in stale)])
        )
    if current.orphaned:
        steps.append("git spacy check lock --fix")
    return steps
