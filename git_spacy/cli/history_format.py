"""Runs and how they differ, in text and for machines: what `log`, `show`, `diff`, `lock` share."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from git_spacy.cli import output
from git_spacy.errors import GitSpacyError, InvalidInput, escape_controls, redact
from git_spacy.git.notes import AnnotatedCommit
from git_spacy.git.repository import Repository
from git_spacy.project import loader
from git_spacy.state import run_history
from git_spacy.state.run_history import RecordedRun
from git_spacy.state.run_record import (
    RunChange,
    RunRecord,
    flat_metrics,
    format_number,
    to_document,
)

_SHORT = 7  # digits of an id, where Git has not said how many tell them apart


def opened(start: Path) -> tuple[Repository, Path | None, str | None]:
    """The repository around `start`, the project around it and that project's folder in it; None
    for both above (or without) a project: then all of the repository's are meant.

    Notes first what was kept back. Raises Malformed outside a repository.
    """

    repository = Repository.discover(start)
    if repository is None:
        raise InvalidInput("not in a Git repository: runs are noted on commits", hint="git init")
    try:
        root = loader.find(start)
    except InvalidInput:
        return repository, None, None
    try:
        run_history.flush_pending(root)
    except (GitSpacyError, OSError) as error:
        output.warning(f"earlier runs are not noted yet: {error}")
    return repository, root, run_history.project_folder(root, repository)


def heading(noted: AnnotatedCommit) -> str:
    """`a1b2c3d Less dropout`, as `git log --oneline` has it."""

    return f"{output.paint(noted.short, 'yellow')} {escape_controls(noted.subject)}"


def when(record: RunRecord) -> str:
    """When a run began, by the reader's clock: `2026-11-24 10:03`."""

    seconds = _seconds(record.time)
    if seconds is None:
        return escape_controls(record.time[:16])
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _seconds(utc: str) -> float | None:
    import calendar

    try:
        return calendar.timegm(time.strptime(utc[:19], "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return None


def took(record: RunRecord) -> str:
    """How long, how it ended."""

    if record.how != "run":
        return {"record": "entered", "restore": "restored"}[record.how]
    return output.duration(record.seconds) if not record.exit else "failed"


def numbers(record: RunRecord, most: int = 4) -> str:
    """The first metrics, those of the top level before those below."""

    found = sorted(flat_metrics(record).items(), key=lambda one: one[0].count("."))
    told = ", ".join(f"{name} {format_number(value)}" for name, value in found[:most])
    return told + (", …" if len(found) > most else "")


def remarks(run: RecordedRun, before: RunRecord | None) -> list[str]:
    """The lines behind a run in the log: its exit, metrics, variables, what had changed."""

    record = run.record
    told = [f"exit code {record.exit}"] if record.exit else []
    told.append(numbers(record))
    if record.vars:
        told.append("with " + ", ".join(f"{name}={value}" for name, value in record.vars.items()))
    inputs = changed_inputs(before, record) if before else []
    first = "first run with these" if record.vars else "first run"
    why = "changed: " + ", ".join(inputs) if inputs else "" if before else first
    edits = ("(uncommitted)" if why else "(uncommitted edits)") if record.dirty else ""
    told.append(f"{why} {edits}".strip())
    if run.recorded_on:
        told.append(f"by {run.matched_by}: noted on {run.recorded_on[:_SHORT]}")
    return [text for text in told if text] or [""]


def changed_inputs(before: RunRecord, after: RunRecord) -> list[str]:
    """What made a run differ from the one before: the script, dependencies."""

    from git_spacy.state.run_record import differences

    changes = differences(before, after)
    inputs = ["script"] if any(one.kind == "script" for one in changes) else []
    return inputs + [one.name for one in changes if one.kind == "dep"]


def full(run: RecordedRun) -> str:
    """One run with all that is known of it."""

    record = run.record
    by = {"record": ", entered by 'lock record'", "restore": f", restored from {record.source}"}
    lasted = f", took {output.duration(record.seconds)}" if record.how == "run" else ""
    failed = f", exit code {record.exit}" if record.exit else ""
    title = output.paint(escape_controls(record.command), "bold")
    head = f"{title}  {when(record)}{lasted}{failed}{by.get(record.how, '')}"
    where = f"tree {record.tree[:12] or 'of no commit'}"
    if record.dirty:
        where += ", with edits"
    if run.recorded_on:
        same = "has the same files" if run.matched_by == "tree" else "has this result in its lock"
        where += f"; noted on {run.recorded_on}, but this commit {same}"
    rows: list[tuple[str, str]] = [("on", where)]
    rows += [("script", text) for text in record.script]
    rows += [("dep", _file(*file[:3])) for file in record.deps]
    rows += [("out", _file(*file[:3])) for file in record.outs]
    rows += [("vars", f"{name} = {value}") for name, value in record.vars.items()]
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    rows += [("with", versions)] if versions else []
    for file, found in record.metrics.items():
        rows += [("metrics", file)]
        rows += [("", f"{name}  {format_number(value)}") for name, value in found.items()]
    lines, last = [], ""
    for label, text in rows:
        lines.append(
            f"  {label if label != last else '':<8}{escape_controls(redact(text))}".rstrip()
        )
        last = label
    return "\n".join([head, *lines])


def _file(path: str, md5: str | None, size: int | None) -> str:
    if md5 is None:
        return f"{path}  (not there)"
    return f"{md5}  {path}" + ("" if size is None else f"  {output.size(size)}")


_KINDS = {"script": "script", "dep": "input", "out": "output", "metric": "metric", "exit": "exit"}


def changes(found: Iterable[RunChange]) -> list[str]:
    """How two runs differ, in lines; `-` and `+` as in a diff."""

    lines: list[str] = []
    for one in found:
        if one.kind == "script":
            colour, sign, text = (
                ("green", "+", one.after) if one.after else ("red", "-", one.before)
            )
            lines.append(output.paint(f"{sign} {escape_controls(redact(text))}", colour))
            continue
        if one.kind in ("dep", "out"):
            words = ("is new", "is gone")
            how = words[not one.after] if not (one.before and one.after) else "changed"
            lines.append(f"{_KINDS[one.kind]} {escape_controls(one.name)} {how}")
        else:
            name = f" {escape_controls(one.name)}" if one.name else ""
            lines.append(
                f"{_KINDS[one.kind]}{name} {one.before or '–'} → {one.after or '–'}{_by(one)}"
            )
    return lines


def _by(change: RunChange) -> str:
    try:
        difference = float(change.after) - float(change.before)
    except ValueError:
        return ""
    return f" ({'+' if difference > 0 else ''}{format_number(round(difference, 6))})"


def plain(run: RecordedRun) -> dict[str, Any]:
    """A run for `--json`."""

    document = to_document(run.record)
    return (
        {**document, "noted_on": run.recorded_on, "by": run.matched_by}
        if run.recorded_on
        else document
    )


def nothing(noted: AnnotatedCommit | None, later: Sequence[AnnotatedCommit] = ()) -> str:
    """What to say where no run is noted."""

    where = f"on {noted.short}" if noted else "on these commits"
    text = f"no run is noted {where}"
    if later:
        return f"{text}; the last one before: git spacy show {later[0].short}"
    return f"{text}; 'git spacy run' notes each, 'git spacy notes pull' brings those of others"
