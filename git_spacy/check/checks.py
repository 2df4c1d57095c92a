"""The checks of one project, each a function from a view of it to what is wrong.

They never start a process but git, never ask the network, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.check.finding import Finding, Severity, finding_of_warning, findings_of_error
from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import file_lock
from git_spacy.project import loader, source_map
from git_spacy.project.graph import check_destinations, producer_hint
from git_spacy.project.loader import PROJECT_FILE, LoadedProject
from git_spacy.project.matrix import command_line, split_name, with_variants
from git_spacy.project.model import Project
from git_spacy.project.source_map import Position
from git_spacy.project.variables import could_resolve_to
from git_spacy.state import lock, lock_check
from git_spacy.state.lock import LOCK_FILE, LockEntry
from git_spacy.state.project_view import LFS_POINTER, View
from git_spacy.state.stat_cache import state_dir
from git_spacy.state.verdict import Reason, orphaned_entries, upstream_commands

_PARTS = {"dependency": "deps", "output": "outs", "renamed": "deps", "script": "script"}


class _CheckContext(NamedTuple):
    """What the checks look at; `data` is the text of project.yml."""

    loaded: LoadedProject
    data: bytes
    view: View
    strict: bool


def run_checks(names: Sequence[str], view: View, *, strict: bool = False) -> list[Finding]:
    """The findings of the checks `names` (of CHECKS), in the order of file and line.

    A project.yml that cannot be loaded is all that there is to say. With `strict` every command
    of every workflow must have an entry in the lock. Raises what the disk or git may.
    """

    try:
        data = view.project()
        loaded = loader.parse(data)
        check_destinations(loaded.project.assets)
    except (InvalidInput, Refused) as error:
        return findings_of_error("project", error, PROJECT_FILE)
    subject = _CheckContext(loaded, data, view, strict)
    found = [finding for name in names for finding in CHECKS[name](subject)]
    view.save()
    return sorted(found, key=lambda finding: (finding.file, finding.line, finding.column))


def unrecorded_entries(root: Path, view: View) -> list[Finding]:
    """The entries of the lock that no record in the ledger has: the two do not agree. Raises
    Malformed outside a repository, Unavailable where git fails."""

    from git_spacy.state import run_history  # which no hook asks

    text = view.lock()
    try:
        entries = {} if text is None else lock.parse(text)
    except InvalidInput:
        return []  # the check of the lock says so
    noted: dict[str, list[LockEntry]] = {}
    for record in run_history.all_records(root):
        if record.exit == 0:
            noted.setdefault(record.command, []).append(record.entry())
    where = lock.source_map(text or b"")
    return [
        Finding(
            "lock", LOCK_FILE, *where[name,], f"'{name}': no run is noted that has this entry",
            f"git spacy notes pull; if nobody has it: git spacy lock record {name}",
        )
        for name, entry in entries.items()
        if not any(_agree(entry, other) for other in noted.get(split_name(name)[0], ()))
    ]  # fmt: skip


def _agree(entry: LockEntry, noted: LockEntry) -> bool:
    if (entry.deps, entry.outs) != (noted.deps, noted.outs):
        return False
    # (the reference writes what environment variables held; a record has their names)
    pairs = zip(entry.script, noted.script, strict=False)
    same = all(line == other or could_resolve_to(other, line) for line, other in pairs)
    return same and len(entry.script) == len(noted.script)


def drop_orphans(root: Path) -> tuple[str, ...]:
    """Remove the entries of the lock whose commands are gone; return their names. Raises Malformed,
    Unsafe, OSError."""

    data = loader.read_bytes(root)
    project = loader.parse(data).project
    with file_lock(state_dir(root) / "project.lock.lock"):
        entries = lock.read(root)
        lost = orphaned_entries(with_variants(project, data, entries), entries)
        names = tuple(reason.about for reason in lost)
        if names:
            lock.remove_entries(root, names)
    return names


def _project(subject: _CheckContext) -> Iterable[Finding]:
    """It loads; what is left are the loader's remarks."""

    for text in subject.loaded.project.warnings:
        yield finding_of_warning("project", text, PROJECT_FILE)


