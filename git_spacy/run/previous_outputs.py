"""Decide what happens to the outputs of earlier runs when a command starts and when it ends.

A script sees what it would see in a fresh clone: the files that Git tracks, the `directories` of
project.yml, and what other commands produce. Its own outputs are set aside. They are deleted when
the command succeeds, and come back when it fails.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from git_spacy.errors import Diagnostic, ExternalError, GitSpacyError, Refused, as_warning, warning
from git_spacy.files import make_directory
from git_spacy.history import run_history
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.real_paths import writable
from git_spacy.state.counted_files import is_placeholder
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.set_aside import PreviousOutput, Recovered, SetAside, set_aside
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.state.tracked_paths import TrackedPaths


class OutputCache(Protocol):
    """The interface of the run cache: the outputs of earlier runs."""

    def save(
        self, command: Command, deps: Observed, outs: Observed, *, verify: bool = True
    ) -> None:
        """Save the outputs that `command` produced from the dependencies `deps`.

        Without `verify`, a copy in the cache is only read again if it may have been modified.
        """

    def has_copy(self, path: ProjectPath, now: Fingerprint) -> bool:
        """Save the output at `path`, which is about to be replaced; return whether it is saved."""
        ...

    def restore(self, command: Command, deps: Observed) -> str | None:
        """Restore the outputs that `command` would produce from `deps`.

        Returns a description of where they came from, or None if they are not in the cache.
        """
        ...


class PreviousOutputs(NamedTuple):
    """Handles the earlier outputs of the commands of one run.

    With `keep_all`, no command's outputs are set aside.
    """

    project: Project
    root: Path
    entries: Mapping[str, LockEntry]
    stats: StatCache
    keep_all: bool
    report: Callable[[Diagnostic], None]
    cache: OutputCache | None = None

    def choose(self, command: Command, before: Observed) -> list[PreviousOutput]:
        """Return what to set aside before `command` starts; its files are `before`."""

        is_kept = (command.variant_of or command.name) in self.project.keep_outputs
        return [] if self.keep_all or is_kept else list(self._choose(command, before))

    def set_aside(self, command: Command, outputs: Collection[PreviousOutput]) -> SetAside | None:
        """Set `outputs` aside; return None if there was nothing to set aside. Raises Refused."""

        try:
            aside, immovable = set_aside(self.root, command.name, outputs)
        except OSError as failure:
            aside, immovable = None, [(output.path, failure) for output in outputs]
        for path, reason in immovable:
            text = f"earlier files stay in '{path}' while '{command.name}' runs"
            self.report(as_warning(reason, text))
        return aside

    def prepare(self, command: Command) -> None:
        """Create the project's folders again, and replace hard links into the cache that a script
        could try to write to."""

        for directory in self.project.directories:
            if any(path.holds(directory) for path in command.produced):
                make_directory(self.root, directory.normal)
        for path in command.produced:
            unlink_from_cache(self.root, path)
        for path in command.deps:
            unlink_from_cache(self.root, path, only_writable=True)

    def succeeded(self, command: Command, aside: SetAside | None) -> None:
        """Delete what was set aside, as the result of `command` is recorded."""

        for path in command.produced:
            self.stats.remember_from_hand(path.normal, None)
        if aside is None:
            return
        dependencies = {
            path.normal
            for other in self.project.commands
            if not _is_same(other, command)
            for path in other.deps
        }
        if kept := aside.drop(dependencies):
            self.report(kept_warning(command.name, kept))

    def failed(self, command: Command, aside: SetAside | None, before: Observed) -> None:
        """Bring back what was set aside, since `command` failed, unless that was after its result
        had been recorded."""

        if recovered := self.bring_back(command, aside, before):
            self.report(recovered_warning(recovered))

    def bring_back(
        self, command: Command, aside: SetAside | None, before: Observed
    ) -> Recovered | None:
        """Bring back what was set aside, as for a command that failed; return what was done."""

        recovered = aside.recover("running", has_failed=True) if aside else None
        self._remember_leftovers(command, aside, before)
        return recovered

    def interrupted(self, aside: SetAside | None) -> None:
        """Bring back what was set aside, unless the result of the run was recorded already.

        What the run wrote is not remembered as a leftover, so the next run keeps it: the user may
        have made it, and stopped the tool with Ctrl-C.
        """

        if aside:
            self.report(recovered_warning(aside.recover("running")))

    def _remember_leftovers(
        self, command: Command, aside: SetAside | None, before: Observed
    ) -> None:
        """Remember what a failed run left where no result was before."""

        leftovers = {output.path for output in aside.outputs if output.is_leftover} if aside else ()
        for path in command.produced:
            if before[path.normal] is None or path.normal in leftovers:
                self.stats.remember_leftover(path.normal)

    def _choose(self, command: Command, before: Observed) -> Iterator[PreviousOutput]:
        present = [path for path in _outermost(command.produced) if before[path.normal]]
        links = [path for path in command.produced if os.path.islink(self.root / path.normal)]
        for path in links:
            if os.path.isdir(self.root / path.normal):
                self.report(_link_warning(command, path))
                present = [other for other in present if other != path]
        if not present:
            return
        shared = [
            other
            for producer in self.project.commands
            if not _is_same(producer, command)
            for other in producer.produced
        ]
        shared += [asset.dest for asset in self.project.assets]
        shared += command.deps
        present = [path for path in present if not any(other.holds(path) for other in shared)]
        try:
            tracked = self._tracked(present)
        except ExternalError:  # then we cannot know what belongs to Git
            return
        for path in present:
            if path.normal in tracked:
                continue
            prefix = path.normal + "/"
            names = {other.normal for other in shared} | tracked | set(self._in_use(path))
            stays = sorted(name[len(prefix) :] for name in names if name.startswith(prefix))
            now = before[path.normal]
            assert now
            # a failed run may have written again what an earlier run had produced
            is_result = not now.is_empty and self._is_recorded(command, path, now)
            is_leftover = not is_result and self.stats.is_leftover(path.normal)
            is_recorded = is_leftover or now.is_empty
            if is_result:
                is_recorded = self.cache is None or self.cache.has_copy(path, now)
            yield PreviousOutput(path.normal, tuple(stays), is_recorded, is_leftover)

    def _tracked(self, paths: Collection[ProjectPath]) -> set[str]:
        """Return the files that Git tracks at or below `paths`."""

        in_git = TrackedPaths.open(self.root) if paths else None
        if in_git is None:
            return set()
        names = [in_git.prefix + path.normal for path in paths]
        return {entry.name[len(in_git.prefix) :] for entry in in_git.git_index.entries(names)}

    def _in_use(self, path: ProjectPath) -> Iterator[str]:
        """Yield the placeholders in an output, and the current folder if it is inside."""

        folder = self.root / path.normal
        if folder.is_dir():
            names = os.listdir(folder)
            yield from (f"{path.normal}/{name}" for name in names if is_placeholder(name))
        with suppress(OSError):
            top, current = os.path.realpath(folder), os.getcwd()
            if f"{current}/".startswith(f"{top}/"):
                yield os.path.join(path.normal, current[len(top) + 1 :], ".")

    def _is_recorded(self, command: Command, path: ProjectPath, now: Fingerprint) -> bool:
        """Return whether the present content of an output, or of a folder around it that was an
        output when the command ran last, is the result of a run."""

        if self._is_result(command, path, now):
            return True
        earlier = [
            out[0]
            for run in self.stats.previous_runs(command.name)
            for out in run.fingerprint_key[2]
        ]
        if entry := self.entries.get(command.name):
            earlier += [out.path for out in entry.outs]
        folders = {ProjectPath(text, os.path.normpath(text)) for text in earlier}
        return any(
            self._is_result(command, folder, content)
            for folder in folders
            if folder.normal != path.normal and folder.holds(path)
            if (content := self.stats.fingerprint(folder.normal))
        )

    def _is_result(self, command: Command, path: ProjectPath, now: Fingerprint) -> bool:
        """Return whether a run is recorded that produced this content.

        It is not if only `git spacy lock record` says so: a person may have made it.
        """

        if self.stats.is_from_hand(path.normal, now):
            return False
        for run in self.stats.previous_runs(command.name):
            outs = {out[0]: out[1] for out in run.fingerprint_key[2]}
            if outs.get(path.text) == now.digest:
                return run.names.get(path.text, now.names) == now.names
        if any(
            (out.path, out.md5) == (path.text, now.digest)
            for entry in self.entries.values()
            for out in entry.outs
        ):
            return True
        with suppress(GitSpacyError, OSError):  # without a repository there are no run records
            return any(
                (out.path, out.md5, out.names) == (path.text, now.digest, now.names)
                for record in run_history.all_records(self.root)
                if record.exit == 0
                for out in record.outs
            )
        return False


def recovered_warning(recovered: Recovered) -> Diagnostic:
    """Return the message that the outputs of a failed or killed command are back."""

    name = recovered.command
    folder = recovered.kept or recovered.failed
    if not recovered.are_back and recovered.kept:
        return kept_warning(name, recovered.kept)
    if folder is None:
        return warning(
            f"the outputs of '{name}' are those from before the run"
            if recovered.are_back
            else f"the earlier outputs of '{name}' are removed, as its last run succeeded"
        )
    shown = _shown(folder)
    text = (
        f"the outputs of '{name}' are those from before the run; the files that it wrote are in"
        if recovered.are_back
        else f"the files that an earlier failed run of '{name}' left are in"
    )
    removes = "" if recovered.kept else "the next successful run removes them; "
    hint = f"{removes}to look at them: ls -R {shlex.quote(shown)}"
    return warning(f"{text} '{shown}'", hint)


def kept_warning(command: str, kept: Path) -> Diagnostic:
    """Return the message that content which no run recorded was moved to `kept`."""

    shown = _shown(kept)
    names = ", ".join(f"'{name}'" for name in sorted(os.listdir(kept))[:3])
    text = (
        f"'{command}' replaced files that no recorded run produced, or that cannot be deleted"
        f" ({names}); they are kept in '{shown}'"
    )
    return warning(text, f"if you do not need them: rm -rf {shlex.quote(shown)}")


def unlink_from_cache(root: Path, path: ProjectPath, *, only_writable: bool = False) -> None:
    """Replace read-only hard links at or below `path` with private copies that can be written.

    The run cache makes such links (`spacy.cacheLinks`). With `only_writable`, only where a script
    could write to them nevertheless, as root.
    """

    # where nothing may be written, there are no such links: e.g. of a dependency outside
    with suppress(FileNotFoundError, Refused):
        top, names, name = writable(root, path.normal)
        for file in _files(Path(top, *names, name)):
            status = os.lstat(file)
            is_link = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
            is_cached = is_link and not status.st_mode & 0o222
            if is_cached and (not only_writable or os.access(file, os.W_OK)):
                _copy_in_place(file, status.st_mode)


def _files(top: Path) -> Iterator[Path]:
    if not top.is_dir():
        yield top
        return
    for folder, _, names in os.walk(top):
        yield from (Path(folder, name) for name in names)


def _copy_in_place(file: Path, mode: int) -> None:
    temporary = file.with_name(f".{file.name[:200]}.{os.getpid()}.tmp")
    try:
        shutil.copy2(file, temporary)
        temporary.chmod(stat.S_IMODE(mode) | 0o200)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _outermost(paths: Collection[ProjectPath]) -> list[ProjectPath]:
    unique = {path.normal: path for path in paths}
    return [
        path
        for path in unique.values()
        if not any(other.holds(path) and other != path for other in unique.values())
    ]


def _is_same(one: Command, other: Command) -> bool:
    """Return whether these are the same command, or variants of it."""

    return (one.variant_of or one.name) == (other.variant_of or other.name)


def _link_warning(command: Command, path: ProjectPath) -> Diagnostic:
    return warning(
        f"'{path}' is a link to a folder, so earlier files stay in it while '{command.name}' runs"
    )


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
