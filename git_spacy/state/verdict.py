"""Decide whether a command must run again, and why. Pure.

This is the only place that decides, for `run`, `status`, `check` and the hooks; they differ only in
where their fingerprints come from. As in weasel, script, dependencies and outputs count. It is
stricter than weasel where that is blind: a missing output, a file renamed inside a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from git_spacy.light_typing import Literal, NamedTuple
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import PreviousRun

State = Literal["up_to_date", "stale", "not_run", "always_runs", "unknown"]
ReasonKind = Literal[
    "script", "dependency", "output", "renamed", "upstream", "not_run", "always_runs", "orphaned"
]


def state_label(state: str) -> str:
    """Return the words that people see for a state of a command or an asset."""

    return state.replace("_", " ")


class Unknown(NamedTuple):
    """Stands for the fingerprint of a path that cannot be determined, and says why."""

    reason: str


Fingerprints = Mapping[str, Fingerprint | Unknown | None]
"""The fingerprint of each path, by `ProjectPath.normal`; None if the path does not exist."""


class Reason(NamedTuple):
    """Why a command is not up to date, or not known to be.

    `kind` is for programs, `text` for people; `about` is the path (as project.yml or the lock
    spells it) or the command concerned.
    """

    kind: ReasonKind
    text: str
    about: str = ""

    def __str__(self) -> str:
        return self.text


class Verdict(NamedTuple):
    """Whether a command must run, and why.

    An `up_to_date` command is skipped; a command that is `stale`, `not_run` or `always_runs` must
    run. For `unknown`, the reasons say which information is missing. A command cannot run while
    `missing` paths do not exist, or only in Git, outside the sparse checkout. `entry` is the lock
    entry that makes a command up to date: an earlier one if a set of variables is used again.
    """

    state: State
    reasons: tuple[Reason, ...] = ()
    missing: tuple[ProjectPath, ...] = ()
    entry: LockEntry | None = None

    @property
    def must_run(self) -> bool:
        return self.state != "up_to_date"


def changed_message(files: Sequence[str]) -> str:
    """Return the words for a folder in which these files differ: up to five of their names."""

    if not files:
        return "changed"
    names = ", ".join(f"'{name}'" for name in files[:_MAX_NAMES])
    more = len(files) - _MAX_NAMES
    return f"changed: {names} and {more} more" if more > 0 else f"changed: {names}"


_MAX_NAMES = 5
SameLine = Callable[[str, str], bool]
"""Whether a script line of project.yml and a recorded one are the same."""


def compute_verdict(
    command: Command,
    entry: LockEntry | None,
    fingerprints: Fingerprints,
    previous_runs: Sequence[PreviousRun] = (),
    same_line: SameLine | None = None,
    change_messages: Mapping[str, str] | None = None,
    entries: Mapping[str, LockEntry] | None = None,
) -> Verdict:
    """Return the verdict on `command` with the lock entry `entry`.

    `fingerprints` has every dependency and output of the command. `same_line` compares a script
    line with a recorded one; weasel records values of environment variables, we record their
    names. `change_messages` maps a path (`ProjectPath.normal`) to the words for a difference, in
    place of "changed". `entries` are those of the lock: a command whose outputs are now those of
    another one has not run, and nothing is wrong with its entry.
    """

    if command.unset:
        unset = (Reason("dependency", problem.message) for problem in command.unset)
        return Verdict("unknown", tuple(unset))
    missing = tuple(dep for dep in command.deps if fingerprints[dep.normal] is None)
    missing_reasons = tuple(_missing("dependency", dep) for dep in missing)
    if command.no_skip or not command.produced:
        text = "sets no_skip" if command.no_skip else "declares no outputs"
        return Verdict("always_runs", (Reason("always_runs", text), *missing_reasons), missing)
    if entry is None:
        return Verdict("not_run", (Reason("not_run", "not run yet"), *missing_reasons), missing)
    comparison = _Comparison(
        command, fingerprints, previous_runs, same_line or str.__eq__, change_messages or {}
    )
    reasons = comparison.diff(entry)
    unknown = comparison.unknown_reasons
    if reasons and not missing and not unknown:
        for earlier in _previous_entries(entry, previous_runs):
            if not comparison.diff(earlier):
                return Verdict("up_to_date", entry=earlier)
    replaced = comparison.replaced_outputs(entries or {}) if reasons else []
    if replaced and {reason.about for reason in replaced} == {reason.about for reason in reasons}:
        return Verdict("not_run", tuple(replaced))
    if len(reasons) > len(missing):
        return Verdict("stale", tuple(reasons), missing)
    if reasons or unknown:
        return Verdict("unknown", (*reasons, *unknown), missing)
    return Verdict("up_to_date", entry=entry)


def with_upstream(project: Project, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Return the verdicts (by command name) with the states of upstream commands considered.

    A command whose dependency comes from a command that must run, or may have to, is stale or
    unknown itself. Of several commands that produce the same, one that is up to date is enough.
    """

    graph = DependencyGraph(project.commands)
    result = dict(verdicts)
    for name in graph.producers_first():
        if name in result:
            for producer, dep in graph.upstream[name]:
                others = graph.alternatives(producer, dep)
                if any(is_current(result[other.name]) for other in others if other.name in result):
                    continue
                known = result.get(producer.name, Verdict("up_to_date"))
                result[name] = _with_upstream_state(result[name], producer, dep, known)
    return result


def is_current(verdict: Verdict) -> bool:
    """Return whether nothing is known to be wrong with the outputs of a command."""

    return verdict.state in ("up_to_date", "always_runs")


