"""`git spacy show`: show the runs of one commit in full, or what they printed."""

from __future__ import annotations

import shlex

from git_spacy.cli import output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.declared import command, parameter
from git_spacy.errors import CheckFailed, InvalidInput
from git_spacy.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git_spacy.history.run_logs import RunLog
    from git_spacy.history.run_record import RunRecord

EXAMPLES = (
    ("git spacy show HEAD~1", "Show the runs whose results the parent of HEAD has."),
    ("git spacy show run-1a2b3c4", "Show one run, named as in 'git spacy log --all'."),
    ("git spacy show --log train", "Show what the last run of a command printed."),
    ("git spacy show --log HEAD~1:train", "Show what the run that a commit holds printed."),
)


@command(
    parameter("revision", required=False, light=True, metavar="[REV]"),
    parameter("--log", "of_log", is_flag=True, help="Show what a run printed: NAME or REV:NAME."),
    parameter("--json", "as_json", is_flag=True, help="Print JSON."),
)
def show(context: CommandContext, revision: str | None, of_log: bool, as_json: bool) -> int:
    """Show the runs whose results the commit REV (default: HEAD) has in project.lock, wherever they
    were recorded, in full: script, dependencies, outputs, variables, versions and metrics. REV can
    be a single run, too, by its id in 'git spacy log --all'.

    With --log, show what scripts printed: in the last run in this worktree, of the command NAME if
    it is given; in the runs of the commit REV, or of REV:NAME; or in a single run."""

    if of_log and as_json:
        raise InvalidInput("--log and --json cannot be combined", hint="git spacy show --log -h")
    if of_log:
        return _show_logs(context, revision or "")
    return _show_runs(context, revision or "HEAD", as_json=as_json)


def _show_runs(context: CommandContext, revision: str, *, as_json: bool) -> int:
    from git_spacy.cli import history_format
    from git_spacy.git import notes
    from git_spacy.history import commit_runs, run_ids

    repository, _, folder = context.open_history()
    if single := run_ids.find_run(repository, revision, output.diagnostic):
        annotated = notes.AnnotatedCommit("", "", 0, "", (), "")
        if single.commit:
            annotated = next(notes.list_commits(repository, [single.commit], 1))
        commit = commit_runs.CommitRuns(annotated, (commit_runs.RecordedRun(single.record),))
    else:
        commit_id = notes.resolve_commit(repository, revision)
        commit = commit_runs.runs_of_commit(repository, folder, commit_id, output.diagnostic)
    if as_json:
        output.emit_json([history_format.run_to_json(run) for run in commit.runs])
        return 0
    if not commit.runs:
        history = commit_runs.read_history(repository, folder, [commit.annotated.commit])
        nearest = next((other.annotated for other in history if other.runs), None)
        output.message(history_format.no_runs_message(commit.annotated, nearest))
        return 0
    with output.paged(context.cwd):
        id = commit.annotated.commit or "(missing)"
        output.result_painted(output.paint(f"commit {id}", "yellow"))
        output.result(f"    {commit.annotated.subject}")
        for run in commit.runs:
            output.result_painted("\n" + history_format.format_run(run))
    if commit.unrecorded:
        output.message(history_format.unrecorded_message(commit.unrecorded))
    return 0


def _show_logs(context: CommandContext, name: str) -> int:
    """Print the logs that `name` stands for: a command of the project, a run or a commit."""

    logs = _latest_logs(context, name) or _recorded_logs(context, name)
    with output.paged(context.cwd):
        for log in logs:
            output.script_output(log.path.read_bytes())
    return 0


def _latest_logs(context: CommandContext, name: str) -> list[RunLog]:
    """Return the logs of the last runs of a command, a workflow or (without a name) of the project;
    none if `name` is none of them."""

    from git_spacy.history.run_logs import latest_log

    try:
        root = context.root
    except InvalidInput:
        return []
    if log := latest_log(root, name):
        return [log]
    names = _command_names(context, name)
    if logs := [log for command in names if (log := latest_log(root, command))]:
        return logs
    if names or not name:
        what = f"of '{name}'" if name else "in this project"
        raise CheckFailed(
            f"no run {what} is logged in this worktree",
            hint=f"git spacy run --force --log {shlex.quote(name or _runnable_name(context))}",
        )
    return []


def _command_names(context: CommandContext, name: str) -> list[str]:
    """Return the commands that `name` stands for in project.yml, if that can be read."""

    from git_spacy.project import graph

    try:
        return [command.name for command in graph.expand_names(context.project, (name,))]
    except InvalidInput:
        return []


def _runnable_name(context: CommandContext) -> str:
    """Return a name that `run` accepts: the first workflow or command, if project.yml is valid."""

    try:
        project = context.project
    except InvalidInput:
        return "NAME"
    workflows = [workflow.name for workflow in project.workflows]
    return next(iter([*workflows, *(command.name for command in project.commands)]), "NAME")


def _recorded_logs(context: CommandContext, name: str) -> list[RunLog]:
    """Return the logs of a run, or of the runs of a commit."""

    from git_spacy.git import commits
    from git_spacy.history import commit_runs, run_ids, run_logs

    repository, _, folder = context.open_history()
    records: list[RunRecord]
    if single := run_ids.find_run(repository, name, output.diagnostic):
        records = [single.record]
    else:
        revision, _, command = name.partition(":")
        commit_id = commits.resolve_or_empty(repository, revision)
        if not commit_id:
            raise InvalidInput(
                f"'{revision}' is neither a command, nor a commit or a run", hint="git spacy log"
            )
        commit = commit_runs.runs_of_commit(repository, folder, commit_id, output.diagnostic)
        records = [run.record for run in commit.runs if command in ("", run.record.command)]
        if not records:
            what = f"run of '{command}'" if command else "run"
            hint = f"git spacy show {shlex.quote(revision)}"
            raise CheckFailed(f"no {what} is recorded for '{revision}'", hint=hint)
    known = run_logs.logs_of_runs(repository)
    logs = [known[id] for id in map(run_ids.run_id, records) if id in known]
    if not logs:
        names = ", ".join(dict.fromkeys(f"'{record.command}'" for record in records))
        raise CheckFailed(
            f"what {names} printed in that run is not logged here, or not any more",
            hint=f"git spacy show {run_ids.short_run_id(records[0])}",
        )
    return logs
