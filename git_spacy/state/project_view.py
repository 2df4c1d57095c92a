"""Read a project from the worktree, from the index or from a commit, with one interface.

A view never writes to the project; it may save fingerprints in the stat cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath, open_each
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import EXECUTABLE, FILE, TreeEntry
from git_spacy.git.repository import Repository
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project import loader
from git_spacy.project.paths import ProjectPath
from git_spacy.state import hashing
from git_spacy.state.hashing import Fingerprint, files_below
from git_spacy.state.stat_cache import Observed, StatCache

_PROJECT_FILES = (loader.PROJECT_FILE, LOCK_FILE)
_PLACEHOLDERS = (".gitkeep", ".gitignore", ".keep")
_MAX_PLACEHOLDER_BYTES = 64 << 10  # of a whole folder
_MAX_TEXT_BYTES = 64 << 20
_LFS_POINTER_PREFIX = b"version https://git-lfs.github.com/spec/"
_CHUNK = 1 << 20
_MIN_BYTES_TO_SAVE = 4 << 20  # hashing fewer again costs less than writing the stat cache
LFS_POINTER = "is only a Git LFS pointer"
LINE_ENDINGS = "differs only in line endings"


class View(Protocol):
    """A project in the worktree, the index or a commit."""

    root: Path

    def project(self) -> bytes:
        """Return the text of project.yml. Raises InvalidInput, Refused."""

    def lock(self) -> bytes | None:
        """Return the text of project.lock; None if there is no lock."""

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of those files that exist, by name relative to the project."""

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        """Return the fingerprints of the paths, None for a path that does not exist.

        A folder without files, or with only placeholders like .gitkeep, does not exist.
        """

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        """Like `fingerprints`, but read paths that are not in Git from the worktree."""

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        """Say why content may be unchanged although its md5 is not `recorded`.

        Returns LFS_POINTER or LINE_ENDINGS; "" if the content is known to be unchanged; None if it
        differs.
        """

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        """Return those of `paths` that Git ignores."""

    def save(self) -> None:
        """Save the new fingerprints in the stat cache, if there are enough to be worth it."""


class WorkTree:
    """The project in the folder `root`, with all files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stats = StatCache.open(root)

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
        return _present_fingerprints(self.root, self._stats, paths, algorithm)

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        return self.fingerprints(paths, algorithm)

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        files = files_below(self.root, path.normal) or []
        if sum(file.size for file in files) > _MAX_TEXT_BYTES:
            return None
        streams = open_each(self.root, (file.path for file in files))
        return _benign_difference(map(_chunks, streams), recorded)

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        repository = Repository.discover(self.root)
        index = repository and Index.open(repository)
        return _ignored(index, prefix(self.root, index.top), paths) if index else set()

    def save(self) -> None:
        if self._stats.bytes_hashed >= _MIN_BYTES_TO_SAVE:
            self._stats.save()


class TrackedFiles(WorkTree):
    """The worktree without untracked files, as in a new clone."""

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        repository = Repository.discover(self.root)
        index = repository and Index.open(repository)
        if index is None:
            return super().fingerprints(paths, algorithm)
        folder = prefix(self.root, index.top)
        entries = index.entries([folder + path.normal for path in paths])
        tracked = {entry.name[len(folder) :] for entry in entries}
        result: dict[str, Fingerprint | None] = {}
        for path in paths:
            files = files_below(self.root, path.normal) or []
            in_git = [file for file in files if f"{path.normal}/{file.name}".rstrip("/") in tracked]
            if _only_placeholders([file.name for file in in_git]):
                result[path.normal] = None
            elif len(in_git) == len(files):
                result[path.normal] = self._stats.fingerprint(path.normal, algorithm)
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

    _NO_PROJECT_FILE = ("not staged, and not in the repository", f"git add {loader.PROJECT_FILE}")

    def __init__(self, root: Path, index: Index | None = None) -> None:
        if index is None:
            index = Index.require(Repository.require(root, hint="leave out --staged"))
        self._open(root, index, index.top)

    def _open(self, root: Path, index: Index | CommitTree, top: Path) -> None:
        self.root = root
        self._index = index
        self._prefix = prefix(root, top)
        self._stats = StatCache.open(root)
        self._project_files = self.read(_PROJECT_FILES)

    def _entries(self, paths: Sequence[str]) -> dict[str, TreeEntry]:
        """Return the entries at or below `paths`, by name relative to the project."""

        entries = self._index.entries([self._prefix + path for path in paths])
        return {entry.name[len(self._prefix) :]: entry for entry in entries}

    def project(self) -> bytes:
        text = self._project_files.get(loader.PROJECT_FILE)
        if text is None:
            message, hint = self._NO_PROJECT_FILE
            raise InvalidInput(message, file=loader.PROJECT_FILE, hint=hint)
        return text

    def lock(self) -> bytes | None:
        return self._project_files.get(LOCK_FILE)

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
        below = self._entries_below(paths)
        result: dict[str, Fingerprint | None] = {}
        unknown = []
        for path in paths:
            entries = below[path.normal]
            if _only_placeholders([entry.name for entry in entries]):
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

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        staged = self.fingerprints(paths, algorithm)
        others = [path for path in paths if staged[path.normal] is None]
        return {**staged, **_present_fingerprints(self.root, self._stats, others, algorithm)}

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

        contents = self._index.contents([entry.id for files in paths.values() for entry in files])
        fingerprints = {}
        for path, entries in paths.items():
            hasher = hashlib.new(algorithm, usedforsecurity=False)
            size = 0
            for _ in entries:
                for chunk in next(contents)[1].chunks():
                    hasher.update(chunk)
                    size += len(chunk)
            names = hashing.digest_names([entry.name for entry in entries])
            fingerprints[path] = Fingerprint(hasher.hexdigest(), names, size)
            self._stats.remember_staged(path, _signature(entries, algorithm), fingerprints[path])
        next(contents, None)  # so that the git process ends
        return fingerprints

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        entries = self._entries_below([path])[path.normal]
        files = [entry for entry in entries if _is_file(entry)]
        if not files:
            return None
        contents = self._index.contents([entry.id for entry in files])
        message = _benign_difference((content.chunks() for _, content in contents), recorded)
        if message == LFS_POINTER and not self._index.edited([self._prefix + path.normal]):
            # the file of the pointer is in the worktree, unmodified since Git checked it out
            now = self._stats.fingerprint(path.normal)
            return "" if now is not None and now.digest == recorded else message
        return message

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        return _ignored(self._index, self._prefix, paths)

    def save(self) -> None:
        if self._stats.bytes_hashed >= _MIN_BYTES_TO_SAVE:
            self._stats.save()


class AtCommit(Staged):
    """The project in the folder `root` as it is in the commit with the id `commit`."""

    _NO_PROJECT_FILE = ("not in that commit", "")

    def __init__(self, root: Path, repository: Repository, commit: str) -> None:
        self._open(root, CommitTree(repository, commit), repository.cwd())


def prefix(root: Path, top: Path) -> str:
    """Return the project's folder relative to the top of its repository: "" or "folder/"."""

    relative = os.path.relpath(os.path.realpath(root), os.path.realpath(top))
    return "" if relative == "." else relative + "/"


