"""Where a project is looked at: the work tree, or what is staged. The same questions of both.

A view reads and never writes to the project; what it had to hash, it may keep in the stat index.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from git_spacy.errors import ExternalError, InvalidInput, Refused
from git_spacy.files import open_beneath, open_each
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import EXECUTABLE, FILE, TreeEntry
from git_spacy.git.repository import Repository
from git_spacy.project import loader
from git_spacy.project.paths import ProjectPath
from git_spacy.state import hashing, lock
from git_spacy.state.hashing import Fingerprint, files_below
from git_spacy.state.lock import LOCK_FILE
from git_spacy.state.stat_cache import Observed, StatCache

_PROJECT_FILES = (loader.PROJECT_FILE, LOCK_FILE)
_PLACEHOLDERS = (".gitkeep", ".gitignore", ".keep")
_MAX_PLACEHOLDER_BYTES = 64 << 10  # bytes; more is no folder of placeholders
_MAX_TEXT_BYTES = 64 << 20
_LFS_POINTER_PREFIX = b"version https://git-lfs.github.com/spec/"
_CHUNK = 1 << 20
_MIN_BYTES_TO_SAVE = 4 << 20  # bytes: hashing fewer again costs less than writing the index
LFS_POINTER = "is only a Git LFS pointer"
LINE_ENDINGS = "differs only in line endings"


class View(Protocol):
    """One project, looked at somewhere."""

    root: Path

    def project(self) -> bytes:
        """The text of project.yml. Raises Malformed, Unsafe."""

    def lock(self) -> bytes | None:
        """The text of project.lock; None: there is none."""

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """The content of those of the files that are there: names relative to the project."""

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        """The fingerprints of what is there. An empty folder, or one of placeholders (.gitkeep)
        alone, is nothing."""

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        """The same, and what is not in Git as it lies in the work tree."""

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        """Why content whose md5 is not `recorded` may be what it was, in words (LFS_POINTER,
        LINE_ENDINGS); "" if it is known to be the same after all; None: it is another."""

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        """Which of `paths` are kept out of Git on purpose."""

    def save(self) -> None:
        """Keep what was hashed, if that is worth it."""


class WorkTree:
    """The project as it lies in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stats = StatCache.open(root)

    def project(self) -> bytes:
        return loader.read_bytes(self.root)

    def lock(self) -> bytes | None:
        return lock.content(self.root)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        found = {}
        for name in names:
            # what is not there, is no file or leads out of the project
            missing = suppress(FileNotFoundError, NotADirectoryError, Refused)
            with missing, open_beneath(self.root, name) as stream:
                found[name] = stream.read()
        return found

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        return _present_fingerprints(self.root, self._stats, paths, algorithm)

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        return self.fingerprints(paths, algorithm)

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        facts = files_below(self.root, path.normal) or []
        if sum(fact.size for fact in facts) > _MAX_TEXT_BYTES:
            return None
        streams = open_each(self.root, (fact.path for fact in facts))
        return _benign_difference(map(_pieces, streams), recorded)

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        repository = Repository.discover(self.root)
        index = repository and Index.open(repository)
        return _ignored(index, prefix(self.root, index.top), paths) if index else set()

    def save(self) -> None:
        if self._stats.bytes_hashed >= _MIN_BYTES_TO_SAVE:
            self._stats.save()


class TrackedFiles(WorkTree):
    """The work tree without what Git does not track, as it would lie in a fresh clone."""

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        repository = Repository.discover(self.root)
        index = repository and Index.open(repository)
        if index is None:
            return super().fingerprints(paths, algorithm)
        above = prefix(self.root, index.top)
        entries = index.entries([above + path.normal for path in paths])
        tracked = {entry.name[len(above) :] for entry in entries}
        found: dict[str, Fingerprint | None] = {}
        for path in paths:
            facts = files_below(self.root, path.normal) or []
            kept = [fact for fact in facts if f"{path.normal}/{fact.name}".rstrip("/") in tracked]
            if _only_placeholders([fact.name for fact in kept]):
                found[path.normal] = None
            elif len(kept) == len(facts):
                found[path.normal] = self._stats.fingerprint(path.normal, algorithm)
            else:
                size = sum(fact.size for fact in kept)
                found[path.normal] = Fingerprint(
                    hashing.digest_contents(self.root, kept, algorithm),
                    hashing.digest_file_names(kept),
                    size,
                )
        return found


