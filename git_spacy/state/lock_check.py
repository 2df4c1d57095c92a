"""Check whether project.lock matches a commit, even where the data is not present, as in CI.

Files that are present are compared with the lock. For other files the commit may still be evidence:
the lock entry of the command that produces a dependency, or the checksum of an asset. A missing
output is trusted. If there is no evidence, the state is unknown, not stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from git_spacy.light_typing import NamedTuple
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.variables import could_resolve_to
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.project_view import View
from git_spacy.state.stat_cache import Observed
from git_spacy.state.verdict import (
    Reason,
    Unknown,
    Verdict,
    changed_message,
    compute_verdict,
    script_reasons,
)

Entries = Mapping[str, LockEntry]


class Notice(NamedTuple):
    """A difference in a path of a command that does not make the command stale."""

    command: str
    path: ProjectPath
    message: str
    hint: str = ""


class LockVerdicts(NamedTuple):
    """The verdict on each command, and the notices about them."""

    verdicts: dict[str, Verdict]
    notices: tuple[Notice, ...]


def rerun_reasons(verdict: Verdict) -> tuple[Reason, ...]:
    """Return the reasons why a command must run again, without those that are only unknown."""

    if verdict.state == "stale":
        return verdict.reasons
    missing = {path.text for path in verdict.missing}
    return tuple(reason for reason in verdict.reasons if reason.about in missing)


class _Evidence(NamedTuple):
    """The fingerprint that a path should have, and the message if the lock has another one."""

    fingerprint: Fingerprint
    message: str


def check_lock(project: Project, entries: Entries, view: View) -> LockVerdicts:
    """Return the verdicts on all commands of `project` for the lock `entries`, in `view`.

    Raises Refused, OSError, ExternalError.
    """

    checker = LockChecker(project, view)
    checker.compare(entries)
    verdicts = {command.name: checker.verdict(command, entries) for command in project.commands}
    return LockVerdicts(verdicts, tuple(checker.notices))


class LockChecker:
    """Fingerprints a project once, and checks any lock entries against it.

    `notices` collects differences that do not count.
    """

    def __init__(self, project: Project, view: View) -> None:
        self.notices: list[Notice] = []
        self._project = project
        self._view = view
        view.declare(project)
        outputs = [path for command in project.commands for path in command.produced]
        dependencies = [path for command in project.commands for path in command.deps]
        assets = [asset.dest for asset in project.assets]
        self._produced = (*outputs, *assets)
        self._present: Observed = view.fingerprints(
            list({path.normal: path for path in (*outputs, *assets, *dependencies)}.values())
        )

    def compare(self, entries: Entries) -> None:
        """Compare all paths with their md5s in `entries` at once, with few calls of git."""

        self._view.compare(
            [
                (path, md5)
                for command in self._project.commands
                if (entry := entries.get(command.name))
                for path, md5 in (
                    *_with_recorded_md5(command.produced, entry.outs),
                    *_with_recorded_md5(command.deps, entry.deps),
                )
                if md5 and (present := self._present[path.normal]) and present.digest != md5
            ]
        )

    def verdict(self, command: Command, entries: Entries) -> Verdict:
        """Return the verdict on one command if the lock has `entries`."""

        entry = entries.get(command.name)
        without_entry = compute_verdict(command, None, self._present)
        if command.unset:
            return without_entry
        if without_entry.state == "always_runs":
            # It never is up to date, but its entry should at least have the present script.
            # weasel records the values of environment variables; here they may have others.
            reasons = script_reasons(command, entry, could_resolve_to) if entry else []
            if reasons:
                return Verdict("stale", tuple(reasons))
            return Verdict("always_runs", without_entry.reasons[:1])
        if entry is None:
            return Verdict("not_run", without_entry.reasons[:1])
        messages: dict[str, str] = {}
        fingerprints: dict[str, Fingerprint | Unknown | None] = {}
        for path, md5 in _with_recorded_md5(command.produced, entry.outs):
            fingerprints[path.normal] = self._output_fingerprint(command, path, md5)
        for path, md5 in _with_recorded_md5(command.deps, entry.deps):
            fingerprint, message = self._dependency_fingerprint(command, entries, path, md5)
            fingerprints[path.normal] = fingerprint
            messages[path.normal] = message
        return compute_verdict(
            command,
            entry,
            fingerprints,
            same_line=could_resolve_to,
            change_messages=messages,
            entries=entries,
        )

    def _output_fingerprint(
        self, command: Command, path: ProjectPath, recorded: str
    ) -> Fingerprint:
        present = self._present[path.normal]
        if present is None or not self._is_complete(path):
            return Fingerprint(recorded, "", 0)
        return self._ignore_benign_difference(command, path, present, recorded)

    def _dependency_fingerprint(
        self, command: Command, entries: Entries, path: ProjectPath, recorded: str
    ) -> tuple[Fingerprint | Unknown | None, str]:
        """Return the fingerprint of a dependency, and the message for a difference.

        The file itself only counts where there is no other evidence, since an output or asset is
        checked as such; or where it is the same as that and as the recorded one, but for what Git
        converts.
        """

        present = self._present[path.normal]
        evidence = [
            *self._evidence_from_commands(command, entries, path, recorded),
            *self._evidence_from_assets(path),
        ]
        if evidence:
            contrary = (item for item in evidence if item.fingerprint.digest != recorded)
            found = next(contrary, evidence[0])
            versions = (found.fingerprint.digest, recorded)
            if present and all(self._is_present(path, present, digest) for digest in versions):
                return Fingerprint(recorded, "", present.size), ""
            return found
        if present is not None and self._is_complete(path):
            fingerprint = self._ignore_benign_difference(command, path, present, recorded)
            is_changed_folder = present.names and fingerprint.digest != recorded
            files = self._view.changed_files(path, recorded) if is_changed_folder else ()
            return fingerprint, changed_message(files)
        if any(path.touches(produced) for produced in self._produced):
            return Unknown(f"'{path}' is not present"), ""
        if self._view.is_outside(path):
            return Unknown(f"'{path}' is outside the project, and not compared here"), ""
        if self._view.ignored([path]):
            text = f"'{path}' is not present; Git ignores it, and nothing produces it"
            return Unknown(text), ""
        if absence := self._view.absence(path):
            self.notices.append(Notice(command.name, path, absence.message, absence.hint))
            return Unknown(f"'{path}' {absence.message}"), ""
        return None, ""

    def _is_present(self, path: ProjectPath, present: Fingerprint, digest: str) -> bool:
        """Return whether the present content has this md5, but for what Git converts."""

        return present.digest == digest or self._view.benign_difference(path, digest) == ""

    def _ignore_benign_difference(
        self, command: Command, path: ProjectPath, present: Fingerprint, recorded: str
    ) -> Fingerprint:
        """Return the present fingerprint, or the recorded one if the difference is benign."""

        if present.digest == recorded or not recorded:
            return present
        message = self._view.benign_difference(path, recorded)
        if message is None:
            return present
        if message:
            self.notices.append(Notice(command.name, path, message, "git lfs pull"))
        return Fingerprint(recorded, "", present.size)

    def _evidence_from_commands(
        self, command: Command, entries: Entries, path: ProjectPath, recorded: str
    ) -> Iterator[_Evidence]:
        """Yield what the lock entries of the commands that produce `path` say about it.

        If one of them agrees with the recorded md5, the others do not count.
        """

        producers = [
            other
            for other in self._project.commands
            if other.name != command.name
            and any(output.normal == path.normal for output in other.produced)
        ]
        evidence = []
        for producer in producers:
            entry = entries.get(producer.name)
            if entry is None:
                message = f"is an output of '{producer.name}', which has no lock entry"
                evidence.append(_Evidence(_NO_FINGERPRINT, message))
                continue
            message = f"differs from what '{producer.name}' produced in its last run"
            evidence += [
                _Evidence(Fingerprint(md5, "", 0), message)
                for output, md5 in _with_recorded_md5(producer.produced, entry.outs)
                if output.normal == path.normal
            ]
        agreeing = [item for item in evidence if item.fingerprint.digest == recorded]
        return iter(agreeing or evidence)

    def _evidence_from_assets(self, path: ProjectPath) -> Iterator[_Evidence]:
        for asset in self._project.assets:
            checksum = asset.content_checksum
            if asset.dest.normal != path.normal or checksum is None:
                continue
            if any(path.holds(other) and path.normal != other.normal for other in self._produced):
                continue  # the folder has files that are not of this asset
            if checksum.algorithm == "md5":  # the lock has no other algorithm
                message = f"does not match the checksum in line {asset.line} of project.yml"
                yield _Evidence(Fingerprint(checksum.digest, "", 0), message)

    def _is_complete(self, path: ProjectPath) -> bool:
        """Whether all outputs and assets inside the folder `path` are present."""

        return all(
            self._present[produced.normal] is not None
            for produced in self._produced
            if path.holds(produced) and path.normal != produced.normal
        )


_NO_FINGERPRINT = Fingerprint("", "", 0)


def _with_recorded_md5(
    paths: Iterable[ProjectPath], tracked: Iterable[TrackedPath]
) -> Iterator[tuple[ProjectPath, str]]:
    """Pair each path with its recorded md5, or with "" if it is not recorded."""

    recorded = {item.path: item.md5 or "" for item in tracked}
    return ((path, recorded.get(path.text, "")) for path in paths)
