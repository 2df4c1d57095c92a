"""The checks of one project, each a function from a view of it to what is wrong.

They never start a process but git, never ask the network, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.check.finding import Finding, Severity, of_error, of_warning
from git_spacy.errors import Malformed, Unsafe
from git_spacy.files import held
from git_spacy.project import loader, places
from git_spacy.project.graph import check_destinations, who_makes
from git_spacy.project.loader import PROJECT_FILE, Loaded
from git_spacy.project.matrix import command_line, parts, with_variants
from git_spacy.project.model import Project
from git_spacy.project.places import Place
from git_spacy.project.variables import may_be_filled_to
from git_spacy.state import committed, lock
from git_spacy.state.index import home
from git_spacy.state.lock import LOCK_FILE, LockEntry
from git_spacy.state.verdict import Reason, orphans, upstream
from git_spacy.state.view import LFS_POINTER, View

_PARTS = {"dependency": "deps", "output": "outs", "renamed": "deps", "script": "script"}


class _Subject(NamedTuple):
    """What the checks look at; `data` is the text of project.yml."""

    loaded: Loaded
    data: bytes
    view: View
    strict: bool


def run(names: Sequence[str], view: View, *, strict: bool = False) -> list[Finding]:
    """The findings of the checks `names` (of CHECKS), in the order of file and line.

    A project.yml that cannot be loaded is all that there is to say. With `strict` every command
    of every workflow must have an entry in the lock. Raises what the disk or git may.
    """

    try:
        data = view.project()
        loaded = loader.parse(data)
        check_destinations(loaded.project.assets)
    except (Malformed, Unsafe) as error:
        return of_error("project", error, PROJECT_FILE)
    subject = _Subject(loaded, data, view, strict)
    found = [finding for name in names for finding in CHECKS[name](subject)]
    view.save()
    return sorted(found, key=lambda finding: (finding.file, finding.line, finding.column))


def unnoted(root: Path, view: View) -> list[Finding]:
    """The entries of the lock that no record in the ledger has: the two do not agree. Raises
    Malformed outside a repository, Unavailable where git fails."""

    from git_spacy.state import ledger  # which no hook asks

    text = view.lock()
    try:
        entries = {} if text is None else lock.parse(text)
    except Malformed:
        return []  # the check of the lock says so
    noted: dict[str, list[LockEntry]] = {}
    for record in ledger.everything(root):
        if record.exit == 0:
            noted.setdefault(record.command, []).append(record.entry())
    where = lock.places(text or b"")
    return [
        Finding(
            "lock", LOCK_FILE, *where[name,], f"'{name}': no run is noted that has this entry",
            f"git spacy notes pull; if nobody has it: git spacy lock record {name}",
        )
        for name, entry in entries.items()
        if not any(_agree(entry, other) for other in noted.get(parts(name)[0], ()))
    ]  # fmt: skip


def _agree(entry: LockEntry, noted: LockEntry) -> bool:
    if (entry.deps, entry.outs) != (noted.deps, noted.outs):
        return False
    # (the reference writes what environment variables held; a record has their names)
    pairs = zip(entry.script, noted.script, strict=False)
    same = all(line == other or may_be_filled_to(other, line) for line, other in pairs)
    return same and len(entry.script) == len(noted.script)


def drop_orphans(root: Path) -> tuple[str, ...]:
    """Remove the entries of the lock whose commands are gone; return their names. Raises Malformed,
    Unsafe, OSError."""

    data = loader.content(root)
    project = loader.parse(data).project
    with held(home(root) / "project.lock.lock"):
        entries = lock.read(root)
        lost = orphans(with_variants(project, data, entries), entries)
        names = tuple(reason.about for reason in lost)
        if names:
            lock.drop(root, names)
    return names


def _project(subject: _Subject) -> Iterable[Finding]:
    """It loads; what is left are the loader's remarks."""

    for text in subject.loaded.project.warnings:
        yield of_warning("project", text, PROJECT_FILE)


def _assets(subject: _Subject) -> Iterator[Finding]:
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
            mend = f"fetch it again: git spacy assets {asset.dest}; or correct the checksum"
            line, column = places.nearest(
                subject.loaded.places, "assets", asset.dest.text, "checksum"
            )
            words = view.excuse(asset.dest, asset.checksum.digest)
            if words == "":
                continue
            if words:
                what, mend = f"asset '{asset.dest}' {words}", _mend(words, asset.dest.normal)
            severity: Severity = "error" if words is None else "warning"
            yield Finding("assets", PROJECT_FILE, line, column, what, mend, severity)


def _lock(subject: _Subject) -> Iterator[Finding]:
    """Every entry against what is committed."""

    text = subject.view.lock()
    try:
        entries = {} if text is None else lock.parse(text)
    except Malformed as error:
        yield from of_error("lock", error, LOCK_FILE)
        return
    project = with_variants(subject.loaded.project, subject.data, entries)
    judged = committed.judge(project, entries, subject.view)
    where = lock.places(text or b"")
    for reason in orphans(project, entries):
        mend = "git spacy check lock --fix removes it"
        yield Finding("lock", LOCK_FILE, *where[reason.about,], reason.text, mend)
    for name, one in judged.verdicts.items():
        absent = {path.text: path for path in one.absent}
        for reason in committed.faults(one):
            place = _place(where, name, reason)
            mend = (
                who_makes(project, name, absent[reason.about])
                if reason.about in absent
                else _rerun(project, name)
            )
            yield Finding("lock", LOCK_FILE, *place, f"'{name}': {reason}", mend)
    for remark in judged.remarks:
        place = places.nearest(where, remark.command)
        for part in ("deps", "outs"):
            place = where.get((remark.command, part, remark.path.text), place)
        what = f"'{remark.command}': '{remark.path}' {remark.words}, and is not compared"
        mend = _mend(remark.words, remark.path.normal)
        yield Finding("lock", LOCK_FILE, *place, what, mend, "warning")
    if subject.strict:
        yield from _without_entry(subject.loaded, entries)


def _place(where: Mapping[tuple[str, ...], Place], name: str, reason: Reason) -> Place:
    part = _PARTS.get(reason.kind, "")
    return places.nearest(where, name, part, reason.about) if part else where[name,]


def _rerun(project: Project, name: str) -> str:
    """What to type, and what that makes stale in turn."""

    below = [command for command in project.commands if command.name == name]
    for command in project.commands:
        makers = {maker.name for maker, _ in upstream(project, command)}
        if makers & {one.name for one in below} and command.produced and command not in below:
            below.append(command)
    return command_line(below)


def _without_entry(loaded: Loaded, entries: Mapping[str, LockEntry]) -> Iterator[Finding]:
    for workflow in loaded.project.workflows:
        for step in workflow.steps:
            if step not in entries:
                place = places.nearest(loaded.places, "workflows", workflow.name, step)
                what = f"'{step}' of workflow '{workflow.name}' has no entry in {LOCK_FILE}"
                yield Finding("lock", PROJECT_FILE, *place, what, f"git spacy run {step}")


def _mend(words: str, path: str) -> str:
    if words == LFS_POINTER:
        return "git lfs pull"
    return f"keep Git from changing it: a line '{path} -text' in .gitattributes"


def _generated(subject: _Subject) -> Iterable[Finding]:
    """The generated files that there are."""

    from git_spacy.check import generated
    from git_spacy.generate.again import Subject

    view = subject.view
    return generated.check(Subject(view.root, subject.loaded, subject.data), view)


CHECKS: dict[str, Callable[[_Subject], Iterable[Finding]]] = {
    "project": _project,
    "assets": _assets,
    "lock": _lock,
    "generated": _generated,
}
