"""Read a project from the worktree, from the index or from a commit, with one interface.

A view never writes to the project; it may save fingerprints in the stat cache.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from git_spacy import light_hashes
from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath, open_each
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.index import Index, submodule_index
from git_spacy.git.remote_tree import EXECUTABLE, FILE, SUBMODULE, TreeEntry
from git_spacy.git.repository import Repository, prefix
from git_spacy.light_typing import Protocol
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_text import PROJECT_FILES, with_params
from git_spacy.real_paths import leads_outside
from git_spacy.state import hashing
from git_spacy.state.counted_files import counts_in_git, only_placeholders
from git_spacy.state.hashing import FileStat, Fingerprint
from git_spacy.state.same_file import (
    Absence,
    absence,
    is_text,
    unchanged_in_git,
)
from git_spacy.state.sparse import all_files, complete
from git_spacy.state.stat_cache import Observed, StatCache

_MAX_PLACEHOLDER_BYTES = 64 << 10  # of a whole folder
_MAX_TEXT_BYTES = 64 << 20
LFS_POINTER_PREFIX = b"version https://git-lfs.github.com/spec/"
MAX_POINTER_BYTES = 1024
_MIN_BYTES_TO_SAVE = 4 << 20  # hashing fewer again costs less than writing the stat cache
_NEW = Fingerprint("", "", 0)  # of content that differs from everything that was recorded
LFS_POINTER = "is only a Git LFS pointer"


class View(Protocol):
    """A project in the worktree, the index or a commit; `stats` is of the worktree."""

    root: Path
    stats: StatCache

    def declare(self, project: Project) -> None:
        """Leave out what does not count in folders, as `StatCache.declare` does."""

    def git_index(self) -> Index | None:
        """Return the index of the worktree; None outside of any."""

    def project(self) -> bytes:
        """Return the text of project.yml, a ProjectText. Raises InvalidInput, Refused."""

    def lock(self) -> bytes | None:
        """Return the text of project.lock; None if there is no lock. Raises InvalidInput."""

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of those files that exist, by name relative to the project."""

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        """Return the fingerprints of the paths, None for a path that does not exist.

        A folder without files, or with only placeholders like .gitkeep, does not exist.
        """

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        """Like `fingerprints`, but read paths that are not in Git from the worktree."""

    def compare(self, differing: Collection[tuple[ProjectPath, str]]) -> None:
        """Prepare `benign_difference` for many paths, each with its recorded md5, at once."""

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        """Say why content may be unchanged although its md5 is not `recorded`.

        Returns LFS_POINTER; "" if the content is known to be unchanged (see `same_file`); None if
        it differs.
        """

    def changed_files(self, path: ProjectPath, recorded: str) -> list[str]:
        """Return the files in a folder that differ from those with the md5 `recorded`, if known."""

    def is_outside(self, path: ProjectPath) -> bool:
        """Return whether a path leads out of the project, by its text or through a symlink.

        Git does not know what is there, so it says nothing about a commit.
        """

    def absence(self, path: ProjectPath) -> Absence | None:
        """Say why a path that is in Git is not present, and how to get it; None if it is not."""

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        """Return those of `paths` that Git ignores."""

    def save(self) -> None:
        """Save the new fingerprints in the stat cache, if there are enough to be worth it."""


