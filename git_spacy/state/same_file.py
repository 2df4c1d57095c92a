"""Recognize content that is unchanged although its md5 is not the recorded one.

Git converts files when it checks them out and when it adds them (line endings, filters, encodings),
so the md5 depends on the machine. A file that Git calls unmodified is the one that was recorded if
either its content in the worktree or its content in Git has the recorded md5. That content in Git
may have CRLF or LF as its line endings. Everyone who compares md5s asks here: `run`, `status`,
`check` and the hooks.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from git_spacy.errors import ExternalError
from git_spacy.files import open_each
from git_spacy.git.repository import prefix
from git_spacy.light_typing import TYPE_CHECKING, NamedTuple
from git_spacy.project.paths import is_outside
from git_spacy.state.hashing import FileStat
from git_spacy.state.sparse import all_files, entries_at
from git_spacy.state.stat_cache import StatCache

if TYPE_CHECKING:
    from git_spacy.git.index import Index
    from git_spacy.git.remote_tree import TreeEntry

Recorded = tuple[str, str]
"""A path (`ProjectPath.normal`) and its recorded md5."""

_MD5_DIGITS = 32
_MAX_BYTES = 64 << 20  # of a path whose content is compared with what Git has


class Absence(NamedTuple):
    """Why a path that Git has is not in the worktree, and how to get it."""

    message: str
    hint: str
    is_submodule: bool = False


def unchanged_in_git(stats: StatCache, differing: Collection[Recorded]) -> set[Recorded]:
    """Return those of the `differing` paths whose content in the worktree is the recorded one.

    Starts at most four git processes; none if an earlier answer is still valid.
    """

    partial = {path for path, _ in differing if stats.not_checked_out(path)}
    checked_out = [pair for pair in differing if pair[0] not in partial]
    same = {pair for pair in checked_out if stats.is_known_same(*pair)}
    for path, recorded in checked_out:
        if (path, recorded) in same:
            continue
        if stats.digest_of_all(path) == recorded:  # recorded by weasel, for which every file counts
            same.add((path, recorded))
    rest = [pair for pair in differing if pair not in same]
    from git_spacy.git.index import Index  # imports the code that runs git

    rest = [(path, recorded) for path, recorded in rest if not is_outside(path)]
    index = Index.discover(stats.root) if rest else None
    if index is not None:
        try:
            same.update(_same_in_git(stats, index, rest))
        except ExternalError:
            pass  # then only the worktree counts
    for pair in same:
        if pair[0] not in partial:  # what Git has of it may change while the worktree does not
            stats.remember_same(*pair)
    return same


def _same_in_git(stats: StatCache, index: Index, rest: list[Recorded]) -> Iterable[Recorded]:
    top = prefix(stats.root, index.top)
    entries = {entry.name: entry for entry in index.entries([top + path for path, _ in rest])}
    candidates = []
    for path, recorded in rest:
        files = all_files(stats, path)
        names = [f"{top}{path}/{file.name}".rstrip("/") for file in files]
        if entries.keys().isdisjoint(names) or _total_size(index, files) > _MAX_BYTES:
            continue
        parts = _read_parts(stats, index, files, [entries.get(name) for name in names])
        if any(part.blob for part in parts) or _has_digest(recorded, parts, {}):
            candidates.append((path, recorded, names, parts))
    if not candidates:
        return
    asked = sorted({name for _, _, names, _ in candidates for name in names if name in entries})
    modified = index.edited(asked) | index.special(asked).keys()
    unmodified = [
        (path, recorded, parts)
        for path, recorded, names, parts in candidates
        if not any(part.is_converted and name in modified
                   for part, name in zip(parts, names, strict=True))
    ]  # fmt: skip
    ids = sorted({part.blob for _, _, parts in unmodified for part in parts if part.blob})
    blobs = {id: content.read() for id, content in index.contents(ids)}
    for path, recorded, parts in unmodified:
        if _has_digest(recorded, parts, blobs):
            yield path, recorded


class _Part(NamedTuple):
    """The content of a file as in Git, or the id of its blob if that must be read.

    `is_text` means that Git may check it out with other line endings.
    """

    content: bytes
    blob: str
    is_text: bool
    is_checked_out: bool = True

    @property
    def is_converted(self) -> bool:
        return self.is_checked_out and (bool(self.blob) or self.is_text)


def _total_size(index: Index, files: Sequence[FileStat | TreeEntry]) -> int:
    sizes = index.sizes([file.id for file in files if not isinstance(file, FileStat)])
    size = sum(file.size for file in files if isinstance(file, FileStat))
    return size + sum(sizes.values())


def _read_parts(
    stats: StatCache,
    index: Index,
    files: Sequence[FileStat | TreeEntry],
    entries: list[TreeEntry | None],
) -> list[_Part]:
    parts = []
    ids = sorted({file.id for file in files if not isinstance(file, FileStat)})
    blobs = {id: content.read() for id, content in index.contents(ids)}
    streams = open_each(stats.root, (file.path for file in files if isinstance(file, FileStat)))
    for file, entry in zip(files, entries, strict=True):
        if not isinstance(file, FileStat):
            content = blobs[file.id]
            has_lf = is_text(content) and b"\r\n" not in content
            parts.append(_Part(content, "", has_lf, is_checked_out=False))
            continue
        content = next(streams).readall()
        if entry is None:
            parts.append(_Part(content, "", False))
            continue
        with_lf = content.replace(b"\r\n", b"\n") if is_text(content) else content
        if entry.id == blob_id(with_lf, entry.id):
            parts.append(_Part(with_lf, "", is_text(content)))
        elif entry.id == blob_id(content, entry.id):
            parts.append(_Part(content, "", False))
        else:
            parts.append(_Part(b"", entry.id, False))
    return parts


def _has_digest(recorded: str, parts: list[_Part], blobs: Mapping[str, bytes]) -> bool:
    """Return whether a digest, md5 or sha256, is that of the content in Git, or of the same with
    CRLF as the line endings."""

    import hashlib

    algorithm = "md5" if len(recorded) == _MD5_DIGITS else "sha256"
    lf, crlf = (hashlib.new(algorithm, usedforsecurity=False) for _ in range(2))
    for part in parts:
        content = blobs.get(part.blob, part.content)
        lf.update(content)
        crlf.update(content.replace(b"\n", b"\r\n") if part.is_text else content)
    return recorded in (lf.hexdigest(), crlf.hexdigest())


def blob_id(content: bytes, like: str) -> str:
    """Return Git's id of a blob with this content, by the algorithm of the id `like`."""

    import hashlib

    hasher = hashlib.new("sha1" if len(like) == 40 else "sha256", usedforsecurity=False)
    hasher.update(b"blob %d\0" % len(content))
    hasher.update(content)
    return hasher.hexdigest()


