"""`git spacy status`: what is up to date and what is stale, and why."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from git_spacy.cli import output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.declared import command, parameter
from git_spacy.cli.remote_settings import REMOTE_SETTINGS
from git_spacy.cli.states import COLOURS, next_steps
from git_spacy.errors import sanitize
from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple
from git_spacy.project.graph import outside_uses, producers
from git_spacy.project.model import Command, Project
from git_spacy.state.run_lock import clock

if TYPE_CHECKING:
    from pathlib import Path

    from git_spacy.check.project_status import Status
    from git_spacy.state.run_lock import LockHolder
    from git_spacy.state.verdict import Verdict
    from git_spacy.storage.remote_status import SharedOutput

EXAMPLES = (
    ("git spacy status", "Show what is up to date, and why the rest is not."),
    ("git spacy status --porcelain", "Show the same for scripts."),
    ("git spacy status --remote", "Also show what is not pushed, and what could be pulled."),
)
SETTINGS = REMOTE_SETTINGS

_SHARING = {"pull": "can_pull", "push": "not_pushed"}
_ASSET_WORDS = {
    "verified": [],
    "missing": [],
    "unverified": ["no checksum in project.yml"],
    "modified": ["changed since it was fetched"],
    "stale": ["fetched from another source than in project.yml"],
    "checksum_mismatch": ["differs from the checksum in project.yml"],
}


@command(
    parameter("directory", nargs=-1, metavar="[PROJECT_DIR]"),
    parameter("--json", "as_json", is_flag=True, help="Print JSON, with every reason."),
    parameter(
        "--porcelain", is_flag=True, help="Print a stable, tab-separated format for scripts."
    ),
    parameter("--no-data", is_flag=True, help="Ignore untracked files, as in a CI checkout."),
    parameter(
        "--remote", "remote_name", is_flag=False, flag_value="", default=None, metavar="[NAME]",
        help="Compare the outputs with a remote, too.",
    ),
    has_overrides=True,
)  # fmt: skip
def status(
    context: CommandContext,
    directory: tuple[str, ...],
    as_json: bool,
    porcelain: bool,
    no_data: bool,
    remote_name: str | None,
) -> None:
    """Show which commands are stale, and why, and whether each asset is present and matches its
    checksum. Only uses the network with --remote. Changes nothing, except that the outputs from
    before a killed run come back.

    A command is stale if its script, a dependency or an output has changed since its last run, and
    up to date if none of them has.

    With --remote, an output is 'shared' if the remote has it, too, 'not pushed' if only this clone
    has it, 'can pull' if only the remote has the version for the current dependencies, and
    'missing' if neither has it.
    """

    from git_spacy.check import project_status as core
    from git_spacy.git.state_dir import state_dir
    from git_spacy.project.documents import cached

    context = context.only_project_dir(directory)
    context.recover_outputs()
    with cached(state_dir(context.root)):
        project = context.project
        current = core.project_status(project, context.root, os.environ, data=not no_data)
    shared = None if remote_name is None else compare_with_remote(context, remote_name or None)
    if as_json:
        output.emit_json(to_json(project, current, shared))
    elif porcelain:
        for line in porcelain_lines(current, shared):
            output.result(line)
    else:
        context.report_warnings()
        for paragraph in paragraphs(project, current, context.root, shared):
            output.result_painted(paragraph)
        _show_template_news(context.root)
        context.mention_missing_setup()


def _show_template_news(root: Path) -> None:
    """Say that the template has changed, if an earlier 'git spacy update' has found that."""

    from git_spacy.git.state_dir import state_dir

    if not (state_dir(root) / "template.json").exists():  # most projects: import no more than that
        return
    from git_spacy.setup.template_news import known_changes

    if (count := known_changes(root)) is not None:
        changes = "1 change" if count == 1 else f"{count or 'some'} changes"
        update = output.as_typed_here("git spacy update")
        output.message(f"template: {changes} upstream; to merge: {update}")


class RemoteComparison(NamedTuple):
    """A remote (its name or address as typed, None for the default; and its full address) and the
    states of the outputs in it."""

    name: str | None
    address: str
    outputs: list[SharedOutput]


def compare_with_remote(context: CommandContext, name: str | None) -> RemoteComparison:
    """Ask a remote, by default the default one, what it has of the project's outputs."""

    from git_spacy.state.stat_cache import StatCache
    from git_spacy.storage import remote
    from git_spacy.storage.remote_status import remote_status

    project = context.project_with_variants()
    address = remote.resolve_address(project, context.settings, name)
    opened = remote.open_remote(context.root, address)
    with context.write_permission():
        outputs = remote_status(
            project, context.root, opened, stats=StatCache.open(context.root),
            store=context.cache(), environ=os.environ,
        )  # fmt: skip
    return RemoteComparison(name, opened.shown, outputs)


def to_json(
    project: Project, current: Status, shared: RemoteComparison | None = None
) -> dict[str, Any]:
    """Return the status as `status --json` prints it (docs/reference/json.md)."""

    return {
        "version": 1,
        "title": project.title,
        "commands": [
            {
                "name": name,
                "state": verdict.state,
                "reasons": [
                    {"kind": reason.kind, "subject": reason.about, "message": reason.text}
                    for reason in verdict.reasons
                ],
            }
            for name, verdict in current.commands.items()
        ],
        "assets": [{"dest": dest, "state": state} for dest, state in current.assets.items()],
        "orphaned_entries": [reason.about for reason in current.orphaned],
        "locked_by": [_holder_to_json(holder) for holder in current.holders],
        "remote": _remote_to_json(shared) if shared else None,
    }


