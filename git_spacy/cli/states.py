"""The states of commands and assets: their colours, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git_spacy.check.project_status import Status
    from git_spacy.project.model import Project

COLOURS = {
    "up_to_date": "green", "verified": "green", "stale": "yellow", "not_run": "yellow",
    "modified": "yellow", "missing": "red", "checksum_mismatch": "red", "orphaned": "red",
}  # fmt: skip
_TO_FETCH = ("missing", "modified", "checksum_mismatch")


def next_steps(project: Project, current: Status) -> list[str]:
    """Return a list with the command line that brings everything up to date, or an empty list."""

    steps = []
    optional = {asset.dest.text for asset in project.assets if asset.extra}
    wanted = [dest for dest, state in current.assets.items() if state in _TO_FETCH]
    if set(wanted) - optional:
        steps.append("git spacy assets")
    stale = {
        name for name, verdict in current.commands.items() if verdict.state in ("stale", "not_run")
    }
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
    return [" && ".join(steps)] if steps else []
