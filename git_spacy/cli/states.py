"""The states of commands and assets: their colours, and what to type next."""

from __future__ import annotations

import os

from git_spacy.cli import output
from git_spacy.errors import ExternalError, InvalidInput, LocalFailure, Refused, as_warning
from git_spacy.light_typing import TYPE_CHECKING
from git_spacy.state.verdict import state_label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from git_spacy.check.project_status import Status
    from git_spacy.generate.graph import Graph
    from git_spacy.project.model import Project, Workflow
    from git_spacy.state.verdict import Reason

COLOURS = {
    "running": "cyan",
    "up_to_date": "green", "verified": "green", "stale": "yellow", "not_run": "yellow",
    "shared": "green", "not_pushed": "yellow", "can_pull": "cyan", "kept": "yellow",
    "modified": "yellow", "missing": "red", "checksum_mismatch": "red", "orphaned": "red",
}  # fmt: skip
_TO_FETCH = ("missing", "stale", "checksum_mismatch")
_MAX_NAMES = 3  # of private assets


def show_skipped(command: str, count: str = "") -> None:
    """Print that a run skips `command`, and how many commands have ended."""

    output.heading(f"==> {command}:", state_label("up_to_date") + count, COLOURS["up_to_date"])


def next_steps(project: Project, current: Status, root: Path) -> list[str]:
    """Return the lines that say what to type to bring everything up to date; [] if nothing.

    Where only outputs are missing, as in a fresh clone, and a remote may have them, the first line
    fetches them.
    """

    by_hand = _private_assets(project, current)
    steps = " && ".join(_steps_to_run(project, current))
    if not steps:
        return by_hand
    lines = [f"Next: {steps}"]
    if pull := _pull_command(project, current, root):
        lines = [f"Next: {pull}", f"or, to run the commands here: {steps}"]
    return [*by_hand, *(output.as_typed_here(line) for line in lines)]


def _private_assets(project: Project, current: Status) -> list[str]:
    """Return the line that names the private assets to add, before `git spacy assets` succeeds."""

    from git_spacy.errors import sanitize

    names = [
        asset.dest.text
        for asset in project.assets
        if not (asset.extra or asset.has_source)
        and current.assets.get(asset.dest.text) in _TO_FETCH
    ]
    shown = ", ".join(names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return [f"First, add the private assets by hand: {sanitize(shown)}{more}"] if names else []


def _pull_command(project: Project, current: Status, root: Path) -> str:
    """Return the command that fetches what is absent; "" if there is no remote, neither ours nor
    DVC's, or if absent paths are not all that is wrong."""

    verdicts = [v for v in current.commands.values() if v.state in ("stale", "not_run")]
    reasons = [reason for v in verdicts for reason in v.reasons if reason.kind != "upstream"]
    if not reasons or not all(_is_absent(project, root, reason) for reason in reasons):
        return ""
    from git_spacy.git.settings import read_settings
    from git_spacy.project.remotes import default_name
    from git_spacy.state import dvc_files

    if default_name(project, read_settings(root)) is not None:
        return "git spacy pull"
    return "dvc pull" if dvc_files.can_pull(root) else ""


def _is_absent(project: Project, root: Path, reason: Reason) -> bool:
    """Return whether a command is stale since a path is absent, but for what Git has of it."""

    if reason.kind not in ("output", "dependency"):
        return False
    if not os.path.lexists(root / reason.about):
        return True
    from git_spacy.state.tracked_paths import only_committed

    outputs = {path.text: path for command in project.commands for path in command.outputs}
    path = outputs.get(reason.about)
    return path is not None and bool(only_committed(project, root, path))


def _is_replaced(project: Project, current: Status, name: str) -> bool:
    """Return whether other commands, which are up to date, produce all that `name` would."""

    command = project.command(name)
    others = [
        path.normal
        for other in project.commands
        if other.name != name and other.name in current.commands
        if current.commands[other.name].state == "up_to_date"
        for path in other.produced
    ]
    return command is not None and all(path.normal in others for path in command.produced)


def _workflows_to_run(project: Project, stale: set[str]) -> list[Workflow]:
    """Return few workflows with all stale commands that are in any, in the order of the file.

    A workflow that contains another one stands for both.
    """

    left = set(stale)
    chosen: list[Workflow] = []
    while left and project.workflows:
        # of those with the most stale commands, the first
        best = max(project.workflows, key=lambda workflow: len(left & set(workflow.steps)))
        if not left & set(best.steps):
            break
        chosen.append(best)
        left -= set(best.steps)
    return [workflow for workflow in project.workflows if workflow in chosen]


def _steps_to_run(project: Project, current: Status) -> list[str]:
    steps = []
    fetched = {asset.dest.text for asset in project.assets if asset.has_source and not asset.extra}
    if any(current.assets[dest] in _TO_FETCH for dest in fetched & current.assets.keys()):
        steps.append("git spacy assets")
    stale = {
        name
        for name, verdict in current.commands.items()
        if verdict.state == "stale"
        or (verdict.state == "not_run" and not _is_replaced(project, current, name))
    }
    if any(claim.writes for holder in current.holders for claim in holder.claims if claim.since):
        stale = set()  # another run might wait for the one in progress
    steps += (f"git spacy run {workflow.name}" for workflow in _workflows_to_run(project, stale))
    if not project.workflows and stale:
        steps.append(
            " ".join(["git spacy run", *(name for name in current.commands if name in stale)])
        )
    if current.orphaned:
        steps.append("git spacy check lock --fix")
    return steps


def node_states(project: Project, root: Path, graph: Graph) -> dict[str, str]:
    """Return the states of commands and assets by node id; warn if they cannot be determined."""

    from git_spacy.check import project_status as core

    try:
        known = core.project_status(project, root, os.environ)
    except (OSError, InvalidInput, Refused, ExternalError, LocalFailure) as error:
        output.diagnostic(as_warning(error, "drawn without states"))
        return {}
    tables: dict[str, Mapping[str, str]] = {
        "command": {name: verdict.state for name, verdict in known.commands.items()},
        "asset": known.assets,
    }
    return {
        node.id: tables[node.kind][node.name]
        for node in graph.nodes
        if node.name in tables.get(node.kind, {})
    }