class WorkTree:
    """The project in the folder `root`, with all files."""

    _committed: Sequence[ProjectPath] = ()

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stats = self._stats = StatCache.open(root)
        self._benign: dict[tuple[str, str], bool] = {}

    def declare(self, project: Project) -> None:
        self._stats.declare(project)
        self._committed = project.committed

    def git_index(self) -> Index | None:
        return Index.discover(self.root)

    def project(self) -> bytes:
        return loader.read_bytes(self.root)

    def lock(self) -> bytes | None:
        return lock_format.content(self.root)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        contents = {}
        for name in names:
            # skip paths that do not exist, are not files or lead out of the project
            unreadable = suppress(FileNotFoundError, NotADirectoryError, Refused)
            with unreadable, open_beneath(self.root, name) as stream:
                contents[name] = stream.read()
        return contents

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        return _present_fingerprints(self._stats, paths, algorithm)

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        return self.fingerprints(paths, algorithm)

    def compare(self, differing: Collection[tuple[ProjectPath, str]]) -> None:
        pairs = {(path.normal, recorded) for path, recorded in differing}
        same = unchanged_in_git(self._stats, pairs - self._benign.keys())
        self._benign |= {pair: pair in same for pair in pairs - self._benign.keys()}

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        self.compare([(path, recorded)])
        if self._benign[path.normal, recorded]:
            return ""
        return LFS_POINTER if _has_pointer(self.root, self._stats.files(path.normal)) else None

    def changed_files(self, path: ProjectPath, recorded: str) -> list[str]:
        return self._stats.changed_files(path.normal, recorded)

    def is_outside(self, path: ProjectPath) -> bool:
        return path.outside or leads_outside(self.root, path.normal)

    def absence(self, path: ProjectPath) -> Absence | None:
        return absence(self.root, Index.discover(self.root), path.normal)

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        index = Index.discover(self.root)
        return _ignored(index, prefix(self.root, index.top), paths) if index else set()

    def save(self) -> None:
        if self._stats.bytes_hashed >= _MIN_BYTES_TO_SAVE:
            self._stats.save()


class TrackedFiles(WorkTree):
    """The worktree without untracked files, as in a new clone."""

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        index = Index.discover(self.root)
        if index is None:
            return super().fingerprints(paths, algorithm)
        folder = prefix(self.root, index.top)
        result: dict[str, Fingerprint | None] = {
            path.normal: None for path in paths if self.is_outside(path)
        }
        paths = [path for path in paths if path.normal not in result]
        entries = index.entries([folder + path.normal for path in paths])
        tracked = {entry.name[len(folder) :] for entry in entries}
        submodules = tuple(f"{entry.name}/"[len(folder) :] for entry in index.submodules())
        for path in paths:
            files = self._stats.files(path.normal)
            in_git = [
                file
                for file in files
                if (name := f"{path.normal}/{file.name}".rstrip("/")) in tracked
                or name.startswith(submodules)
            ]
            names = [file.name for file in in_git]
            names += [entry.name for entry in self._stats.not_checked_out(path.normal)]
            if not counts_in_git(path, names, self._committed):
                result[path.normal] = None
            elif len(in_git) == len(files):
                now = self._stats.fingerprint(path.normal, algorithm)
                result |= complete(self._stats, {path.normal: now}, algorithm)
            else:
                size = sum(file.size for file in in_git)
                result[path.normal] = Fingerprint(
                    hashing.digest_contents(self.root, in_git, algorithm),
                    hashing.digest_file_names(in_git),
                    size,
                )
        return result


