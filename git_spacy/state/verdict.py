"""Must a command run again, and why: (command, entry, snapshot) → Verdict. Pure, no I/O at all.

The one place that decides, for `run`, `status`, `check` and the hooks, which differ only in where
their snapshot comes from. Judged by script, dependencies and outputs alone, as the reference does;
stricter where that is blind: a missing output, a file renamed inside a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.graph import PathIndex, producers, topological_sort
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.lock import LockEntry, TrackedPath
from git_spacy.state.stat_cache import PreviousRun

State = Literal["up_to_date", "stale", "not_run", "always_runs", "unknown"]
ReasonKind = Literal[
    "script", "dependency", "output", "renamed", "upstream", "not_run", "always_runs", "orphaned"
]


def state_label(state: str) -> str:
    """Return the words that people see for a state of a command or an asset."""

    return state.replace("_", " ")


class Unknown(NamedTuple):
    """Nothing can be said of a path: `lacking` is what one would have to have."""

    missing: str


Fingerprints = Mapping[str, Fingerprint | Unknown | None]
"""What is known of each path (`ProjectPath.normal`); None: nothing stands there."""


class Reason(NamedTuple):
    """Why a command is not up to date, or not known to be: a `kind` for machines, the `path` (as
    project.yml or the lock spells it) or command that it is about, and a text for people."""

    kind: ReasonKind
    text: str
    about: str = ""

    def __str__(self) -> str:
        return self.text


class Verdict(NamedTuple):
    """`up_to_date`: skip it. `stale`, `not_run` and `always_runs` (by its own declaration): run it,
    for these reasons. `unknown`: what is lacking to know is among the reasons. It cannot run while
    `absent`, dependencies of it, are. `entry` is the lock entry that makes it up to date, which
    is an earlier one where a variable set is back."""

    state: State
    reasons: tuple[Reason, ...] = ()
    missing: tuple[ProjectPath, ...] = ()
    entry: LockEntry | None = None

    @property
    def must_run(self) -> bool:
        return self.state != "up_to_date"


SameLine = Callable[[str, str], bool]
"""Whether a script line (as project.yml has it) and a recorded one are the same."""


def verdict(
    command: Command,
    entry: LockEntry | None,
    snapshot: Fingerprints,
    past: Sequence[PreviousRun] = (),
    same_line: SameLine | None = None,
    change_messages: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict on `command`, whose lock entry is `entry`, with `snapshot` of its paths.

    `past` are earlier runs of it. `alike` compares script lines, since the reference records the
    values of environment variables and we do not. `told` says for a path (`ProjectPath.normal`)
    how what the snapshot has for it is known: the words for a difference, instead of "changed".
    """

    absent = tuple(dep for dep in command.deps if snapshot[dep.normal] is None)
    lacking = tuple(_missing("dependency", dep) for dep in absent)
    if command.no_skip:
        return Verdict("always_runs", (Reason("always_runs", "sets no_skip"), *lacking), absent)
    if not command.produced:
        return Verdict(
            "always_runs", (Reason("always_runs", "declares no outputs"), *lacking), absent
        )
    if entry is None:
        return Verdict("not_run", (Reason("not_run", "not run yet"), *lacking), absent)
    judge = _Comparison(command, snapshot, past, same_line or str.__eq__, change_messages or {})
    reasons = judge.diff(entry)
    if reasons and not absent:
        for earlier in _entries(entry, past):
            if not judge.diff(earlier) and not judge.unknown:
                return Verdict("up_to_date", entry=earlier)
    if len(reasons) > len(absent):
        return Verdict("stale", tuple(reasons), absent)
    if reasons or judge.unknown:
        return Verdict("unknown", (*reasons, *judge.unknown), absent)
    return Verdict("up_to_date", entry=entry)