def _present_fingerprints(
    root: Path, stats: StatCache, paths: Sequence[ProjectPath], algorithm: str
) -> Observed:
    result: dict[str, Fingerprint | None] = {}
    for path, now in stats.fingerprints(paths, algorithm).items():
        is_bare = (
            now is not None
            and now.size <= _MAX_PLACEHOLDER_BYTES
            and _only_placeholders(_names(root, path))
        )
        result[path] = None if is_bare else now
    return result


def _names(root: Path, path: str) -> list[str]:
    return [file.name for file in files_below(root, path) or []]


def _is_file(entry: TreeEntry) -> bool:
    return entry.mode in (FILE, EXECUTABLE)


def is_placeholder(name: str) -> bool:
    """Return whether a file only exists so that Git keeps its folder."""

    return name.rpartition("/")[2] in _PLACEHOLDERS


def _only_placeholders(names: Sequence[str]) -> bool:
    return all(map(is_placeholder, names))


def _signature(entries: Sequence[TreeEntry], algorithm: str) -> str:
    lines = [algorithm, *(f"{entry.id} {entry.name}" for entry in entries)]
    joined = "\0".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


def _ignored(
    index: Index | CommitTree, folder: str, paths: Sequence[ProjectPath]
) -> set[ProjectPath]:
    by_name = {folder + path.normal: path for path in paths}
    return {by_name[name] for name in index.ignored(list(by_name)) if name in by_name}


def _chunks(stream: FileIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _benign_difference(files: Iterable[Iterator[bytes]], recorded: str) -> str | None:
    """Say why contents may be unchanged although their md5 is not `recorded` (see `View`)."""

    unix, dos = (hashlib.md5(usedforsecurity=False) for _ in range(2))
    for chunks in files:
        pending = b""  # a CR at the end of a chunk
        is_text: bool | None = None
        for chunk in chunks:
            if is_text is None:
                if chunk.startswith(_LFS_POINTER_PREFIX):
                    return LFS_POINTER
                is_text = b"\0" not in chunk[:8000]  # as Git decides
            if is_text:
                chunk = pending + chunk
                pending = b"\r" if chunk.endswith(b"\r") else b""
                chunk = chunk[: len(chunk) - len(pending)].replace(b"\r\n", b"\n")
            unix.update(chunk)
            dos.update(chunk.replace(b"\n", b"\r\n") if is_text else chunk)
        unix.update(pending)
        dos.update(pending)
    return LINE_ENDINGS if recorded in (unix.hexdigest(), dos.hexdigest()) else None