def _assets(subject: _CheckContext) -> Iterator[Finding]:
    """The checksums of the assets that are there."""

    view, project = subject.view, subject.loaded.project
    for algorithm in ("md5", "sha256"):
        assets = [
            asset
            for asset in project.assets
            if asset.checksum and asset.checksum.algorithm == algorithm
        ]
        here = view.present([asset.dest for asset in assets], algorithm)
        for asset in assets:
            now = here[asset.dest.normal]
            if now is None or asset.checksum is None or now.digest == asset.checksum.digest:
                continue
            what = f"asset '{asset.dest}': its {algorithm} is {now.digest}, not this"
            hint = f"fetch it again: git spacy assets {asset.dest}; or correct the checksum"
            line, column = source_map.nearest_position(
                subject.loaded.source_map, "assets", asset.dest.text, "checksum"
            )
            words = view.benign_difference(asset.dest, asset.checksum.digest)
            if words == "":
                continue
            if words:
                what, hint = f"asset '{asset.dest}' {words}", _hint(words, asset.dest.normal)
            severity: Severity = "error" if words is None else "warning"
            yield Finding("assets", PROJECT_FILE, line, column, what, hint, severity)


def _lock(subject: _CheckContext) -> Iterator[Finding]:
    """Every entry against what is committed."""

    text = subject.view.lock()
    try:
        entries = {} if text is None else lock.parse(text)
    except InvalidInput as error:
        yield from findings_of_error("lock", error, LOCK_FILE)
        return
    project = with_variants(subject.loaded.project, subject.data, entries)
    judged = lock_check.check_lock(project, entries, subject.view)
    where = lock.source_map(text or b"")
    for reason in orphaned_entries(project, entries):
        hint = "git spacy check lock --fix removes it"
        yield Finding("lock", LOCK_FILE, *where[reason.about,], reason.text, hint)
    for name, one in judged.verdicts.items():
        absent = {path.text: path for path in one.missing}
        for reason in lock_check.rerun_reasons(one):
            place = _place(where, name, reason)
            hint = (
                producer_hint(project, name, absent[reason.about])
                if reason.about in absent
                else _rerun(project, name)
            )
            yield Finding("lock", LOCK_FILE, *place, f"'{name}': {reason}", hint)
    for remark in judged.notices:
        place = source_map.nearest_position(where, remark.command)
        for part in ("deps", "outs"):
            place = where.get((remark.command, part, remark.path.text), place)
        what = f"'{remark.command}': '{remark.path}' {remark.message}, and is not compared"
        hint = _hint(remark.message, remark.path.normal)
        yield Finding("lock", LOCK_FILE, *place, what, hint, "warning")
    if subject.strict:
        yield from _without_entry(subject.loaded, entries)


def _place(where: Mapping[tuple[str, ...], Position], name: str, reason: Reason) -> Position:
    part = _PARTS.get(reason.kind, "")
    return source_map.nearest_position(where, name, part, reason.about) if part else where[name,]


def _rerun(project: Project, name: str) -> str:
    """What to type, and what that makes stale in turn."""

    below = [command for command in project.commands if command.name == name]
    for command in project.commands:
        makers = {maker.name for maker, _ in upstream_commands(project, command)}
        if makers & {one.name for one in below} and command.produced and command not in below:
            below.append(command)
    return command_line(below)


def _without_entry(loaded: LoadedProject, entries: Mapping[str, LockEntry]) -> Iterator[Finding]:
    for workflow in loaded.project.workflows:
        for step in workflow.steps:
            if step not in entries:
                place = source_map.nearest_position(
                    loaded.source_map, "workflows", workflow.name, step
                )
                what = f"'{step}' of workflow '{workflow.name}' has no entry in {LOCK_FILE}"
                yield Finding("lock", PROJECT_FILE, *place, what, f"git spacy run {step}")


def _hint(words: str, path: str) -> str:
    if words == LFS_POINTER:
        return "git lfs pull"
    return f"keep Git from changing it: a line '{path} -text' in .gitattributes"


def _generated(subject: _CheckContext) -> Iterable[Finding]:
    """The generated files that there are."""

    from git_spacy.check import generated
    from git_spacy.generate.registry import GeneratorInput

    view = subject.view
    return generated.check_generated(GeneratorInput(view.root, subject.loaded, subject.data), view)


CHECKS: dict[str, Callable[[_CheckContext], Iterable[Finding]]] = {
    "project": _project,
    "assets": _assets,
    "lock": _lock,
    "generated": _generated,
}