class Staged:
    """The project in the folder `root` as it would be committed: what is not in Git is not there.

    Links and submodules are looked at in the work tree. `index` is that of its repository, where
    the caller has it already. Raises Unavailable where there is no repository or git fails.
    """

    _NO_PROJECT_FILE = ("not staged, and not in the repository", f"git add {loader.PROJECT_FILE}")

    def __init__(self, root: Path, index: Index | None = None) -> None:
        if index is None:
            repository = Repository.discover(root)
            index = repository and Index.open(repository)
        if index is None:
            raise ExternalError(f"'{root}' is in no Git work tree", hint="leave out --staged")
        self._open(root, index, index.top)

    def _open(self, root: Path, index: Index | CommitTree, top: Path) -> None:
        self.root = root
        self._index = index
        self._prefix = prefix(root, top)
        self._stats = StatCache.open(root)
        self._project_files = self.read(_PROJECT_FILES)

    def _entries(self, paths: Sequence[str]) -> dict[str, TreeEntry]:
        """What is staged at or below `paths`, by name relative to the project."""

        found = self._index.entries([self._prefix + path for path in paths])
        return {entry.name[len(self._prefix) :]: entry for entry in found}

    def project(self) -> bytes:
        text = self._project_files.get(loader.PROJECT_FILE)
        if text is None:
            what, hint = self._NO_PROJECT_FILE
            raise InvalidInput(what, location=loader.PROJECT_FILE, hint=hint)
        return text

    def lock(self) -> bytes | None:
        return self._project_files.get(LOCK_FILE)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        ids = {name: one.id for name, one in self._entries(names).items() if _is_file(one)}
        contents = self._index.contents(list(ids.values()))
        found = {}
        for name, (_, content) in zip(ids, contents, strict=True):
            if content.size > _MAX_TEXT_BYTES:
                raise InvalidInput(
                    f"{content.size:,} bytes; the limit is {_MAX_TEXT_BYTES:,}", location=name,
                    hint=f"take it out of Git: git rm --cached {name}",
                )  # fmt: skip
            found[name] = b"".join(content.chunks())
        return found

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        below = self._entries_below(paths)
        found: dict[str, Fingerprint | None] = {}
        unknown = []
        for path in paths:
            entries = below[path.normal]
            if _only_placeholders([entry.name for entry in entries]):
                found[path.normal] = None
            elif not all(map(_is_file, entries)):
                found[path.normal] = self._stats.fingerprint(path.normal, algorithm)
            else:
                known = self._stats.staged_fingerprint(path.normal, _signature(entries, algorithm))
                if known is None:
                    unknown.append(path.normal)
                else:
                    found[path.normal] = known
        return {**found, **self._hash({path: below[path] for path in unknown}, algorithm)}

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        staged = self.fingerprints(paths, algorithm)
        others = [path for path in paths if staged[path.normal] is None]
        return {**staged, **_present_fingerprints(self.root, self._stats, others, algorithm)}

    def _entries_below(self, paths: Sequence[ProjectPath]) -> dict[str, list[TreeEntry]]:
        """The entries at or below each path, named from there, in the order of hashing."""

        found: dict[str, list[TreeEntry]] = {path.normal: [] for path in paths}
        for name, entry in self._entries(list(found)).items():
            parts = name.split("/")
            for depth in range(1, len(parts) + 1):
                entries = found.get("/".join(parts[:depth]))
                if entries is not None:
                    entries.append(entry._replace(name="/".join(parts[depth:])))
        for entries in found.values():
            entries.sort(key=lambda entry: entry.name.split("/"))
        return found

    def _hash(self, paths: dict[str, list[TreeEntry]], algorithm: str) -> dict[str, Fingerprint]:
        """Read them all, in one go."""

        contents = self._index.contents([entry.id for files in paths.values() for entry in files])
        found = {}
        for path, entries in paths.items():
            hasher = hashlib.new(algorithm, usedforsecurity=False)
            size = 0
            for _ in entries:
                for piece in next(contents)[1].chunks():
                    hasher.update(piece)
                    size += len(piece)
            listing = hashing.digest_names([entry.name for entry in entries])
            found[path] = Fingerprint(hasher.hexdigest(), listing, size)
            self._stats.remember_staged(path, _signature(entries, algorithm), found[path])
        next(contents, None)  # lets git end
        return found

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        entries = self._entries_below([path])[path.normal]
        files = [entry for entry in entries if _is_file(entry)]
        if not files:
            return None
        contents = self._index.contents([entry.id for entry in files])
        words = _benign_difference((content.chunks() for _, content in contents), recorded)
        if words == LFS_POINTER and not self._index.edited([self._prefix + path.normal]):
            # what the pointer stands for lies in the work tree, untouched since Git put it there
            now = self._stats.fingerprint(path.normal)
            return "" if now is not None and now.digest == recorded else words
        return words

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        return _ignored(self._index, self._prefix, paths)

    def save(self) -> None:
        if self._stats.bytes_hashed >= _MIN_BYTES_TO_SAVE:
            self._stats.save()


