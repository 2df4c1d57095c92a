"""Is what is committed here what was run? The verdicts of a place where the data is not.

What is here is compared. Of what is not, the rest of the commit may still tell: a dependency that
another command makes must be what that command's entry says it made; an asset what its checksum
says; an output that is not here is trusted. What nothing tells is unknown, and not called stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.variables import could_resolve_to
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.lock import LockEntry, TrackedPath
from git_spacy.state.project_view import View
from git_spacy.state.stat_cache import Observed
from git_spacy.state.verdict import Reason, Unknown, Verdict, script_reasons, verdict

Entries = Mapping[str, LockEntry]


class Notice(NamedTuple):
    """What was seen of a path of a command, and is not held against it."""

    command: str
    path: ProjectPath
    words: str


class LockVerdicts(NamedTuple):
    """The verdict on each command, and what else was seen."""

    verdicts: dict[str, Verdict]
    notices: tuple[Notice, ...]


def rerun_reasons(verdict: Verdict) -> tuple[Reason, ...]:
    """The reasons for which a command must run again; none for what is only not known."""

    if verdict.state == "stale":
        return verdict.reasons
    absent = {path.text for path in verdict.missing}
    return tuple(reason for reason in verdict.reasons if reason.about in absent)


class _Evidence(NamedTuple):
    """What one witness knows of a path, and the words for it if the lock says otherwise."""

    known: Fingerprint
    words: str


def check_lock(project: Project, entries: Entries, view: View) -> LockVerdicts:
    """The verdicts on all commands of `project`, whose lock has `entries`, as `view` has it.

    Raises Unsafe, OSError, Unavailable.
    """

    judge = LockChecker(project, view)
    verdicts = {command.name: judge.verdict(command, entries) for command in project.commands}
    return LockVerdicts(verdicts, tuple(judge.remarks))


class LockChecker:
    """Looks once, and judges by any entries. `remarks` are what it saw by the way."""

    def __init__(self, project: Project, view: View) -> None:
        self.remarks: list[Notice] = []
        self._project = project
        self._view = view
        made = [path for command in project.commands for path in command.produced]
        read = [path for command in project.commands for path in command.deps]
        brought = [asset.dest for asset in project.assets]
        self._made = (*made, *brought)
        self._here: Observed = view.fingerprints(
            list({p.normal: p for p in (*made, *brought, *read)}.values())
        )

    def verdict(self, command: Command, entries: Entries) -> Verdict:
        """The verdict on one command, if the lock has `entries`."""

        entry = entries.get(command.name)
        # (the reference records what environment variables held where it ran; here they may hold
        # anything)
        own = verdict(command, None, self._here)
        if own.state == "always_runs":
            # it is never current; but its entry should at least be of the script that it has
            reasons = script_reasons(command, entry, could_resolve_to) if entry else []
            if reasons:
                return Verdict("stale", tuple(reasons))
            return Verdict("always_runs", own.reasons[:1])
        if entry is None:
            return Verdict("not_run", own.reasons[:1])
        told: dict[str, str] = {}
        snapshot: dict[str, Fingerprint | Unknown | None] = {}
        for path, was in _recorded(command.produced, entry.outs):
            snapshot[path.normal] = self._output(command, path, was)
        for path, was in _recorded(command.deps, entry.deps):
            known, told[path.normal] = self._dependency(command, entries, path, was)
            snapshot[path.normal] = known
        return verdict(command, entry, snapshot, same_line=could_resolve_to, change_messages=told)

    def _output(self, command: Command, path: ProjectPath, was: str) -> Fingerprint:
        here = self._here[path.normal]
        if here is None or not self._is_whole(path):
            return Fingerprint(was, "", 0)
        return self._compared(command, path, here, was)

    def _dependency(
        self, command: Command, entries: Entries, path: ProjectPath, was: str
    ) -> tuple[Fingerprint | Unknown | None, str]:
        """What is known of it, and the words for a difference. What lies here only counts where
        nobody else answers for it: there it is an output, or an asset, and looked at as such."""

        witnesses = [
            *self._told_by_commands(command, entries, path, was),
            *self._told_by_assets(path),
        ]
        if witnesses:
            return next((one for one in witnesses if one.known.digest != was), witnesses[0])
        here = self._here[path.normal]
        if here is not None and self._is_whole(path):
            return self._compared(command, path, here, was), "changed"
        if any(path.touches(made) for made in self._made):
            return Unknown(f"'{path}' is not here"), ""
        if self._view.ignored([path]):
            return Unknown(f"'{path}' is not here: Git ignores it, and nothing makes it"), ""
        return None, ""

    def _compared(
        self, command: Command, path: ProjectPath, here: Fingerprint, was: str
    ) -> Fingerprint:
        """What is here; as it was recorded, if there is an excuse for it."""

        if here.digest == was or not was:
            return here
        words = self._view.benign_difference(path, was)
        if words is None:
            return here
        if words:
            self.remarks.append(Notice(command.name, path, words))
        return Fingerprint(was, "", here.size)

    def _told_by_commands(
        self, command: Command, entries: Entries, path: ProjectPath, was: str
    ) -> Iterator[_Evidence]:
        """What the entries of the commands that make `path` say they made."""

        makers = [
            other
            for other in self._project.commands
            if other.name != command.name
            and any(out.normal == path.normal for out in other.produced)
        ]
        told = []
        for maker in makers:
            entry = entries.get(maker.name)
            if entry is None:
                told.append(_Evidence(_NOTHING, f"is made by '{maker.name}', which has no entry"))
                continue
            made = (
                md5
                for out, md5 in _recorded(maker.produced, entry.outs)
                if out.normal == path.normal
            )
            words = f"is not what '{maker.name}' made when it last ran"
            told += [_Evidence(Fingerprint(md5, "", 0), words) for md5 in made]
        if any(one.known.digest == was for one in told):
            return iter(one for one in told if one.known.digest == was)
        return iter(told)

    def _told_by_assets(self, path: ProjectPath) -> Iterator[_Evidence]:
        for asset in self._project.assets:
            if asset.dest.normal != path.normal or asset.checksum is None:
                continue
            if asset.checksum.algorithm == "md5":  # the lock has no other
                words = f"has not the checksum of line {asset.line} in project.yml"
                yield _Evidence(Fingerprint(asset.checksum.digest, "", 0), words)

    def _is_whole(self, path: ProjectPath) -> bool:
        """Whether nothing that belongs into this folder is still to come."""

        return all(
            self._here[made.normal] is not None
            for made in self._made
            if path.holds(made) and path.normal != made.normal
        )


_NOTHING = Fingerprint("", "", 0)


def _recorded(
    paths: Iterable[ProjectPath], tracked: Iterable[TrackedPath]
) -> Iterator[tuple[ProjectPath, str]]:
    """Each path with the md5 that is recorded of it; "" if none is."""

    was = {item.path: item.md5 or "" for item in tracked}
    return ((path, was.get(path.text, "")) for path in paths)
