"""Format runs and their differences as text and JSON, for `log`, `show`, `diff` and `lock`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from git_spacy.cli import output
from git_spacy.errors import escape_controls, redact, sanitize
from git_spacy.git.notes import AnnotatedCommit
from git_spacy.history.commit_runs import RecordedRun
from git_spacy.history.metrics import HANDFUL, by_importance, judge
from git_spacy.history.run_ids import run_id, short_run_id
from git_spacy.history.run_record import (
    Attempt,
    RunChange,
    RunRecord,
    flat_metrics,
    format_number,
    to_document,
)
from git_spacy.light_typing import Any

_SHORT = 7  # digits of an abbreviated commit id that Git did not abbreviate itself
_SHORT_NODE = 12


def heading(commit: AnnotatedCommit) -> str:
    """Return the commit as `git log --oneline` shows it: `a1b2c3d Less dropout`."""

    return f"{output.paint(commit.short, 'yellow')} {escape_controls(commit.subject)}"


def template_row(commit: AnnotatedCommit) -> tuple[str, str, list[str]]:
    """Return the row of a commit that updated the project from its template."""

    source, version, _ = commit.template
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(commit.time))
    at = f" at {version[:12]}" if version else ""
    return f"{when}  template", "", [escape_controls(source + at)]


def start_time(record: RunRecord) -> str:
    """Return when a run started, in local time: `2026-11-24 10:03`."""

    seconds = _seconds(record.time)
    if seconds is None:
        return escape_controls(record.time[:16])
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _seconds(utc: str) -> float | None:
    from datetime import datetime, timezone

    try:
        return datetime.fromisoformat(utc[:19]).replace(tzinfo=timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return None


def outcome(record: RunRecord) -> str:
    """Return how long a run took, or else "failed", "pruned", "recorded" or "restored"."""

    if record.how != "run":
        return {"record": "recorded", "restore": "restored"}[record.how]
    failed = "pruned" if record.pruned else "failed"
    return output.duration(record.seconds) if not record.exit else failed


def format_metrics(record: RunRecord, limit: int | None = 4) -> str:
    """Return the `limit` most important metrics as text."""

    values = flat_metrics(record)
    names = by_importance(values)
    text = ", ".join(f"{name} {format_number(values[name])}" for name in names[:limit])
    return text + (", …" if names[:limit] != names else "")


def details(run: RecordedRun, previous: RunRecord | None, limit: int | None = 4) -> list[str]:
    """Return the lines of a run in the log: exit code, metrics (at most `limit`), variables,
    changes since the previous run."""

    record = run.record
    failed = record.exit and not record.pruned
    lines = [f"exit code {record.exit}{_timeout(record.timeout)}"] if failed else []
    lines.append(format_metrics(record, limit))
    if record.vars:
        lines.append("with " + ", ".join(f"{name}={value}" for name, value in record.vars.items()))
    inputs = changed_inputs(previous, record) if previous else []
    first = "first run with these values" if record.vars else "first run"
    why = "changed: " + ", ".join(inputs) if inputs else "" if previous else first
    # the commit whose lock has the result usually has the edits, too
    is_dirty = record.dirty and run.matched_by != "lock"
    edits = ("(uncommitted)" if why else "(uncommitted edits)") if is_dirty else ""
    lines.append(f"{why} {edits}".strip())
    if run.matched_by == "tree":
        lines.append(f"same tree: recorded on {run.recorded_on[:_SHORT]}")
    if run.is_experiment:
        lines.append(f"not in a commit: {short_run_id(record)}")
    return [text for text in lines if text] or [""]


def changed_inputs(before: RunRecord, after: RunRecord) -> list[str]:
    """Return the inputs that differ between two runs: "script", and the paths of dependencies."""

    from git_spacy.history.run_record import differences

    changes = differences(before, after)
    script = ["script"] if any(change.kind == "script" for change in changes) else []
    return script + [change.name for change in changes if change.kind == "dep"]


def _timeout(seconds: float) -> str:
    return f" (timeout of {output.duration(seconds)})" if seconds else ""


def _attempt(attempt: Attempt) -> str:
    """Return e.g. `exit code 1 after 12 s`."""

    failed = f"exit code {attempt.exit}{_timeout(attempt.timeout)}"
    return f"{failed} after {output.duration(attempt.seconds)}"


def _execution(record: RunRecord) -> str:
    """Return e.g. `on node 5bd61bd5c1e0 with 2 CPU, after 12 s in the queue`."""

    amounts = ", ".join(f"{format_number(n)} {name}" for name, n in record.resources.items())
    with_amounts = f" with {amounts}" if amounts else ""
    queued = output.duration(record.queued)
    return f"on node {record.node[:_SHORT_NODE]}{with_amounts}, after {queued} in the queue"


def format_run(run: RecordedRun) -> str:
    """Return everything that is recorded of a run, as text."""

    record = run.record
    origin = {
        "record": ", recorded by 'lock record'",
        "restore": f", restored from {record.source}",
    }
    took = f", took {output.duration(record.seconds)}" if record.how == "run" else ""
    failed = f", exit code {record.exit}{_timeout(record.timeout)}" if record.exit else ""
    failed = ", pruned by a search" if record.pruned else failed
    title = output.paint(escape_controls(record.command), "bold")
    head = f"{title}  {start_time(record)}{took}{failed}{origin.get(record.how, '')}"
    where = f"tree {record.tree[:12] or '(not in a commit)'}"
    if run.matched_by == "lock":
        where += f" of {run.recorded_on[:_SHORT]}"
    if record.dirty:
        where += ", with uncommitted edits"
    if run.matched_by == "tree":
        where += f"; recorded on {run.recorded_on}, but this commit has the same files"
    rows: list[tuple[str, str]] = [("on", where)]
    rows += [("ran", _execution(record))] if record.node else []
    rows += [("tried", _attempt(attempt)) for attempt in record.attempts]
    rows += [("script", text) for text in record.script]
    rows += [("dep", _file(*file[:3])) for file in record.deps]
    rows += [("out", _file(*file[:3])) for file in record.outs]
    rows += [("vars", f"{name} = {value}") for name, value in record.vars.items()]
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    rows += [("with", versions)] if versions else []
    rows += [("in", f"{tool} {id}") for tool, id in record.links.items()]
    for file, values in record.metrics.items():
        rows += [("metrics", file)]
        rows += [("", f"{name}  {format_number(value)}") for name, value in values.items()]
    lines, last = [], ""
    for label, text in rows:
        lines.append(
            f"  {label if label != last else '':<8}{escape_controls(redact(text))}".rstrip()
        )
        last = label
    return "\n".join([head, *lines])


def _file(path: str, md5: str | None, size: int | None) -> str:
    if md5 is None:
        return f"{path}  (missing)"
    return f"{md5}  {path}" + ("" if size is None else f"  {output.size(size)}")


KINDS = {
    "var": "variable",
    "script": "script",
    "dep": "dependency",
    "out": "output",
    "metric": "metric",
    "exit": "exit_code",
}
"""Kinds of changes: as `differences` names them → as `diff --json` does."""


def format_changes(changes: Iterable[RunChange], *, all_metrics: bool = False) -> list[str]:
    """Return how two runs differ, one change per line; script lines start with `-` or `+`.

    Only the most important metrics are shown, unless all are wanted.
    """

    lines: list[str] = []
    changes = list(changes)
    metrics = by_importance(change.name for change in changes if change.kind == "metric")
    shown = set(metrics if all_metrics else metrics[:HANDFUL])
    for change in changes:
        if change.kind == "metric" and change.name not in shown:
            continue
        if change.kind == "script":
            colour, sign, text = (
                ("green", "+", change.after) if change.after else ("red", "-", change.before)
            )
            lines.append(output.paint(f"{sign} {escape_controls(redact(text))}", colour))
            continue
        kind = KINDS[change.kind].replace("_", " ")
        name = f" {escape_controls(change.name)}" if change.name else ""
        if change.kind in ("dep", "out"):
            how = "changed" if change.before and change.after else "added"
            lines.append(f"{kind}{name} {how if change.after else 'removed'}")
        else:
            before, after = (sanitize(value) or "–" for value in (change.before, change.after))
            lines.append(f"{kind}{name} {before} → {after}{_difference(change)}")
    if len(metrics) > len(shown):
        lines.append(more_metrics(len(metrics) - len(shown)))
    return lines


def more_metrics(number: int) -> str:
    """Return the line that further metrics differ, which are not shown."""

    return f"{number} more metrics differ: --all-metrics"


def _difference(change: RunChange) -> str:
    text, judged = delta(change)
    return output.paint(text, {"better": "green", "worse": "red"}[judged]) if judged else text


def delta(change: RunChange) -> tuple[str, str]:
    """Return e.g. ` (+0.1, better)` and `better`; two empty texts if there is none.

    The second text is empty if the name of the metric does not tell.
    """

    try:
        difference = float(change.after) - float(change.before)
    except ValueError:
        return "", ""
    if change.kind == "var" or not difference:
        return "", ""
    judged = judge(change.name, difference) if change.kind == "metric" else ""
    text = f"{'+' if difference > 0 else ''}{format_number(round(difference, 6))}"
    return f" ({text}, {judged})" if judged else f" ({text})", judged


def run_to_json(run: RecordedRun) -> dict[str, Any]:
    """Return a run as `--json` prints it (docs/reference/json.md)."""

    document = {"id": run_id(run.record), **to_document(run.record)}
    if run.is_experiment:
        document["experiment"] = True
    if not run.recorded_on:
        return document
    return {**document, "recorded_on": run.recorded_on, "matched_by": run.matched_by}


def change_to_json(change: RunChange) -> dict[str, str]:
    """Return a difference between two runs as `diff --json` prints it (docs/reference/json.md)."""

    return {**change._asdict(), "kind": KINDS[change.kind]}


def no_runs_message(
    commit: AnnotatedCommit | None = None, nearest: AnnotatedCommit | None = None
) -> str:
    """Return the message that `commit`, or every commit of a range, has no recorded runs.

    `nearest` is the most recent earlier commit that has some, if any.
    """

    text = f"no runs are recorded for {commit.short if commit else 'these commits'}"
    if nearest:
        return f"{text}; for the most recent ones: git spacy show {nearest.short}"
    return f"{text}; for those of others: git spacy notes pull"


def unrecorded_message(names: Sequence[str]) -> str:
    """Return the message that entries of a commit's lock have no record."""

    return f"no run is recorded for {', '.join(names)}; for those of others: git spacy notes pull"