class Staged:
    """The project in the folder `root` as it would be committed, without files that are not staged.

    Links and submodules are read from the worktree. `index` is the index of the repository, if the
    caller has already opened it. Raises InvalidInput outside a repository, ExternalError.
    """

    _committed: Sequence[ProjectPath] = ()
    _NO_PROJECT_FILE = ("not staged, and not in the repository", f"git add {loader.PROJECT_FILE}")

    def __init__(self, root: Path, index: Index | None = None) -> None:
        if index is None:
            index = Index.require(Repository.require(root, hint="leave out --staged"))
        self._open(root, index, index.top)

    def _open(
        self, root: Path, index: Index | CommitTree, top: Path, folder: str | None = None
    ) -> None:
        self.root = root
        self._index = index
        self._prefix = prefix(root, top) if folder is None else folder
        self.stats = self._stats = StatCache.open(root)
        self._benign: dict[tuple[str, str], str | None] = {}
        self._project_files = self.read((*PROJECT_FILES, LOCK_FILE))

    def declare(self, project: Project) -> None:
        self._stats.declare(project)
        self._committed = project.committed

    def _entries(self, paths: Sequence[str]) -> dict[str, TreeEntry]:
        """Return the entries at or below `paths`, by name relative to the project."""

        entries = self._index.entries([self._prefix + path for path in paths])
        return {entry.name[len(self._prefix) :]: entry for entry in entries}

    def git_index(self) -> Index | None:
        return self._index if isinstance(self._index, Index) else Index.discover(self.root)

    def project(self) -> bytes:
        text = self._project_files.get(loader.PROJECT_FILE)
        if text is None:
            self._raise_if_in_conflict(loader.PROJECT_FILE, "edit it, then: git add project.yml")
            message, hint = self._NO_PROJECT_FILE
            raise InvalidInput(message, file=loader.PROJECT_FILE, hint=hint)
        return with_params(text, self._project_files)

    def lock(self) -> bytes | None:
        text = self._project_files.get(LOCK_FILE)
        if text is None:
            self._raise_if_in_conflict(LOCK_FILE, "git spacy lock resolve")
        return text

    def _raise_if_in_conflict(self, name: str, hint: str) -> None:
        if self._index.is_in_conflict(self._prefix + name):
            raise InvalidInput("the file is in conflict", file=name, hint=hint)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        entries = self._entries(names)
        ids = {name: entry.id for name, entry in entries.items() if _is_file(entry)}
        contents = self._index.contents(list(ids.values()))
        texts = {}
        for name, (_, content) in zip(ids, contents, strict=True):
            if content.size > _MAX_TEXT_BYTES:
                raise InvalidInput(
                    f"file is {content.size:,} bytes; the limit is {_MAX_TEXT_BYTES:,}",
                    file=name,
                    hint=f"git rm --cached {name}",
                )
            texts[name] = b"".join(content.chunks())
        return texts

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        result: dict[str, Fingerprint | None] = {
            path.normal: None for path in paths if self.is_outside(path)
        }
        paths = [path for path in paths if path.normal not in result]
        below = self._entries_below(paths)
        unknown = []
        for path in paths:
            entries = below[path.normal]
            if submodules := self._submodules(path):
                result[path.normal] = self._with_submodules(path, entries, submodules, algorithm)
            elif not counts_in_git(path, [entry.name for entry in entries], self._committed):
                result[path.normal] = None
            elif not all(map(_is_file, entries)):
                result[path.normal] = self._stats.fingerprint(path.normal, algorithm)
            else:
                known = self._stats.staged_fingerprint(path.normal, _signature(entries, algorithm))
                if known is None:
                    unknown.append(path.normal)
                else:
                    result[path.normal] = known
        return {**result, **self._hash({path: below[path] for path in unknown}, algorithm)}

    def _submodules(self, path: ProjectPath) -> list[TreeEntry]:
        """Return the submodules that contain `path`, or that it contains."""

        if not isinstance(self._index, Index):
            return []  # a commit: they are read from the worktree
        full = self._prefix + path.normal + "/"
        return [
            entry
            for entry in self._index.submodules()
            if full.startswith(entry.name + "/") or f"{entry.name}/".startswith(full)
        ]

    def _with_submodules(
        self, path: ProjectPath, entries: Sequence[TreeEntry], submodules: list[TreeEntry],
        algorithm: str,
    ) -> Fingerprint | None:  # fmt: skip
        """Return the fingerprint of a path with files in submodules.

        That is the one in the worktree, if that has what the submodules' staged commits have; None
        if a submodule is not checked out. Otherwise the content is unknown, but certainly new.
        """

        assert isinstance(self._index, Index)
        committed = {entry.name for entry in entries if entry.mode != SUBMODULE}
        is_modified = bool(self._index.edited([self._prefix + path.normal]))
        for submodule in submodules:
            index = submodule_index(self._index, submodule)
            if index is None:
                return None
            start = f"{submodule.name}/"[len(self._prefix) :]
            is_inside = f"{path.normal}/".startswith(start)
            inner = path.normal[len(start) :] if is_inside else ""
            for entry in index.entries([inner]):
                name = (start + entry.name).removeprefix(path.normal).removeprefix("/")
                committed.add(name)
            is_modified |= bool(self._index.edited([submodule.name]) or index.edited([inner]))
        if is_modified or {file.name for file in self._stats.files(path.normal)} != committed:
            return _NEW
        return self._stats.fingerprint(path.normal, algorithm)

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        staged = self.fingerprints(paths, algorithm)
        others = [path for path in paths if staged[path.normal] is None]
        return {**staged, **_present_fingerprints(self._stats, others, algorithm)}

    def _entries_below(self, paths: Sequence[ProjectPath]) -> dict[str, list[TreeEntry]]:
        """Return the entries at or below each path, named relative to it, in hashing order."""

        below: dict[str, list[TreeEntry]] = {path.normal: [] for path in paths}
        for name, entry in self._entries(list(below)).items():
            parts = name.split("/")
            for depth in range(1, len(parts) + 1):
                entries = below.get("/".join(parts[:depth]))
                if entries is not None:
                    entries.append(entry._replace(name="/".join(parts[depth:])))
        for entries in below.values():
            entries.sort(key=lambda entry: entry.name.split("/"))
        return below

    def _hash(self, paths: dict[str, list[TreeEntry]], algorithm: str) -> dict[str, Fingerprint]:
        """Hash the entries of all paths with a single call of git."""

        if not paths:
            return {}
        contents = self._index.contents([entry.id for files in paths.values() for entry in files])
        fingerprints = {}
        for path, entries in paths.items():
            hasher, size = None, 0
            for _ in entries:
                content = next(contents)[1]
                hasher = hasher or light_hashes.new(algorithm, content.size)
                for chunk in content.chunks():
                    hasher.update(chunk)
                    size += len(chunk)
            hasher = hasher or light_hashes.new(algorithm, 0)
            names = hashing.digest_names([entry.name for entry in entries])
            fingerprints[path] = Fingerprint(hasher.hexdigest(), names, size)
            self._stats.remember_staged(path, _signature(entries, algorithm), fingerprints[path])
        next(contents, None)  # so that the git process ends
        return fingerprints

    def compare(self, differing: Collection[tuple[ProjectPath, str]]) -> None:
        pairs = {(path.normal, md5): path for path, md5 in differing}
        pairs = {pair: path for pair, path in pairs.items() if pair not in self._benign}
        below = self._entries_below(list(pairs.values()))
        checked_out = [pair for pair in pairs if self._is_recorded_in_worktree(*pair)]
        unmodified = self._unmodified({path: below[path] for path, _ in checked_out})
        for pair in pairs:
            same = pair in checked_out and pair[0] in unmodified
            self._benign[pair] = "" if same else self._compare_contents(below[pair[0]], pair)

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        self.compare([(path, recorded)])
        return self._benign[path.normal, recorded]

    def _is_recorded_in_worktree(self, path: str, recorded: str) -> bool:
        now = self._stats.fingerprint(path)
        return now is not None and now.digest == recorded

    def _unmodified(self, below: Mapping[str, Sequence[TreeEntry]]) -> set[str]:
        """Return the paths with just those files in the worktree, unmodified, that are staged."""

        names = {path: _full_names(self._prefix + path, entries) for path, entries in below.items()}
        asked = sorted(name for listed in names.values() for name in listed)
        if not asked:
            return set()
        changed = self._index.edited(asked) | self._index.special(asked).keys()
        return {
            path
            for path, entries in below.items()
            if changed.isdisjoint(names[path])
            and {file.name for file in self._stats.files(path)} == {e.name for e in entries}
        }

    def _compare_contents(self, entries: Sequence[TreeEntry], pair: tuple[str, str]) -> str | None:
        """Compare what is staged with a recorded md5 of the same with CRLF as line endings."""

        import hashlib

        if not entries or not all(map(_is_file, entries)):
            return None
        path, recorded = pair
        if sum(self._index.sizes([entry.id for entry in entries]).values()) > _MAX_TEXT_BYTES:
            return None
        hasher = hashlib.md5(usedforsecurity=False)
        contents = self._index.contents([entry.id for entry in entries])
        for _, stream in contents:
            content = stream.read()
            if content.startswith(LFS_POINTER_PREFIX):
                return LFS_POINTER if self._may_be_pointer(path) else None
            is_lf_text = is_text(content) and b"\r\n" not in content
            hasher.update(content.replace(b"\n", b"\r\n") if is_lf_text else content)
        return "" if hasher.hexdigest() == recorded else None

    def _may_be_pointer(self, path: str) -> bool:
        """Return whether the content that a Git LFS pointer at or below `path` stands for is not
        in the worktree."""

        files = self._stats.files(path)
        return not files or _has_pointer(self.root, files)

    def changed_files(self, path: ProjectPath, recorded: str) -> list[str]:
        before = self._stats.contents(path.normal, recorded)
        entries = self._entries_below([path])[path.normal]
        if before is None or not all(map(_is_file, entries)):
            return []
        now: dict[str, int] = {}
        contents = self._index.contents([entry.id for entry in entries])
        for entry, (_, stream) in zip(entries, contents, strict=True):
            content = stream.read()
            with_crlf = content.replace(b"\n", b"\r\n")
            sums = (zlib.crc32(content), zlib.crc32(with_crlf))
            now[entry.name] = next((sum for sum in sums if sum == before.get(entry.name)), sums[0])
        return sorted(name for name in before | now if before.get(name) != now.get(name))

    def is_outside(self, path: ProjectPath) -> bool:
        return path.outside or leads_outside(self.root, path.normal)

    def absence(self, path: ProjectPath) -> Absence | None:
        found = absence(self.root, self.git_index(), path.normal)
        return found if found and found.is_submodule else None

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        return _ignored(self._index, self._prefix, paths)

    def unstaged(self, names: Sequence[str]) -> list[str]:
        """Return the files at or below `names` that are not staged as they are in the worktree."""

        if not isinstance(self._index, Index):
            return []
        unstaged = self._index.unstaged([self._prefix + name for name in names])
        return [name[len(self._prefix) :] for name in unstaged]

    def dirty_submodules(self, names: Sequence[str]) -> list[str]:
        """Return the submodules around or below `names` that have uncommitted changes."""

        if not isinstance(self._index, Index):
            return []
        dirty = self._index.dirty_submodules([self._prefix + name for name in names])
        return [name[len(self._prefix) :] for name in dirty]

    @property
    def is_partial(self) -> bool:
        """Whether `git commit FILE` is running, which leaves out other staged files."""

        return isinstance(self._index, Index) and self._index.is_partial

    def save(self) -> None:
        if self._stats.bytes_hashed >= _MIN_BYTES_TO_SAVE:
            self._stats.save()