def with_upstream(project: Project, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The same verdicts (by command name), and a command whose dependency's maker is stale, was
    never run or is not known to be up to date is so itself, and says so."""

    above = _upstream_of_all(project)
    needs = {name: [maker.name for maker, _ in found] for name, found in above.items()}
    settled = dict(verdicts)
    for name in topological_sort(needs):
        if name in settled:
            for maker, dep in above[name]:
                known = settled.get(maker.name, Verdict("up_to_date"))
                settled[name] = _below(settled[name], maker, dep, known)
    return settled


def upstream(project: Project, command: Command) -> Iterable[tuple[Command, ProjectPath]]:
    """The other commands that make what `command` reads, each once, with what that is."""

    seen = {command.name}
    for dep in command.deps:
        for maker in producers(project, dep):
            if isinstance(maker, Command) and maker.name not in seen:
                seen.add(maker.name)
                yield maker, dep


def _upstream_of_all(project: Project) -> dict[str, list[tuple[Command, ProjectPath]]]:
    """The same of every command, in a time that does not grow with the square of their number."""

    made = PathIndex(
        (path, number) for number, one in enumerate(project.commands) for path in one.produced
    )
    found: dict[str, list[tuple[Command, ProjectPath]]] = {}
    for number, command in enumerate(project.commands):
        seen = {number}
        found[command.name] = []
        for dep in command.deps:
            for maker in sorted({other for _, other in made.touching(dep)} - seen):
                seen.add(maker)
                found[command.name].append((project.commands[maker], dep))
    return found


def _below(own: Verdict, maker: Command, dep: ProjectPath, above: Verdict) -> Verdict:
    words = {"stale": "is stale", "not_run": "was not run yet", "unknown": "may be stale"}
    if above.state not in words or own.state == "always_runs":
        return own
    text = f"'{maker.name}', which makes '{dep}', {words[above.state]}"
    reasons = (*own.reasons, Reason("upstream", text, maker.name))
    if own.state == "up_to_date":
        return Verdict("unknown" if above.state == "unknown" else "stale", reasons)
    if own.state == "unknown" and above.state != "unknown":
        return own._replace(state="stale", reasons=reasons)
    return own._replace(reasons=reasons)


def orphans(project: Project, entries: Iterable[str]) -> tuple[Reason, ...]:
    """Why entries of the lock say nothing: there is no command of their name."""

    names = [command.name for command in project.commands]
    found = []
    for name in entries:
        if name not in names:
            close = did_you_mean(name, names)
            text = f"lock entry for '{name}', which no longer exists"
            found.append(Reason("orphaned", f"{text} ({close})" if close else text, name))
    return tuple(found)


class _Comparison(NamedTuple):
    """What a command is held against; the entries come and go."""

    command: Command
    snapshot: Fingerprints
    past: Sequence[PreviousRun]
    alike: SameLine
    told: Mapping[str, str]

    def diff(self, entry: LockEntry) -> list[Reason]:
        """Everything that differs from `entry`."""

        found = script_reasons(self.command, entry, self.alike)
        found += self._paths("dependency", self.command.deps, entry.deps)
        found += self._paths("output", self.command.produced, entry.outs)
        return found or self._renames(entry)

    @property
    def unknown(self) -> list[Reason]:
        """What is lacking to know."""

        return [
            Reason("dependency", known.missing, path.text)
            for path in (*self.command.deps, *self.command.produced)
            if isinstance(known := self.snapshot[path.normal], Unknown)
        ]

    def _paths(
        self,
        role: Literal["dependency", "output"],
        paths: Sequence[ProjectPath],
        recorded: Sequence[TrackedPath],
    ) -> list[Reason]:
        was = {item.path: item.md5 for item in recorded}
        reasons = []
        for path in paths:
            now = self.snapshot[path.normal]
            if now is None:
                reasons.append(_missing(role, path))
            elif path.text not in was:
                reasons.append(Reason(role, f"{role} '{path}' is new", path.text))
            elif not isinstance(now, Unknown) and was[path.text] != now.digest:
                words = self.told.get(path.normal, "changed")
                reasons.append(Reason(role, f"{role} '{path}' {words}", path.text))
        texts = {path.text for path in paths}
        return reasons + [
            Reason(role, f"{role} '{old}' is no longer declared", old)
            for old in was
            if old not in texts
        ]

    def _renames(self, entry: LockEntry) -> list[Reason]:
        """The same contents under other names: only seen where we remember the names."""

        run = next((run for run in self.past if run.fingerprint_key == entry.fingerprint_key), None)
        if run is None:
            return []
        changed = []
        for path in self.command.deps + self.command.produced:
            now = self.snapshot[path.normal]
            if now is None or isinstance(now, Unknown):
                continue
            if run.names.get(path.text, now.names) != now.names:
                text = f"a file was renamed in '{path}'"
                changed.append(Reason("renamed", text, path.text))
        return changed


def _missing(role: Literal["dependency", "output"], path: ProjectPath) -> Reason:
    return Reason(role, f"{role} '{path}' is missing", path.text)


def _entries(entry: LockEntry, past: Sequence[PreviousRun]) -> Iterable[LockEntry]:
    for run in past:
        script, deps, outs = run.fingerprint_key
        yield entry._replace(
            script=script,
            deps=tuple(TrackedPath(*dep) for dep in deps),
            outs=tuple(TrackedPath(*out) for out in outs),
        )


def script_reasons(command: Command, entry: LockEntry, same_line: SameLine) -> list[Reason]:
    """How the script of `command` differs from the one that ran, if it does."""

    if len(command.script) != len(entry.script):
        text = f"script changed: it has {len(command.script)} lines, had {len(entry.script)}"
        return [Reason("script", text)]
    for number, (line, old) in enumerate(zip(command.script, entry.script, strict=True), start=1):
        if line != old and not same_line(line, old):
            return [Reason("script", f"script changed: line {number} is now '{line}'")]
    return []