def is_text(content: bytes) -> bool:
    """Return whether Git takes a content for text."""

    return b"\0" not in content[:8000]


def absence(root: Path, index: Index | None, path: str) -> Absence | None:
    """Return why the worktree does not have `path` although Git has it; None if it does not.

    A folder is absent if a submodule in it is. Raises ExternalError.
    """

    if index is None or is_outside(path):
        return None
    from git_spacy.git.index import submodule_index

    full = prefix(root, index.top) + path
    for submodule in index.submodules():
        inside = submodule.name + "/"
        if not f"{full}/".startswith(inside) and not inside.startswith(full + "/"):
            continue
        if submodule_index(index, submodule) is None:
            name = os.path.relpath(index.top / submodule.name, root)
            return Absence(
                f"is in the submodule '{name}', which is not checked out",
                f"git submodule update --init {shlex.quote(name)}",
                is_submodule=True,
            )
    return _outside_sparse_checkout(root, index, path)


def _outside_sparse_checkout(root: Path, index: Index, path: str) -> Absence | None:
    top = prefix(root, index.top)
    entries = {entry.name[len(top) :]: entry for entry in index.sparse([top + path])}
    if not entries_at(root, dict(sorted(entries.items())), path):
        return None
    is_file = path in entries
    if index.is_cone:  # Git takes folders, relative to the current one
        folder = os.path.dirname(path) if is_file else path
        hint = f"git sparse-checkout add {shlex.quote(folder)}"
    else:  # Git takes patterns, and only at the top
        option = f"-C {shlex.quote(str(index.top))} " if top else ""
        pattern = f"/{top}{path}" + "/**" * (not is_file)
        hint = f"git {option}sparse-checkout add {shlex.quote(pattern)}"
    how = "partly outside" if os.path.lexists(root / path) else "outside"
    return Absence(f"is {how} the sparse checkout", hint)
