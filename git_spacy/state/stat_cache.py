"""Cache fingerprints, so that files that have not changed are not read again.

Like Git's index, the stat cache has for each path a signature over the names, sizes, times and
inodes of its files, and their fingerprint. It also remembers what project.lock cannot store: file
names in folders, earlier sets of variables, and the source of each fetched asset. Deleting it only
costs time. It belongs to one worktree and is never shared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from git_spacy.file_locks import file_lock
from git_spacy.git.state_dir import state_dir
from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state import stat_cache_file
from git_spacy.state.counted_files import Selection, dependency_folders
from git_spacy.state.hashing import (
    FileStat,
    Fingerprint,
    checksums,
    digest_contents,
    digest_file_names,
    file_identity,
    files_below,
)
from git_spacy.state.sparse import absent_entries, entries_at
from git_spacy.state.stat_summary import StatSummary, stat_summary
from git_spacy.state.uncounted import excludes_files, find_uncounted, rules_digest

if TYPE_CHECKING:
    from git_spacy.git.remote_tree import TreeEntry
    from git_spacy.git.repository import Repository

_MAX_PREVIOUS_RUNS = 16  # of one command, with different variables
_MAX_LISTED_FILES, _MAX_LISTED_BYTES = 200, 16 << 20  # of a folder whose files are listed
FINE_TICK, _COARSE_TICK = 20_000_000, 2_000_000_000  # ns: Linux; FAT, HFS+
_NO_DIGEST = "0" * 32  # of what was not read
_MIN_BYTES_FOR_THREADS = 8 << 20
_OPEN_COST = 16 << 10  # bytes that can be hashed while a file is opened

Observed = Mapping[str, "Fingerprint | None"]
"""The fingerprint of each path (`ProjectPath.normal`); None if it does not exist."""


class PreviousRun(NamedTuple):
    """An earlier run: the fingerprint key of its lock entry, and a digest of file names per folder.

    `names` maps each folder among its paths (`ProjectPath.text`) to that digest.
    """

    fingerprint_key: tuple[Any, ...]
    names: dict[str, str]


class FetchedAsset(NamedTuple):
    """A fetched asset: its source, its fingerprint, and a digest of the query of its URL.

    If it was extracted from an archive, `archive` has the digests of that, by `Checksum.algorithm`.
    """

    source: str
    digest: str
    names: str
    query: str = ""
    archive: Mapping[str, str] = MappingProxyType({})


class _Cached(NamedTuple):
    signature: str
    hashed_at: int
    fingerprint: Fingerprint


class _Uncounted(NamedTuple):
    """What does not count in a folder, relative to it, and what that depends on.

    `excludes` are files with ignore patterns outside the repository; `rules` is the digest of
    `uncounted.rules_digest`.
    """

    rules: str
    names: list[str]
    excludes: list[str]


class StatCache:
    """The stat cache of one project, read from `file`; `save` writes it if it changed."""

    def __init__(self, root: Path, file: Path, *, fork: bool = False) -> None:
        self.root = root
        self.file = file
        self._may_fork = fork
        # changes of this process, by part and key: other processes may write the file, too
        self._changed: set[tuple[str, str]] = set()
        self.bytes_hashed = 0
        self._observed: dict[str, Fingerprint | None] | None = None
        document = stat_cache_file.read(file)
        self._paths = {
            path: _Cached(value[0], value[1], Fingerprint(*value[2]))
            for path, value in document["paths"].items()
        }
        self._uncounted = {
            path: _Uncounted(*value) for path, value in document["uncounted"].items()
        }
        self._folders: dict[str, dict[str, bool]] = {}
        self._contents: dict[str, tuple[str, dict[str, int]]] = {
            path: (value[0], value[1]) for path, value in document["contents"].items()
        }
        self._runs: dict[str, list[Any]] = document["runs"]
        self._fetched = {dest: FetchedAsset(*value) for dest, value in document["fetched"].items()}

    @classmethod
    def open(cls, root: Path, *, fork: bool = False) -> StatCache:
        """Open the stat cache of the project at `root`; it is empty if it cannot be read.

        With `fork`, large folders may be summarized by two processes; see `stat_summary`.
        """

        return cls(root, state_dir(root) / "index", fork=fork)

    def declare(self, project: Project) -> None:
        """Leave out what does not count in the folders that commands of `project` depend on.

        Without this, every file in a folder counts.
        """

        self._folders = dependency_folders(project)

    def fingerprints(
        self, paths: Iterable[ProjectPath], algorithm: str = "md5"
    ) -> dict[str, Fingerprint | None]:
        """Return the present fingerprints of `paths`, with digests by `algorithm`.

        Raises Refused, OSError.
        """

        wanted = dict.fromkeys(path.normal for path in paths)
        if self._observed is None:
            return self._observe(wanted, algorithm)
        keys = {path: _key(path, algorithm) for path in wanted}
        unread = [path for path in wanted if keys[path] not in self._observed]
        if unread:
            for path, fingerprint in self._observe(unread, algorithm).items():
                self._observed[keys[path]] = fingerprint
        return {path: self._observed[key] for path, key in keys.items()}

    def assume_no_changes(self) -> None:
        """Look at each path only once, until `expect_changes` is called.

        For a time in which this process changes no file that may have a fingerprint.
        """

        self._observed = {}

    def expect_changes(self) -> None:
        """Look at a path whenever its fingerprint is asked for, as is usual."""

        self._observed = None

    def _observe(self, wanted: Iterable[str], algorithm: str) -> dict[str, Fingerprint | None]:
        now = time.time_ns()
        summaries = {path: self._summary(path) for path in wanted}
        self._find_uncounted(summaries, algorithm)
        unknown = {
            path: summary
            for path, summary in summaries.items()
            if summary and summary.files and not self._is_clean(_key(path, algorithm), summary)
        }
        # a file that changes from now on has another signature in the next summary
        for path, fingerprint in self._hash(unknown, algorithm):
            key = _key(path, algorithm)
            self._paths[key] = _Cached(unknown[path].signature, now, fingerprint)
            self._changed.add(("paths", key))
            self.bytes_hashed += fingerprint.size
        return {
            path: self._cached_fingerprint(path, summary, algorithm)
            for path, summary in summaries.items()
        }

    def files(self, path: str) -> list[FileStat]:
        """Return the files at or below `path` that count."""

        return files_below(self.root, path, self._selection(path)) or []

    def _summary(self, path: str) -> StatSummary | None:
        return stat_summary(self.root, path, self._selection(path), fork=self._may_fork)

    def _selection(self, path: str) -> Selection | None:
        uncounted = self._uncounted.get(path) if path in self._folders else None
        if uncounted is None or not uncounted.names:
            return None
        return Selection(frozenset(uncounted.names), self._folders[path])

    def _find_uncounted(self, summaries: dict[str, StatSummary | None], algorithm: str) -> None:
        """Find out what does not count in folders that may have other files than before."""

        folders = {
            path: self._folders[path]
            for path, summary in summaries.items()
            if path in self._folders
            and summary
            and summary.is_folder
            and not self._has_same_names(path, summary, algorithm)
        }
        if not folders:
            return
        excludes = excludes_files(self._repository)
        for path, names in find_uncounted(self.root, folders).items():
            rules = self._rules(path, excludes, names)
            before = self._selection(path)
            self._uncounted[path] = _Uncounted(rules, names, excludes)
            self._changed.add(("uncounted", path))
            if self._selection(path) != before:
                summaries[path] = self._summary(path)

    def _has_same_names(self, path: str, summary: StatSummary, algorithm: str) -> bool:
        """Return whether what is known not to count in `path` is still right."""

        known = self._uncounted.get(path)
        cached = self._paths.get(_key(path, algorithm))
        if known is None or cached is None:
            return False
        if known.rules != self._rules(path, known.excludes, known.names):
            return False
        if cached.signature == summary.signature:
            return True
        files = self.files(path)
        if any(file.name.rpartition("/")[2] == ".gitignore" for file in files):
            return False
        return digest_file_names(files) == cached.fingerprint.names

    def _rules(self, path: str, excludes: list[str], names: list[str]) -> str:
        return rules_digest(self._repository, self.root, path, excludes, index=bool(names))

    @cached_property
    def _repository(self) -> Repository | None:
        from git_spacy.git.repository import Repository

        return Repository.discover(Path(os.path.realpath(self.root)))

    def _hash(
        self, summaries: Mapping[str, StatSummary], algorithm: str
    ) -> Iterable[tuple[str, Fingerprint]]:
        """Hash the paths, in threads if that is worth it, the largest first."""

        def fingerprint(path: str) -> tuple[str, Fingerprint]:
            files = self.files(path)
            content = digest_contents(self.root, files, algorithm)
            return path, Fingerprint(
                content, digest_file_names(files), sum(file.size for file in files)
            )

        costs = {
            path: summary.size + summary.files * _OPEN_COST for path, summary in summaries.items()
        }
        if len(summaries) < 2 or sum(costs.values()) - max(costs.values()) < _MIN_BYTES_FOR_THREADS:
            return map(fingerprint, summaries)
        from concurrent.futures import ThreadPoolExecutor  # hashing releases the GIL

        with ThreadPoolExecutor(min(len(summaries), _count_processors())) as pool:
            in_order = sorted(summaries, key=costs.__getitem__, reverse=True)
            return list(pool.map(fingerprint, in_order))

    def fingerprint(self, relative: str, algorithm: str = "md5") -> Fingerprint | None:
        """Return the fingerprint of one path."""

        return self.fingerprints([ProjectPath(relative, relative)], algorithm)[relative]

    def _cached_fingerprint(
        self, path: str, summary: StatSummary | None, algorithm: str
    ) -> Fingerprint | None:
        key = _key(path, algorithm)
        if summary is None:
            if self._paths.pop(key, None):
                self._changed.add(("paths", key))
            return None
        if not summary.files:
            return Fingerprint(digest_contents(self.root, [], algorithm), digest_file_names([]), 0)
        return self._paths[key].fingerprint

    def _is_clean(self, key: str, summary: StatSummary) -> bool:
        cached = self._paths.get(key)
        if cached is None or cached.signature != summary.signature:
            return False
        # "Racily clean" in Git's words: a file that changed in the clock tick in which it was
        # hashed may have changed again, with the same time.
        return _end_of_tick(summary.newest) < cached.hashed_at

    def remember_moved(self, path: str, fingerprint: Fingerprint, identity: str) -> None:
        """Remember the fingerprint of files that this process hashed while it wrote them, and then
        moved to `path`, unless they may have changed since.

        `identity` is the `FileIdentity` of the files when they were written. Moving sets the ctime
        of `path`; if they were written before that clock tick, an edit gives them another mtime.
        Only a deliberate change could set that back to the nanosecond within the tick.
        """

        summary = self._summary(path)
        if summary is None or (summary.is_folder and path in self._folders):
            return  # of the latter, some files may not count
        files = self.files(path)
        if not files or file_identity(files) != identity:
            return
        moved_at = os.stat(os.path.join(self.root, path)).st_ctime_ns
        if _end_of_tick(max(file.mtime_ns for file in files)) < moved_at:
            hashed_at = _end_of_tick(summary.newest) + 1
            self._paths[path] = _Cached(summary.signature, hashed_at, fingerprint)
            self._changed.add(("paths", path))

    def not_checked_out(self, path: str) -> list[TreeEntry]:
        """Return what only Git has at or below `path`: outside the sparse checkout, or in a
        submodule. Names are relative to `path`."""

        return entries_at(self.root, self._absent_entries, path)

    @cached_property
    def _absent_entries(self) -> dict[str, TreeEntry]:
        return absent_entries(self.root, self._repository)

    def staged_fingerprint(
        self, path: str, signature: str, kind: str = "staged"
    ) -> Fingerprint | None:
        """Return the fingerprint of the staged content of `path`; None if it is not known.

        `signature` is a digest of the names and ids of all its blobs; with another `kind`, of what
        else the content depends on.
        """

        cached = self._paths.get(_key(path, kind))
        return cached.fingerprint if cached and cached.signature == signature else None

    def remember_staged(
        self, path: str, signature: str, fingerprint: Fingerprint, kind: str = "staged"
    ) -> None:
        """Remember the fingerprint of the staged content of `path`."""

        key = _key(path, kind)
        self._paths[key] = _Cached(signature, 0, fingerprint)
        self._changed.add(("paths", key))
        self.bytes_hashed += fingerprint.size

    def is_known_same(self, path: str, recorded: str, kind: str = "same") -> bool:
        """Return whether `remember_same` was called for the present files of `path`."""

        summary = self._summary(path)
        key = _key(path, kind)
        if summary is None or not self._is_clean(key, summary):
            return False
        return self._paths[key].fingerprint.digest == recorded

    def remember_same(self, path: str, recorded: str, kind: str = "same") -> None:
        """Remember that the present files of `path` are those with the md5 `recorded`.

        With another `kind`, `recorded` is the digest of what is true of them.
        """

        if summary := self._summary(path):
            fingerprint = Fingerprint(recorded, "", summary.size)
            self._paths[_key(path, kind)] = _Cached(summary.signature, time.time_ns(), fingerprint)
            self._changed.add(("paths", _key(path, kind)))

    def digest_of_all(self, path: str) -> str | None:
        """Return the md5 of all files in a folder of which some do not count, else None."""

        if self._selection(path) is None:
            return None
        summary = stat_summary(self.root, path)
        key = _key(path, "all")
        if summary and not self._is_clean(key, summary):
            files = files_below(self.root, path) or []
            fingerprint = Fingerprint(
                digest_contents(self.root, files), digest_file_names(files), summary.size
            )
            self._paths[key] = _Cached(summary.signature, time.time_ns(), fingerprint)
            self._changed.add(("paths", key))
        return self._paths[key].fingerprint.digest if summary else None

    def contents(self, path: str, digest: str) -> dict[str, int] | None:
        """Return the checksums of the files in the folder `path` when it had this digest.

        None if they are not known. For the names in messages only: they do not decide anything.
        """

        known_digest, files = self._contents.get(path, ("", {}))
        return files if known_digest == digest else None

    def remember_contents(self, path: str, digest: str) -> None:
        """Remember the checksums of the files in a folder, if it has this digest and is small."""

        cached = self._paths.get(_key(path, "md5"))
        if cached is None or cached.fingerprint.digest != digest or not cached.fingerprint.names:
            return
        if self.contents(path, digest) is None and cached.fingerprint.size <= _MAX_LISTED_BYTES:
            files = self.files(path)
            if len(files) <= _MAX_LISTED_FILES:
                self._contents[path] = digest, checksums(self.root, files)
                self._changed.add(("contents", path))

    def changed_files(self, path: str, recorded: str) -> list[str]:
        """Return the files in the folder `path` that are not as when it had the digest `recorded`.

        Returns an empty list if they are not known.
        """

        before = self.contents(path, recorded)
        if before is None:
            return []
        files = self.files(path)
        if sum(file.size for file in files) > _MAX_LISTED_BYTES:
            return []
        now = checksums(self.root, files)
        absent = {entry.name for entry in self.not_checked_out(path)}
        names = (before | now).keys() - absent
        return sorted(name for name in names if before.get(name) != now.get(name))

    def previous_runs(self, command: str) -> list[PreviousRun]:
        """Return the remembered runs of `command`, the latest first."""

        return [PreviousRun(_tuples(key), names) for key, names in self._runs.get(command, [])]

    def has_run(self, command: str, fingerprint_key: tuple[object, ...]) -> bool:
        """Return whether a run of `command` with this result is remembered."""

        return any(run.fingerprint_key == fingerprint_key for run in self.previous_runs(command))

    def remember_run(self, command: str, past: PreviousRun) -> None:
        """Remember a run as the latest of `command`."""

        others = [
            run
            for run in self.previous_runs(command)
            if _variable_set(run.fingerprint_key) != _variable_set(past.fingerprint_key)
        ]
        runs = [[list(run.fingerprint_key), run.names] for run in (past, *others)][
            :_MAX_PREVIOUS_RUNS
        ]
        if self._runs.get(command) != runs:
            self._runs[command] = runs
            self._changed.add(("runs", command))

    def fetched(self, dest: str) -> FetchedAsset | None:
        """Return the asset that was fetched to `dest`, if any."""

        return self._fetched.get(dest)

    def is_leftover(self, path: str) -> bool:
        """Return whether the present files of `path` are those that a failed run left."""

        known = self._paths.get(_key(path, "leftover"))
        summary = self._summary(path) if known else None
        return bool(known and summary and known.signature == summary.signature)

    def remember_leftover(self, path: str) -> None:
        """Remember that a failed run left the present files of `path`."""

        if summary := self._summary(path):
            fingerprint = Fingerprint(_NO_DIGEST, "", summary.size)
            key = _key(path, "leftover")
            self._paths[key] = _Cached(summary.signature, time.time_ns(), fingerprint)
            self._changed.add(("paths", key))

    def is_from_hand(self, path: str, now: Fingerprint) -> bool:
        """Return whether the user recorded `now` as the content of the output `path`."""

        known = self._paths.get(_key(path, "from hand"))
        return known is not None and known.fingerprint == now

    def remember_from_hand(self, path: str, now: Fingerprint | None) -> None:
        """Remember that the user recorded `now` as the content of the output `path`, or with None,
        that a run has produced it since then."""

        key = _key(path, "from hand")
        if now:
            self._paths[key] = _Cached(_NO_DIGEST, 0, now)
        elif self._paths.pop(key, None) is None:
            return
        self._changed.add(("paths", key))

    def remember_fetched(self, dest: str, asset: FetchedAsset) -> None:
        """Remember the asset that was fetched to `dest`."""

        if self._fetched.get(dest) != asset:
            self._fetched[dest] = asset
            self._changed.add(("fetched", dest))

    def save(self) -> None:
        """Merge the changes into the file. A file that cannot be written is not an error."""

        if not self._changed:
            return
        try:
            with file_lock(self.file.with_name(self.file.name + ".lock")):
                document = stat_cache_file.read(self.file)
                for part, key in self._changed:
                    value = self._to_json(part, key)
                    if value is None:
                        document[part].pop(key, None)
                    else:
                        document[part][key] = value
                stat_cache_file.write(self.file, document)
            self._changed.clear()
        except OSError:
            pass

    def _to_json(self, part: str, key: str) -> Any:
        """Return the JSON value for one key; None to remove it."""

        if part == "runs":
            return self._runs.get(key)
        if part == "fetched":
            *fields, archive = self._fetched[key]
            return [*fields, dict(archive)]
        if part == "contents":
            return list(self._contents[key])
        if part == "uncounted":
            return list(self._uncounted[key])
        cached = self._paths.get(key)
        return cached and [cached.signature, cached.hashed_at, list(cached.fingerprint)]


def _count_processors() -> int:
    """Return how many processors this process may use, e.g. in a container."""

    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _end_of_tick(time_ns: int) -> int:
    """Return the time from which on a change of a file gives it a later time than this one."""

    return time_ns + (FINE_TICK if time_ns % 1_000_000_000 else _COARSE_TICK)


def _key(path: str, kind: str) -> str:
    """Return the key of `path` for a kind: a digest algorithm, "staged", "same", "fetched"…."""

    return path if kind == "md5" else f"{kind}\0{path}"


def _variable_set(fingerprint_key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the part of a key that depends on variables: all but the contents."""

    script, deps, outs = fingerprint_key
    return script, [dep[0] for dep in deps], [out[0] for out in outs]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