_UPSTREAM_TEXTS: Mapping[State, str] = {
    "stale": "is stale", "not_run": "has not run yet", "unknown": "may be stale",
}  # fmt: skip


def _with_upstream_state(
    own: Verdict, producer: Command, dep: ProjectPath, upstream: Verdict
) -> Verdict:
    if upstream.state not in _UPSTREAM_TEXTS or own.state == "always_runs":
        return own
    text = f"'{producer.name}', which produces '{dep}', {_UPSTREAM_TEXTS[upstream.state]}"
    reasons = (*own.reasons, Reason("upstream", text, producer.name))
    if own.state == "up_to_date":
        return Verdict("unknown" if upstream.state == "unknown" else "stale", reasons)
    if own.state == "unknown" and upstream.state != "unknown":
        return own._replace(state="stale", reasons=reasons)
    return own._replace(reasons=reasons)


def orphaned_entries(project: Project, entries: Iterable[str]) -> tuple[Reason, ...]:
    """Return a reason for each lock entry whose command does not exist."""

    names = [command.name for command in project.commands]
    reasons = []
    for name in entries:
        if name not in names:
            suggestion = did_you_mean(name, names)
            text = f"lock entry for '{name}', which no longer exists"
            text = f"{text} ({suggestion})" if suggestion else text
            reasons.append(Reason("orphaned", text, name))
    return tuple(reasons)


class _Comparison(NamedTuple):
    """Compares the present state of one command with lock entries."""

    command: Command
    fingerprints: Fingerprints
    previous_runs: Sequence[PreviousRun]
    same_line: SameLine
    change_messages: Mapping[str, str]

    def diff(self, entry: LockEntry) -> list[Reason]:
        """Return every difference from `entry`."""

        reasons = script_reasons(self.command, entry, self.same_line)
        reasons += self._path_reasons("dependency", self.command.deps, entry.deps)
        reasons += self._path_reasons("output", self.command.produced, entry.outs)
        return reasons or self._rename_reasons(entry)

    @property
    def unknown_reasons(self) -> list[Reason]:
        """Why fingerprints of paths are unknown."""

        return [
            Reason("dependency", fingerprint.reason, path.text)
            for path in (*self.command.deps, *self.command.produced)
            if isinstance(fingerprint := self.fingerprints[path.normal], Unknown)
        ]

    def replaced_outputs(self, entries: Mapping[str, LockEntry]) -> list[Reason]:
        """Return a reason for each output that is there as another command produced it."""

        reasons = []
        for path in self.command.produced:
            current = self.fingerprints[path.normal]
            if current is None or isinstance(current, Unknown):
                continue
            producers = {
                other.name
                for other in entries.values()
                for out in other.outs
                if out.md5 == current.digest and out.path == path.text
            }
            if producers and self.command.name not in producers:
                text = f"output '{path}' is that of '{min(producers)}'"
                reasons.append(Reason("output", text, path.text))
        return reasons

    def _path_reasons(
        self,
        role: Literal["dependency", "output"],
        paths: Sequence[ProjectPath],
        recorded: Sequence[TrackedPath],
    ) -> list[Reason]:
        recorded_md5s = {item.path: item.md5 for item in recorded}
        reasons = []
        for path in paths:
            current = self.fingerprints[path.normal]
            if current is None:
                reasons.append(_missing(role, path))
            elif path.text not in recorded_md5s:
                reasons.append(Reason(role, f"{role} '{path}' is new", path.text))
            elif not isinstance(current, Unknown) and recorded_md5s[path.text] != current.digest:
                change = self.change_messages.get(path.normal, "changed")
                reasons.append(Reason(role, f"{role} '{path}' {change}", path.text))
        declared = {path.text for path in paths}
        return reasons + [
            Reason(role, f"{role} '{old}' is no longer declared", old)
            for old in recorded_md5s
            if old not in declared
        ]

    def _rename_reasons(self, entry: LockEntry) -> list[Reason]:
        """Find renames in folders: the stat cache remembers the names, the lock does not."""

        key = entry.fingerprint_key
        run = next((run for run in self.previous_runs if run.fingerprint_key == key), None)
        if run is None:
            return []
        reasons = []
        for path in self.command.deps + self.command.produced:
            current = self.fingerprints[path.normal]
            if current is None or isinstance(current, Unknown):
                continue
            if run.names.get(path.text, current.names) != current.names:
                text = f"a file was renamed in '{path}'"
                reasons.append(Reason("renamed", text, path.text))
        return reasons


def _missing(role: Literal["dependency", "output"], path: ProjectPath) -> Reason:
    return Reason(role, f"{role} '{path}' is missing", path.text)


def _previous_entries(
    entry: LockEntry, previous_runs: Sequence[PreviousRun]
) -> Iterable[LockEntry]:
    for run in previous_runs:
        script, deps, outs = run.fingerprint_key
        yield entry._replace(
            script=script,
            deps=tuple(TrackedPath(*dep) for dep in deps),
            outs=tuple(TrackedPath(*out) for out in outs),
        )


def script_reasons(command: Command, entry: LockEntry, same_line: SameLine) -> list[Reason]:
    """Return the first difference between the script of `command` and the recorded one, if any."""

    if len(command.script) != len(entry.script):
        text = f"script changed: it has {len(command.script)} lines, had {len(entry.script)}"
        return [Reason("script", text)]
    for number, (line, old) in enumerate(zip(command.script, entry.script, strict=True), start=1):
        if line != old and not same_line(line, old):
            return [Reason("script", f"script changed: line {number} is now '{line}'")]
    return []