class AtCommit(Staged):
    """The project in the folder `root` as the commit with the id `commit` has it."""

    _NO_PROJECT_FILE = ("not in that commit", "name one that has it")

    def __init__(self, root: Path, repository: Repository, commit: str) -> None:
        self._open(root, CommitTree(repository, commit), repository.cwd())


def prefix(root: Path, top: Path) -> str:
    """What stands before a project's paths to make them relative to the top of its repository:
    "" or `folder/`."""

    relative = os.path.relpath(os.path.realpath(root), os.path.realpath(top))
    return "" if relative == "." else relative + "/"


def _present_fingerprints(
    root: Path, stats: StatCache, paths: Sequence[ProjectPath], algorithm: str
) -> Observed:
    found: dict[str, Fingerprint | None] = {}
    for path, now in stats.fingerprints(paths, algorithm).items():
        is_bare = (
            now is not None
            and now.size <= _MAX_PLACEHOLDER_BYTES
            and _only_placeholders(_names(root, path))
        )
        found[path] = None if is_bare else now
    return found


def _names(root: Path, path: str) -> list[str]:
    return [fact.name for fact in files_below(root, path) or []]


def _is_file(entry: TreeEntry) -> bool:
    return entry.mode in (FILE, EXECUTABLE)


def is_placeholder(name: str) -> bool:
    """Whether a file is only there to make Git keep its folder."""

    return name.rpartition("/")[2] in _PLACEHOLDERS


def _only_placeholders(names: Sequence[str]) -> bool:
    return all(map(is_placeholder, names))


def _signature(entries: Sequence[TreeEntry], algorithm: str) -> str:
    lines = [algorithm, *(f"{entry.id} {entry.name}" for entry in entries)]
    joined = "\0".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


def _ignored(
    index: Index | CommitTree, above: str, paths: Sequence[ProjectPath]
) -> set[ProjectPath]:
    named = {above + path.normal: path for path in paths}
    return {named[name] for name in index.ignored(list(named)) if name in named}


def _pieces(stream: FileIO) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK):
        yield piece


def _benign_difference(files: Iterable[Iterator[bytes]], recorded: str) -> str | None:
    """What may be said for contents that are not those with the md5 `recorded`."""

    unix, dos = (hashlib.md5(usedforsecurity=False) for _ in range(2))
    for pieces in files:
        held = b""
        is_text: bool | None = None
        for piece in pieces:
            if is_text is None:
                if piece.startswith(_LFS_POINTER_PREFIX):
                    return LFS_POINTER
                is_text = b"\0" not in piece[:8000]  # as Git tells
            if is_text:
                piece = held + piece
                held = b"\r" if piece.endswith(b"\r") else b""
                piece = piece[: len(piece) - len(held)].replace(b"\r\n", b"\n")
            unix.update(piece)
            dos.update(piece.replace(b"\n", b"\r\n") if is_text else piece)
        unix.update(held)
        dos.update(held)
    return LINE_ENDINGS if recorded in (unix.hexdigest(), dos.hexdigest()) else None