class AtCommit(Staged):
    """The project in the folder `root` as it is in the commit with the id `commit`.

    There it is in `folder` ("" or "folder/", relative to the top), which may have been renamed.
    """

    _NO_PROJECT_FILE = ("not in that commit", "")

    def __init__(
        self, root: Path, repository: Repository, commit: str, folder: str | None = None
    ) -> None:
        self._open(root, CommitTree(repository, commit), repository.cwd(), folder)


def _present_fingerprints(
    stats: StatCache, paths: Sequence[ProjectPath], algorithm: str
) -> Observed:
    result: dict[str, Fingerprint | None] = {}
    for path, now in complete(stats, stats.fingerprints(paths, algorithm), algorithm).items():
        is_bare = (
            now is not None
            and now.size <= _MAX_PLACEHOLDER_BYTES
            and only_placeholders([file.name for file in all_files(stats, path)])
        )
        result[path] = None if is_bare else now
    return result


def _is_file(entry: TreeEntry) -> bool:
    return entry.mode in (FILE, EXECUTABLE)


def _signature(entries: Sequence[TreeEntry], algorithm: str) -> str:
    lines = [algorithm, *(f"{entry.id} {entry.name}" for entry in entries)]
    joined = "\0".join(lines).encode("utf-8", "surrogateescape")
    return light_hashes.md5(joined, usedforsecurity=False).hexdigest()


def _ignored(
    index: Index | CommitTree, folder: str, paths: Sequence[ProjectPath]
) -> set[ProjectPath]:
    by_name = {folder + path.normal: path for path in paths if not path.outside}
    return {by_name[name] for name in index.ignored(list(by_name)) if name in by_name}


def _has_pointer(root: Path, files: Sequence[FileStat]) -> bool:
    """Return whether one of `files` is a Git LFS pointer."""

    small = [file.path for file in files if file.size <= MAX_POINTER_BYTES]
    return any(
        stream.read(len(LFS_POINTER_PREFIX)) == LFS_POINTER_PREFIX
        for stream in open_each(root, small)
    )


def _full_names(path: str, entries: Sequence[TreeEntry]) -> list[str]:
    return [f"{path}/{entry.name}".rstrip("/") for entry in entries]
