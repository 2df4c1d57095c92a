"""The checks of a project. Each reads the worktree or the index, and yields findings.

They start no process but git, use no network, and change nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.check.finding import Finding, Severity, finding_of_warning, findings_of_error
from git_spacy.errors import InvalidInput, Refused
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LOCK_FILE, LockEntry
from git_spacy.project import loader, source_map
from git_spacy.project.graph import DependencyGraph, check_destinations
from git_spacy.project.loader import PROJECT_FILE, LoadedProject
from git_spacy.project.matrix import command_line, split_name, with_variants
from git_spacy.project.model import Command, Project
from git_spacy.project.source_map import Position
from git_spacy.project.variables import could_resolve_to
from git_spacy.state import lock_check
from git_spacy.state.project_view import LFS_POINTER, Staged, View
from git_spacy.state.tracked_paths import missing_hint
from git_spacy.state.verdict import Reason, orphaned_entries

_LOCK_KEYS = {"dependency": "deps", "output": "outs", "renamed": "deps", "script": "script"}


class _CheckContext(NamedTuple):
    """The input of the checks. `data` is the content of project.yml."""

    loaded: LoadedProject
    data: bytes
    view: View
    strict: bool


def run_checks(names: Sequence[str], view: View, *, strict: bool = False) -> list[Finding]:
    """Run the checks `names`, which are keys of CHECKS; return the findings by file and line.

    If project.yml cannot be loaded, only its errors are returned. With `strict`, every command of
    every workflow must have an entry in project.lock. The hint of a finding that is only due to
    unstaged files says which to add. Raises OSError, ExternalError if git fails.
    """

    findings = _run_checks(names, view, strict)
    if findings and isinstance(view, Staged):
        from git_spacy.check import staging

        findings = staging.hint_at_unstaged_files(
            findings, view, lambda other: _run_checks(names, other, strict)
        )
    return findings


def _run_checks(names: Sequence[str], view: View, strict: bool) -> list[Finding]:
    try:
        data = view.project()
        loaded = loader.parse(data)
        check_destinations(loaded.project.assets)
    except (InvalidInput, Refused) as error:
        return findings_of_error("project", error, PROJECT_FILE)
    context = _CheckContext(loaded, data, view, strict)
    findings = [finding for name in names for finding in CHECKS[name](context)]
    view.save()
    return sorted(findings, key=lambda finding: (finding.file, finding.line, finding.column))


def unrecorded_entries(root: Path, view: View) -> list[Finding]:
    """Return a finding for each entry of project.lock that no run record matches.

    Raises InvalidInput outside a repository, ExternalError if git fails.
    """

    from git_spacy.history import run_history  # imported late, since hooks do not need it

    text = view.lock()
    try:
        entries = {} if text is None else lock_format.parse(text)
    except InvalidInput:
        return []  # reported by the check of project.lock
    recorded: dict[str, list[LockEntry]] = {}
    for record in run_history.all_records(root):
        if record.exit == 0:
            recorded.setdefault(record.command, []).append(record.entry())
    positions = lock_format.source_map(text or b"")
    return [
        Finding(
            "lock", LOCK_FILE, *positions[name,], f"'{name}': no run record matches this entry",
            f"git spacy notes pull\nor, to record it: git spacy lock record {name}",
        )
        for name, entry in entries.items()
        if not any(_agree(entry, other) for other in recorded.get(split_name(name)[0], ()))
    ]  # fmt: skip


def _agree(entry: LockEntry, recorded: LockEntry) -> bool:
    if (entry.deps, entry.outs) != (recorded.deps, recorded.outs):
        return False
    # weasel records the values of environment variables; a run record has their names
    pairs = zip(entry.script, recorded.script, strict=False)
    is_same = all(line == other or could_resolve_to(other, line) for line, other in pairs)
    return is_same and len(entry.script) == len(recorded.script)


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


def _project(context: _CheckContext) -> Iterable[Finding]:
    """Yield the warnings of the loader; its errors are reported before the checks run."""

    for text in context.loaded.project.warnings:
        yield finding_of_warning("project", text, PROJECT_FILE)


def _assets(context: _CheckContext) -> Iterator[Finding]:
    """Compare the checksums of the assets that exist."""

    view, project = context.view, context.loaded.project
    for algorithm in ("md5", "sha256"):
        assets = [
            asset
            for asset in project.assets
            if asset.checksum and asset.checksum.algorithm == algorithm
        ]
        fingerprints = view.present([asset.dest for asset in assets], algorithm)
        for asset in assets:
            current = fingerprints[asset.dest.normal]
            if current is None or asset.checksum is None:
                continue
            if current.digest == asset.checksum.digest:
                continue
            message = (
                f"checksum mismatch: the {algorithm} of asset '{asset.dest}' is {current.digest}"
            )
            hint = f"git spacy assets {asset.dest}\nor correct the checksum"
            line, column = source_map.nearest_position(
                context.loaded.source_map, "assets", asset.dest.text, "checksum"
            )
            difference = view.benign_difference(asset.dest, asset.checksum.digest)
            if difference == "":
                continue
            if difference:
                message = f"asset '{asset.dest}' {difference}"
                hint = _difference_hint(difference, asset.dest.normal)
            severity: Severity = "error" if difference is None else "warning"
            yield Finding(
                "assets", PROJECT_FILE, line, column, message, hint, severity,
                subject=f"asset {asset.dest}", files=(asset.dest.normal, PROJECT_FILE),
            )  # fmt: skip


def _lock(context: _CheckContext) -> Iterator[Finding]:
    """Compare every entry of project.lock with the committed files."""

    text = context.view.lock()
    try:
        entries = {} if text is None else lock_format.parse(text)
    except InvalidInput as error:
        yield from findings_of_error("lock", error, LOCK_FILE)
        return
    project = with_variants(context.loaded.project, context.data, entries)
    checked = lock_check.check_lock(project, entries, context.view)
    positions = lock_format.source_map(text or b"")
    for reason in orphaned_entries(project, entries):
        hint = "git spacy check lock --fix"
        yield Finding(
            "lock", LOCK_FILE, *positions[reason.about,], reason.text, hint,
            subject=f"lock entry {reason.about}", files=(LOCK_FILE, PROJECT_FILE),
        )  # fmt: skip
    commands = {command.name: command for command in project.commands}
    for name, verdict in checked.verdicts.items():
        files = _files_in_git(project, commands[name])
        missing = {path.text: path for path in verdict.missing}
        for reason in lock_check.rerun_reasons(verdict):
            position = _position(positions, name, reason)
            hint = (
                missing_hint(project, context.view.root, name, missing[reason.about])
                if reason.about in missing
                else _rerun_command(project, name, context.view.root)
            )
            yield Finding(
                "lock", LOCK_FILE, *position, f"'{name}': {reason}", hint,
                subject=f"command {name}", files=(LOCK_FILE, *files),
            )  # fmt: skip
    for notice in checked.notices:
        position = source_map.nearest_position(positions, notice.command)
        for key in ("deps", "outs"):
            position = positions.get((notice.command, key, notice.path.text), position)
        message = f"'{notice.command}': '{notice.path}' {notice.message}, so it is not compared"
        hint = _difference_hint(notice.message, notice.path.normal)
        yield Finding("lock", LOCK_FILE, *position, message, hint, "warning")
    if context.strict:
        yield from _without_entry(context.loaded, entries)


def _files_in_git(project: Project, command: Command) -> tuple[str, ...]:
    """Return the paths of `command` that belong in Git: no cached outputs, no fetched assets."""

    cached = {path.normal for other in project.commands for path in other.outputs}
    fetched = {asset.dest.normal for asset in project.assets if asset.url or asset.git}
    committed = {path.normal for other in project.commands for path in other.outputs_no_cache}
    elsewhere = (cached | fetched) - committed
    paths = (path.normal for path in (*command.deps, *command.produced))
    return tuple(path for path in paths if path not in elsewhere)


def _position(positions: Mapping[tuple[str, ...], Position], name: str, reason: Reason) -> Position:
    key = _LOCK_KEYS.get(reason.kind, "")
    if not key:
        return positions[name,]
    return source_map.nearest_position(positions, name, key, reason.about)


def _rerun_command(project: Project, name: str, root: Path) -> str:
    """Return a command line that runs `name` again, and all commands that then become stale.

    Commands whose outputs do not exist come first, since `name` could not run without them.
    """

    graph = DependencyGraph(project.commands)
    upstream, order = graph.upstream_names(), graph.producers_first()
    commands = {command.name: command for command in project.commands}
    names = {name}
    for other in order:
        if commands[other].produced and not names.isdisjoint(upstream[other]):
            names.add(other)
    needed = [name]
    for other in needed:
        absent = [name for name in upstream[other] if _lacks_outputs(commands[name], root)]
        needed += [name for name in absent if name not in needed]
    return command_line(commands[name] for name in order if name in names.union(needed))


def _lacks_outputs(command: Command, root: Path) -> bool:
    return not all(os.path.lexists(root / path.normal) for path in command.produced)


def _without_entry(loaded: LoadedProject, entries: Mapping[str, LockEntry]) -> Iterator[Finding]:
    for workflow in loaded.project.workflows:
        for step in workflow.steps:
            if step not in entries:
                position = source_map.nearest_position(
                    loaded.source_map, "workflows", workflow.name, step
                )
                message = f"'{step}' of workflow '{workflow.name}' has no entry in {LOCK_FILE}"
                yield Finding(
                    "lock", PROJECT_FILE, *position, message, f"git spacy run {step}",
                    subject=f"step {workflow.name} {step}", files=(LOCK_FILE,),
                )  # fmt: skip


def _difference_hint(difference: str, path: str) -> str:
    if difference == LFS_POINTER:
        return "git lfs pull"
    return f"add the line '{path} -text' to .gitattributes, so that Git does not change the file"


def _generated(context: _CheckContext) -> Iterable[Finding]:
    """Check that the generated files are up to date."""

    from git_spacy.check import generated
    from git_spacy.generate.registry import GeneratorInput

    view = context.view
    generator_input = GeneratorInput(view.root, context.loaded, context.data)
    return generated.check_generated(generator_input, view)


CHECKS: dict[str, Callable[[_CheckContext], Iterable[Finding]]] = {
    "project": _project,
    "assets": _assets,
    "lock": _lock,
    "generated": _generated,
}
