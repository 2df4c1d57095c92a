"""Compare the metrics that commands have just written with those of their runs in HEAD."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.git import commits
from git_spacy.git.repository import Repository
from git_spacy.history import commit_runs, run_history
from git_spacy.history.metrics import by_importance, judge, metric_files, metrics_in
from git_spacy.history.run_record import RunRecord, flat_metrics, format_time
from git_spacy.project.model import Command


class MetricChange(NamedTuple):
    """A metric of a command that differs from HEAD's, and whether it is better or worse ("" if its
    name does not tell)."""

    command: str
    name: str
    before: float
    after: float
    judged: Literal["better", "worse", ""]


def changes_from_head(
    root: Path, commands: Iterable[Command], patterns: Sequence[str], started: float
) -> list[MetricChange]:
    """Return the metrics of these commands that are not as in HEAD, the most important first.

    The runs of HEAD are those that `show` has, but for runs since `started` (in seconds since
    1970), which are those to compare. Commands without metrics cost nothing. Raises OSError,
    Refused, ExternalError.
    """

    measured = {}
    for command in commands:
        files = metric_files(command, patterns)
        found = {path.text: metrics_in(root, path.normal) for path in files}
        if any(found.values()):
            measured[command] = {name: metrics for name, metrics in found.items() if metrics}
    repository = Repository.discover(root) if measured else None
    head = commits.head_commit(repository) if repository else ""
    if repository is None or not head:
        return []
    folder = run_history.project_folder(root, repository)
    records = [
        run.record
        for run in commit_runs.runs_of_commit(repository, folder, head).runs
        if not run.record.exit and run.record.time < format_time(started)
    ]
    changes = []
    for command, metrics in measured.items():
        if earlier := _last_run(records, command):
            after = flat_metrics(earlier._replace(metrics=metrics))
            before = flat_metrics(earlier)
            changes += [
                MetricChange(command.name, name, before[name], after[name], judged)
                for name in by_importance(after)
                if name in before and before[name] != after[name]
                for judged in (judge(name, _direction(before[name], after[name])),)
            ]
    return changes


def _direction(before: float, after: float) -> int:
    return 1 if after > before else -1  # a difference can overflow


def _last_run(records: Iterable[RunRecord], command: Command) -> RunRecord | None:
    """Return the last run of a command, with any variables, that wrote the same files."""

    name = command.variant_of or command.name
    outputs = [path.text for path in command.produced]
    runs = [
        record
        for record in records
        if record.command == name and [file.path for file in record.outs] == outputs
    ]
    return runs[-1] if runs else None
