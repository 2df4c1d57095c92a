"""The checks of a project. Each reads the worktree or the index, yields findings, and imports what
only it needs.

They start no process but git, use no network, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from git_spacy.check.finding import findings_of
from git_spacy.errors import Diagnostic, InvalidInput, Refused, Severity
from git_spacy.git.repository import Repository
from git_spacy.light_typing import NamedTuple
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LOCK_FILE, LockEntry
from git_spacy.project import loader, source_map
from git_spacy.project.graph import DependencyGraph, check_destinations, checksum_hint
from git_spacy.project.loader import PROJECT_FILE, LoadedProject
from git_spacy.project.matrix import with_variants
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_text import PARAMS_FILE
from git_spacy.project.source_map import Position
from git_spacy.state.project_view import Staged, View
from git_spacy.state.verdict import Reason, orphaned_entries

_LOCK_KEYS = {"dependency": "deps", "output": "outs", "renamed": "deps", "script": "script"}


class _CheckContext(NamedTuple):
    """The input of the checks. `data` is the content of project.yml."""

    loaded: LoadedProject
    data: bytes
    view: View
    strict: bool


def run_checks(names: Sequence[str], view: View, *, strict: bool = False) -> list[Diagnostic]:
    """Run the checks `names`, which are keys of CHECKS; return the findings by file and line.

    If project.yml cannot be loaded, only its errors are returned. With `strict`, every command of
    every workflow must have an entry in project.lock, and what weasel refuses is a warning. The
    hint of a finding that is only due to unstaged files says which to add. Raises OSError,
    ExternalError if git fails.
    """

    findings = _run_checks(names, view, strict)
    if findings and isinstance(view, Staged):
        from git_spacy.check import staging

        findings = staging.hint_at_unstaged_files(
            findings, view, lambda other: _run_checks(names, other, strict)
        )
    return findings


def _run_checks(names: Sequence[str], view: View, strict: bool) -> list[Diagnostic]:
    try:
        data = view.project()
        loaded = loader.parse(data)
        check_destinations(loaded.project.assets)
    except (InvalidInput, Refused) as error:
        return findings_of("project", error.problems, PROJECT_FILE)
    context = _CheckContext(loaded, data, view, strict)
    findings = [
        finding
        for name in names
        for finding in findings_of(name, CHECKS[name](context), PROJECT_FILE)
    ]
    view.save()
    return sorted(findings, key=lambda finding: (finding.file, finding.line, finding.column))


def unrecorded_entries(root: Path, view: View) -> list[Diagnostic]:
    """Return a finding for each entry of project.lock that no run record matches.

    Raises InvalidInput outside a repository, ExternalError if git fails.
    """

    # imported late, since hooks do not need it
    from git_spacy.history.commit_runs import unrecorded_names

    text = None
    try:
        text = view.lock()
        entries = {} if text is None else lock_format.parse(text)
    except InvalidInput:
        return []  # reported by the check of project.lock
    positions = lock_format.source_map(text or b"")
    problems = (
        Diagnostic(
            f"'{name}': no run record matches this entry",
            f"git spacy notes pull\nor, to record it: git spacy lock record {name}",
            LOCK_FILE,
            *positions[name,],
        )
        for name in unrecorded_names(Repository.require(root), entries.values())
    )
    return findings_of("lock", problems, LOCK_FILE)


def remove_orphaned_entries(root: Path) -> tuple[str, ...]:
    """Remove the entries of project.lock whose commands no longer exist; return their names.

    Raises InvalidInput, Refused, OSError.
    """

    data = loader.read_bytes(root)
    project = loader.parse(data).project
    lock_file = LockFile(root)
    with lock_file.exclusive():
        entries = lock_file.entries
        reasons = orphaned_entries(with_variants(project, data, entries), entries)
        names = tuple(reason.about for reason in reasons)
        if names:
            lock_file.replace({name: entries[name] for name in entries if name not in names})
    return names


def _project(context: _CheckContext) -> Iterator[Diagnostic]:
    """Yield the warnings of the loader, and script lines that do not run, or not with weasel.

    The loader's errors are reported before the checks run. A hook leaves out the lines that run.
    """

    from git_spacy.project.script_line import script_warnings

    project = context.loaded.project
    yield from project.warnings
    yield from _without_script(project)
    for command in project.commands:
        yield from script_warnings(command, mixed_tools=not isinstance(context.view, Staged))
    yield from _overlapping_outputs(context.loaded)
    for param in context.loaded.params:
        yield Diagnostic(
            f"{PARAMS_FILE} counts: {param}",
            f"write the value of {PARAMS_FILE} here, too, or change it there",
            PROJECT_FILE, param.line, param.column, "warning",
        )  # fmt: skip
    if context.strict:
        yield from _unknown_to_weasel(context.loaded)


def _without_script(project: Project) -> Iterator[Diagnostic]:
    for command in project.commands:
        if command.produced and not command.script:
            message = f"'{command.name}' has outputs but no 'script', so nothing produces them"
            hint = "add 'script:' with the lines to run"
            yield Diagnostic(message, hint, PROJECT_FILE, command.line, severity="warning")


def _overlapping_outputs(loaded: LoadedProject) -> Iterator[Diagnostic]:
    """Warn of outputs inside those of another command, which change when that one runs."""

    def position(command: Command, path: ProjectPath) -> Position:
        paths = (
            (*("commands", command.name, key), path.text) for key in ("outputs", "outputs_no_cache")
        )
        known = (loaded.source_map[found] for found in paths if found in loaded.source_map)
        return next(known, (command.line, 1))

    graph = DependencyGraph(loaded.project.commands)
    for command in loaded.project.commands:
        for other, outer in graph.enclosing(command):
            inner = next(path for path in command.produced if outer.holds(path))
            line = position(other, outer)[0]
            yield Diagnostic(
                f"output '{inner}' of '{command.name}' is inside output '{outer}' of"
                f" '{other.name}' (line {line})",
                f"on line {line}, list what '{other.name}' itself writes in place of '{outer}'",
                PROJECT_FILE, *position(command, inner), "warning",
            )  # fmt: skip


def _unknown_to_weasel(loaded: LoadedProject) -> Iterator[Diagnostic]:
    """Warn of workflows in workflows, for teams in which some use weasel."""

    for workflow in loaded.project.workflows:
        for name in workflow.nested:
            position = source_map.nearest_position(
                loaded.source_map, "workflows", workflow.name, name
            )
            yield Diagnostic(
                f"weasel refuses the project: '{name}' in workflow '{workflow.name}' is a workflow",
                f"for weasel, write: {workflow.name}: [{', '.join(workflow.steps)}]",
                PROJECT_FILE, *position, "warning",
            )  # fmt: skip


def _assets(context: _CheckContext) -> Iterator[Diagnostic]:
    """Compare the checksums of the assets that exist, and the sources that they are from."""

    from git_spacy.state.fetched_assets import (
        asset_problem,
        is_edited,
        matches_checksum,
        stale_source,
    )

    view, project = context.view, context.loaded.project
    for algorithm in ("md5", "sha256"):
        assets = [
            asset
            for asset in project.assets
            if asset.content_checksum and asset.content_checksum.algorithm == algorithm
        ]
        fingerprints = view.present([asset.dest for asset in assets], algorithm)
        for asset in assets:
            current = fingerprints[asset.dest.normal]
            if current is None or asset.checksum is None:
                continue
            if current.digest == asset.checksum.digest or (
                current.names and matches_checksum(project, asset, view.stats)
            ):
                continue
            message = (
                f"checksum mismatch: the {algorithm} of asset '{asset.dest}' is {current.digest}"
            )
            hint = checksum_hint(asset, edited=is_edited(project, asset, view.stats))
            position = source_map.nearest_position(
                context.loaded.source_map, "assets", asset.dest.text, "checksum"
            )
            difference = view.benign_difference(asset.dest, asset.checksum.digest)
            if difference == "":
                continue
            if difference:
                message = f"asset '{asset.dest}' {difference}"
                hint = "git lfs pull"
            severity: Severity = "error" if difference is None else "warning"
            yield Diagnostic(
                message, hint, PROJECT_FILE, *position, severity,
                subject=f"asset {asset.dest}", files=(asset.dest.normal, PROJECT_FILE),
            )  # fmt: skip
    for asset in project.assets:
        if asset.extract and (problem := asset_problem(project, asset, view.stats)):
            position = source_map.nearest_position(
                context.loaded.source_map, "assets", asset.dest.text, "checksum"
            )
            message, hint = problem
            yield Diagnostic(
                f"asset '{asset.dest}' {message}", hint, PROJECT_FILE, *position,
                subject=f"asset {asset.dest}", files=(asset.dest.normal, PROJECT_FILE),
            )  # fmt: skip
        elif source := stale_source(project, asset, view.stats):
            position = source_map.nearest_position(
                context.loaded.source_map, "assets", asset.dest.text
            )
            yield Diagnostic(
                f"asset '{asset.dest}' was fetched from {source}",
                f"git spacy assets {quote(asset.dest.text)}", PROJECT_FILE, *position,
                subject=f"asset {asset.dest}", files=(PROJECT_FILE,),
            )  # fmt: skip


def _lock(context: _CheckContext) -> Iterator[Diagnostic]:
    """Compare every entry of project.lock with the committed files."""

    from git_spacy.state import lock_check

    text = None
    try:
        text = context.view.lock()
        entries = {} if text is None else lock_format.parse(text)
    except InvalidInput as error:
        yield from error.problems
        return
    project = with_variants(context.loaded.project, context.data, entries)
    checked = lock_check.check_lock(project, entries, context.view)
    positions = lock_format.source_map(text or b"")
    for reason in orphaned_entries(project, entries):
        hint = "git spacy check lock --fix"
        yield Diagnostic(
            reason.text, hint, LOCK_FILE, *positions[reason.about,],
            subject=f"lock entry {reason.about}", files=(LOCK_FILE, PROJECT_FILE),
        )  # fmt: skip
    reasons = [
        (name, verdict, reason)
        for name, verdict in checked.verdicts.items()
        for reason in lock_check.rerun_reasons(verdict)
    ]
    if reasons:
        from git_spacy.check.lock_hints import LockHints

        hints = LockHints(project, context.view)
    for name, verdict, reason in reasons:
        yield Diagnostic(
            f"'{name}': {reason}", hints.hint(name, verdict, reason),
            LOCK_FILE, *_position(positions, name, reason),
            subject=f"command {name}", files=hints.files(name),
        )  # fmt: skip
    for notice in checked.notices:
        position = source_map.nearest_position(positions, notice.command)
        for key in ("deps", "outs"):
            position = positions.get((notice.command, key, notice.path.text), position)
        message = f"'{notice.command}': '{notice.path}' {notice.message}, so it is not compared"
        yield Diagnostic(message, notice.hint, LOCK_FILE, *position, "warning")
    if context.strict:
        yield from _without_entry(context.loaded, entries)


def _position(positions: Mapping[tuple[str, ...], Position], name: str, reason: Reason) -> Position:
    key = _LOCK_KEYS.get(reason.kind, "")
    if not key:
        return positions[name,]
    return source_map.nearest_position(positions, name, key, reason.about)


def _without_entry(loaded: LoadedProject, entries: Mapping[str, LockEntry]) -> Iterator[Diagnostic]:
    # what has no outputs runs each time and is not always recorded (see `results.is_only_churn`)
    recorded = {command.name for command in loaded.project.commands if command.produced}
    for workflow in loaded.project.workflows:
        for step in workflow.steps:
            if step in recorded and step not in entries:
                position = source_map.nearest_position(
                    loaded.source_map, "workflows", workflow.name, step
                )
                message = f"'{step}' of workflow '{workflow.name}' has no entry in {LOCK_FILE}"
                yield Diagnostic(
                    message, f"git spacy run {step}", PROJECT_FILE, *position,
                    subject=f"step {workflow.name} {step}", files=(LOCK_FILE,),
                )  # fmt: skip


def _generated(context: _CheckContext) -> Iterable[Diagnostic]:
    """Check that the generated files are up to date."""

    from git_spacy.check import generated

    return generated.check_generated(context.loaded, context.data, context.view)


CHECKS: dict[str, Callable[[_CheckContext], Iterable[Diagnostic]]] = {
    "project": _project,
    "assets": _assets,
    "lock": _lock,
    "generated": _generated,
}