def _remote_to_json(shared: RemoteComparison) -> dict[str, Any]:
    return {
        "name": shared.name,
        "address": shared.address,
        "outputs": [output._asdict() for output in shared.outputs],
    }


def _holder_to_json(holder: LockHolder) -> dict[str, Any]:
    return {
        "command": holder.command_line,
        "process": holder.process,
        "host": holder.host,
        "since": round(holder.since),
        "running": [
            {"name": name, "since": round(start)} for name, start in holder.running.items()
        ],
    }


def porcelain_lines(current: Status, shared: RemoteComparison | None = None) -> list[str]:
    """Return the status as `status --porcelain` prints it, in five tab-separated fields.

    They are "command", "asset", "lock" or "remote"; the state; the name; and the kind and the
    subject of a reason. There is a line for each reason, and at least one for each command, asset,
    orphaned lock entry and output in a remote.
    """

    rows: list[tuple[str, ...]] = []
    for name, verdict in current.commands.items():
        reasons = [
            ("command", verdict.state, name, reason.kind, reason.about)
            for reason in verdict.reasons
        ]
        rows += reasons or [("command", verdict.state, name, "", "")]
    rows += [("asset", state, dest, "", "") for dest, state in current.assets.items()]
    rows += [("lock", "orphaned", reason.about, "", "") for reason in current.orphaned]
    rows += [("remote", one.state, one.path, "", "") for one in shared.outputs] if shared else []
    return ["\t".join(_escape_field(field) for field in row) for row in rows]


def _escape_field(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def paragraphs(
    project: Project, current: Status, root: Path, shared: RemoteComparison | None = None
) -> list[str]:
    """Return the status as text: tables of commands, assets and orphaned entries; next steps."""

    from git_spacy.state.verdict import state_label

    states = current.commands.items()
    assets = current.assets.items()
    tables: dict[str, list[tuple[str, str, list[str]]]] = {
        "Commands": [
            _running_row(name, current.holders)
            or (name, state_label(verdict.state), _relevant_reasons(project, name, verdict))
            for name, verdict in states
        ],
        "Assets": [(dest, state_label(state), _ASSET_WORDS[state]) for dest, state in assets],
        "Outside the project": _outside_rows(project),
        "In project.lock": [
            (reason.about, "orphaned", [reason.text]) for reason in current.orphaned
        ],
    }
    if shared:
        rows = [
            (one.path, state_label(one.state), [one.reason] if one.reason else [])
            for one in shared.outputs
        ]
        tables[f"In the remote {sanitize(shared.address)}"] = rows
    colours = {state_label(state): colour for state, colour in COLOURS.items()}
    shown = [
        f"{output.paint(title, 'bold')}\n{output.table(rows, colours)}"
        for title, rows in tables.items()
        if rows
    ]
    if not shown:
        return ["project.yml defines no commands and no assets yet."]
    steps = next_steps(project, current, root)
    return shown + (_steps_to_share(shared) or steps if shared else steps)


def _steps_to_share(shared: RemoteComparison) -> list[str]:
    """Return the line that says what to type to pull and push; [] if nothing."""

    name = f" {shlex.quote(shared.name)}" if shared.name else ""
    states = {one.state for one in shared.outputs}
    verbs = [verb for verb, state in _SHARING.items() if state in states]
    return [f"Next: {' && '.join(f'git spacy {verb}{name}' for verb in verbs)}"] if verbs else []


def _outside_rows(project: Project) -> list[tuple[str, str, list[str]]]:
    """Return the paths that lead out of the project, and the commands that use them."""

    return [
        (
            use.path.text,
            "written" if use.is_written else "read",
            [f"by {', '.join(use.commands) or 'git spacy assets'}"],
        )
        for use in outside_uses(project)
    ]


def _running_row(name: str, holders: Sequence[LockHolder]) -> tuple[str, str, list[str]] | None:
    """Return the row of a command that runs now, with its start; None if it does not."""

    holder = next((holder for holder in holders if name in holder.running), None)
    if holder is None:
        return None
    since = clock(holder.running[name])
    text = f"running since {since} ({holder.command_line}, {holder.describe_process()})"
    return name, "running", [text]


def _relevant_reasons(project: Project, name: str, verdict: Verdict) -> list[str]:
    """Return the reasons that say something new.

    Omit dependencies that another command has yet to produce, since that command is listed, too,
    and what is upstream of a command that never ran.
    """

    command = project.command(name)
    coming = {
        path.text
        for path in verdict.missing
        if any(
            isinstance(producer, Command) and producer != command
            for producer in producers(project, path)
        )
    }
    return [
        reason.text
        for reason in verdict.reasons
        if reason.kind != "not_run"  # the state already says so
        and not (reason.kind == "dependency" and reason.about in coming)
        and not (reason.kind == "upstream" and verdict.state == "not_run")
    ]
