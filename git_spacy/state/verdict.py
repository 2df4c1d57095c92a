"""Must a command run again, and why: (command, entry, snapshot) → Verdict. Pure, no I/O at all.

The one place that decides. Judged by script, dependencies and outputs alone, as the reference
does; stricter where that is blind: a missing output, a file renamed inside a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.state.index import Past, Snapshot
from git_spacy.state.lock import LockEntry, Tracked

State = Literal["fresh", "stale", "never", "always", "missing"]


class Verdict(NamedTuple):
    """`fresh`: skip it. `stale`, `never` (run yet) and `always` (by its own declaration): run it,
    for these reasons. `missing`: it cannot run, for want of `paths`. `entry` is the lock entry
    that makes it fresh, which is an earlier one where a variable set is back."""

    state: State
    reasons: tuple[str, ...] = ()
    paths: tuple[ProjectPath, ...] = ()
    entry: LockEntry | None = None

    @property
    def must_run(self) -> bool:
        return self.state != "fresh"


def verdict(
    command: Command,
    entry: LockEntry | None,
    snapshot: Snapshot,
    past: Sequence[Past] = (),
    filled: Callable[[str], str] | None = None,
) -> Verdict:
    """The verdict on `command`, whose lock entry is `entry`, with `snapshot` of its paths.

    `past` are earlier runs of it. `filled` puts the values of environment variables into a script
    line: the reference records them so; we never do.
    """

    absent = tuple(dep for dep in command.deps if snapshot[dep.normal] is None)
    if absent:
        return Verdict("missing", tuple(f"dependency '{dep}' is missing" for dep in absent), absent)
    if command.no_skip:
        return Verdict("always", ("sets no_skip",))
    if not command.produced:
        return Verdict("always", ("declares no outputs",))
    if entry is None:
        return Verdict("never", ("not run yet",))
    reasons = _reasons(command, entry, snapshot, past, filled)
    if not reasons:
        return Verdict("fresh", entry=entry)
    for earlier in _entries(command, entry, past):
        if not _reasons(command, earlier, snapshot, past, filled):
            return Verdict("fresh", entry=earlier)
    return Verdict("stale", tuple(reasons))


def _entries(command: Command, entry: LockEntry, past: Sequence[Past]) -> Iterable[LockEntry]:
    for run in past:
        script, deps, outs = run.facts
        yield entry._replace(
            name=command.name,
            script=script,
            deps=tuple(Tracked(*dep) for dep in deps),
            outs=tuple(Tracked(*out) for out in outs),
        )


def _reasons(
    command: Command,
    entry: LockEntry,
    snapshot: Snapshot,
    past: Sequence[Past],
    filled: Callable[[str], str] | None,
) -> list[str]:
    reasons = _script_reasons(command, entry, filled)
    reasons += _path_reasons("dependency", command.deps, entry.deps, snapshot)
    reasons += _path_reasons("output", command.produced, entry.outs, snapshot)
    return reasons or _renames(command, entry, snapshot, past)


def _script_reasons(
    command: Command, entry: LockEntry, filled: Callable[[str], str] | None
) -> list[str]:
    if command.script == entry.script:
        return []
    if filled and tuple(map(filled, command.script)) == entry.script:
        return []
    if len(command.script) != len(entry.script):
        return [f"script changed: it has {len(command.script)} lines, had {len(entry.script)}"]
    number, line = next(
        (number, line)
        for number, (line, old) in enumerate(
            zip(command.script, entry.script, strict=True), start=1
        )
        if line != old
    )
    return [f"script changed: line {number} is now '{line}'"]


def _path_reasons(
    role: str, paths: Sequence[ProjectPath], recorded: Sequence[Tracked], snapshot: Snapshot
) -> list[str]:
    was = {item.path: item.md5 for item in recorded}
    reasons = []
    for path in paths:
        now = snapshot[path.normal]
        if now is None:
            reasons.append(f"{role} '{path}' is missing")
        elif path.text not in was:
            reasons.append(f"{role} '{path}' is new")
        elif was[path.text] != now.digest:
            reasons.append(f"{role} '{path}' changed")
    texts = {path.text for path in paths}
    reasons += [f"{role} '{old}' is no longer declared" for old in was if old not in texts]
    return reasons


def _renames(
    command: Command, entry: LockEntry, snapshot: Snapshot, past: Sequence[Past]
) -> list[str]:
    """The same contents under other names: only seen where we remember the names."""

    run = next((run for run in past if run.facts == entry.facts), None)
    if run is None:
        return []
    changed = []
    for path in command.deps + command.produced:
        now = snapshot[path.normal]
        if now is not None and run.names.get(path.text, now.names) != now.names:
            changed.append(f"a file was renamed in '{path}'")
    return changed
