"""Count files that are not checked out as Git has them.

`git sparse-checkout` leaves files out of the worktree. Nothing has changed in them, so their
content is that of the index, as long as nobody needs the files themselves.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

from git_spacy.errors import ExternalError
from git_spacy.files import open_each
from git_spacy.git.repository import Repository, prefix, submodule_paths
from git_spacy.light_typing import TYPE_CHECKING
from git_spacy.state.hashing import FileStat, Fingerprint, digest_names

if TYPE_CHECKING:
    from git_spacy.git.remote_tree import TreeEntry
    from git_spacy.state.stat_cache import Observed, StatCache

_CHUNK = 1 << 20


def absent_entries(root: Path, repository: Repository | None) -> dict[str, TreeEntry]:
    """Return what is not checked out in the project at `root`, by name, sorted.

    That is what is outside the sparse checkout, and submodules without their files. Names are
    relative to the project. Starts git only if there may be any.
    """

    if repository is None or repository.top is None:
        return {}
    is_sparse = repository.git_path("info/sparse-checkout").exists()
    submodules = [
        name
        for name in submodule_paths(repository.top)
        if not (repository.top / name / ".git").exists()
    ]
    if not is_sparse and not submodules:
        return {}
    from git_spacy.git.index import Index  # imports the code that runs git
    from git_spacy.git.remote_tree import SUBMODULE

    index = Index.discover(root)
    if index is None:
        return {}
    top = prefix(root, index.top)
    try:
        entries = index.sparse([top]) if is_sparse else []
        if submodules:
            entries += (entry for entry in index.entries(submodules) if entry.mode == SUBMODULE)
    except ExternalError:
        return {}
    return dict(
        sorted((entry.name[len(top) :], entry) for entry in entries if entry.name.startswith(top))
    )


def complete(stats: StatCache, observed: Observed, algorithm: str = "md5") -> Observed:
    """Return the `observed` fingerprints with the files that are not checked out as in Git.

    A path is None if that content is not known: of a submodule, a link or a file in Git LFS, or in
    a partial clone.
    """

    absent = {path: entries for path in observed if (entries := stats.not_checked_out(path))}
    if not absent:
        return observed
    return {
        path: _complete_one(stats, path, now, absent[path], algorithm) if path in absent else now
        for path, now in observed.items()
    }


def _complete_one(
    stats: StatCache, path: str, now: Fingerprint | None, absent: list[TreeEntry], algorithm: str
) -> Fingerprint | None:
    signature = _signature(now, absent, algorithm)
    known = stats.staged_fingerprint(path, signature, "sparse")
    if known is None:
        try:
            known = _read(stats, path, algorithm)
        except ExternalError:
            known = None
        if known:
            stats.remember_staged(path, signature, known, "sparse")
    return known


def _read(stats: StatCache, path: str, algorithm: str) -> Fingerprint | None:
    import hashlib

    from git_spacy.git.index import Index
    from git_spacy.git.remote_tree import EXECUTABLE, FILE, is_lfs_pointer

    index = Index.discover(stats.root)
    absent = stats.not_checked_out(path)
    if index is None or any(entry.mode not in (FILE, EXECUTABLE) for entry in absent):
        return None
    files = all_files(stats, path)
    streams = open_each(stats.root, (file.path for file in files if isinstance(file, FileStat)))
    blobs = index.contents([file.id for file in files if not isinstance(file, FileStat)])
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    size = 0
    for file in files:
        if isinstance(file, FileStat):
            stream = next(streams)
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
            size += file.size
        else:
            _, content = next(blobs)
            start = content.read(min(content.size, _CHUNK))
            if is_lfs_pointer(start, content.size):
                return None
            hasher.update(start)
            for chunk in content.chunks():
                hasher.update(chunk)
            size += content.size
    next(blobs, None)  # so that the git process ends
    return Fingerprint(hasher.hexdigest(), digest_names([file.name for file in files]), size)


def all_files(stats: StatCache, path: str) -> list[FileStat | TreeEntry]:
    """Return the files at or below `path` that count, checked out or not, in hashing order."""

    files: list[FileStat | TreeEntry] = [*stats.files(path), *stats.not_checked_out(path)]
    return sorted(files, key=lambda file: file.name.split("/"))


def _signature(now: Fingerprint | None, absent: Sequence[TreeEntry], algorithm: str) -> str:
    import hashlib

    lines = [algorithm, repr(now and (now.digest, now.names))]
    lines += (f"{entry.id} {entry.name}" for entry in absent)
    joined = "\0".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


def entries_at(root: Path, entries: Mapping[str, TreeEntry], path: str) -> list[TreeEntry]:
    """Return those of the sorted `entries` at or below `path` that do not exist, relative to it."""

    if not entries:
        return []
    inside = f"{path}/"
    names = list(entries)
    start, end = bisect_left(names, inside), bisect_left(names, f"{path}0")  # "0" follows "/"
    found = [path] if path in entries else names[start:end]
    return [
        entries[name]._replace(name=name[len(inside) :])
        for name in found
        if not _exists(root / name)
    ]


def _exists(path: Path) -> bool:
    """Return whether a file exists, or a submodule has its files."""

    return (path / ".git").exists() if path.is_dir() else os.path.lexists(path)
