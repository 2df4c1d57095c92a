"""Validate the tree of an untrusted repository, and write its files to disk.

Checks names, modes and links before anything is written. Writes the bytes of each blob as they are:
no filters, no `export-subst`, no conversion of line ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from git_spacy.containment import TreeNames, link_stays_inside
from git_spacy.errors import (
    ExternalError,
    InvalidInput,
    LocalFailure,
    Refused,
    Warn,
    local_failure,
    warning,
)
from git_spacy.files import create
from git_spacy.git.process import RAISE_LIMIT
from git_spacy.light_typing import NamedTuple, Protocol

FILE, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000

# A few tree objects can expand to more files than fit on any disk; no template has so many.
MAX_TREE_ENTRIES = 500_000
# The limit for commits and trees, however small the limit for contents is: the trees of 500,000
# files have 40 MB. Also leaves room for a whole commit from a server without filters.
MAX_TREE_BYTES = 256 << 20
_MAX_TARGET_LENGTH = 4096  # more than any link may have
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER_BYTES = 1024
_CHUNK = 1 << 20


class TreeEntry(NamedTuple):
    """A file, link or submodule of a tree.

    Has its Git mode, its path from the top of the repository (with surrogates for bytes that are
    not UTF-8) and the id of its content.
    """

    mode: int
    name: str
    id: str


class CheckoutResult(NamedTuple):
    """The number of written files and links, and the paths of those that are Git LFS pointers."""

    files: int
    lfs_pointers: tuple[str, ...]


class Stream(Protocol):
    """A readable stream of bytes."""

    def read(self, size: int = ..., /) -> bytes: ...


class Contents(Protocol):
    """Access to the contents of local or remote blobs, by hexadecimal ids."""

    def fetch(self, ids: Sequence[str]) -> None:
        """Fetch all these blobs in one request. Raises ExternalError."""

    def read(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        """Yield (id, content) of fetched blobs. Read each content before asking for the next."""


FetchedTree = tuple[str, tuple[TreeEntry, ...], Contents]
"""The result of a backend: the commit, the entries of its trees except folders, the contents."""


class RemoteTree(NamedTuple):
    """A commit whose trees are fetched, and whose contents are fetched when needed."""

    commit: str
    listing: tuple[TreeEntry, ...]
    contents: Contents
    warn: Warn
    display_url: str
    max_bytes: int = 0  # for one checkout; 0: as much as the disk has room for

    def folders(self) -> tuple[str, ...]:
        """Return every folder of the tree, sorted."""

        found: set[str] = set()
        for entry in self.listing:
            folder = entry.name.rpartition("/")[0]
            while folder and folder not in found:
                found.add(folder)
                folder = folder.rpartition("/")[0]
        return tuple(sorted(found))

    def files(self, path: str) -> tuple[TreeEntry, ...]:
        """Return the entries at or below `path`, without folders; none if it does not exist."""

        path = _normalize(path)
        below = path + "/" if path else ""
        return tuple(
            entry for entry in self.listing if entry.name == path or entry.name.startswith(below)
        )

    def checkout(self, path: str, dest: Path) -> CheckoutResult:
        """Write the folder or file `path` ("" for everything) to `dest`, which must not exist.

        Raises InvalidInput if the tree does not have `path`, Refused for an unsafe name or link,
        ExternalError for more than `max_bytes` bytes, LocalFailure if the disk fails. Removes
        everything that it wrote if it fails.
        """

        path = _normalize(path)
        entries = self.files(path)
        if not entries:
            raise InvalidInput(f"{self.display_url} has no '{path}' in commit {self.commit[:12]}")
        names = _check_names(entries, self.display_url)
        wanted = []
        for entry in entries:
            if entry.mode == SUBMODULE:
                self.warn(warning(f"skipped submodule '{entry.name}'"))
            else:
                wanted.append(entry)
        self.contents.fetch(tuple(dict.fromkeys(entry.id for entry in wanted)))
        return _write_tree(
            wanted, names, path, dest, self.contents, self.display_url, self.max_bytes
        )


def is_lfs_pointer(head: bytes, size: int) -> bool:
    """Return whether a file of `size` bytes that starts with `head` is a Git LFS pointer."""

    return size <= _MAX_POINTER_BYTES and head.startswith(_LFS_POINTER)


def _normalize(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def limit_entries(entries: Iterable[TreeEntry], repository: str) -> Iterator[TreeEntry]:
    """Yield `entries`. Raises Refused if there are too many."""

    for count, entry in enumerate(entries, 1):
        if count > MAX_TREE_ENTRIES:
            raise _refused(repository, f"has more than {MAX_TREE_ENTRIES} files")
        yield entry


def _check_names(entries: Sequence[TreeEntry], repository: str) -> TreeNames:
    """Raise Refused for a name that leads outside, that Git could take for `.git`, or that occurs
    twice, and for an unknown file mode. Return the names."""

    names = TreeNames(lambda name, why: _refused(repository, f"has a file {name!r}, which {why}"))
    for entry in entries:
        if stat.S_IFMT(entry.mode) not in (stat.S_IFREG, LINK, SUBMODULE):
            raise _refused(repository, f"has a file {entry.name!r} of unknown mode {entry.mode:o}")
        if not entry.name:
            raise _refused(repository, "has a file without a name")
        names.add(entry.name, "link" if entry.mode == LINK else "file")
    return names


def _write_tree(
    entries: Sequence[TreeEntry], names: TreeNames, path: str, dest: Path, contents: Contents,
    repository: str, max_bytes: int,
) -> CheckoutResult:  # fmt: skip
    """Write the `entries`, all at or below `path`, to `dest`, which must not exist.

    `dest` becomes a file if the only entry is `path` itself, else a folder. Removes everything that
    it wrote if it fails. Raises Refused for a link that leads out of the folder, LocalFailure if
    the disk fails.
    """

    if os.path.lexists(dest):
        raise LocalFailure(
            "destination already exists", hint="choose another folder", file=str(dest)
        )
    single = len(entries) == 1 and entries[0].name == path
    if single and entries[0].mode == LINK:
        raise _refused(repository, f"has a symbolic link at {path!r}, which leads out of it")
    above = path + "/" if path else ""
    files: dict[str, list[str]] = {}  # names by id
    executable: set[str] = set()
    links: dict[str, str] = {}
    for entry in entries:
        name = "" if single else entry.name.removeprefix(above)
        if entry.mode == LINK:
            links[name] = entry.id
        else:
            files.setdefault(entry.id, []).append(name)
        if entry.mode & stat.S_IXUSR:
            executable.add(name)
    targets = _read_targets(links, contents)
    for name, target in targets.items():
        if not link_stays_inside(name, target, lambda inner: names.may_be_link(above + inner)):
            raise _link_refused(repository, name, target)
    try:
        if not single:
            dest.mkdir()
        pointers = _write_files(files, executable, dest, contents, _SizeLimit(max_bytes))
        _make_links(targets, dest)
    except BaseException as error:
        _remove(dest)
        if isinstance(error, OSError):
            raise local_failure(error, f"cannot write the files of '{repository}'") from None
        raise
    return CheckoutResult(len(entries), tuple(sorted(pointers)))


class _SizeLimit:
    """Counts written bytes: a small compressed object can expand to a huge file."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._written = 0

    def add(self, size: int) -> None:
        self._written += size
        if self._max_bytes and self._written > self._max_bytes:
            raise ExternalError(f"larger than {self._max_bytes:,} bytes", hint=RAISE_LIMIT)


def _write_files(
    names: dict[str, list[str]],
    executable: set[str],
    dest: Path,
    contents: Contents,
    size_limit: _SizeLimit,
) -> list[str]:
    """Write each blob to its names below `dest`, and return the names of Git LFS pointers."""

    pointers = []
    for id, stream in contents.read(list(names)):
        first, *others = names[id]
        target = dest / first if first else dest
        head = _write(target, stream, first in executable, size_limit)
        for name in others:
            os.makedirs(dest / os.path.dirname(name), exist_ok=True)
            with open(target, "rb") as source:
                _write(dest / name, source, name in executable, size_limit)
        if is_lfs_pointer(head, len(head)):
            pointers += names[id]
    return pointers


def _write(target: Path, source: Stream, executable: bool, size_limit: _SizeLimit) -> bytes:
    """Write `source` to the new file `target`, and return its content if it is small, else b""."""

    os.makedirs(target.parent, exist_ok=True)
    with create(target, executable=executable) as stream:
        head = chunk = source.read(_CHUNK)
        while chunk:
            size_limit.add(len(chunk))
            stream.write(chunk)
            chunk = source.read(_CHUNK)
    return head if len(head) <= _MAX_POINTER_BYTES else b""


def _read_targets(links: dict[str, str], contents: Contents) -> dict[str, str]:
    """Return the target of each link, cut where it is too long."""

    texts = {
        id: os.fsdecode(stream.read(_MAX_TARGET_LENGTH + 1))
        for id, stream in contents.read([*set(links.values())])
    }
    return {name: texts[id] for name, id in links.items()}


def _make_links(targets: dict[str, str], dest: Path) -> None:
    """Create the links after all files, so that no file is written through one."""

    for name in targets:
        os.makedirs((dest / name).parent, exist_ok=True)
    for name, target in targets.items():
        os.symlink(target, dest / name)


def _remove(path: Path) -> None:
    """Remove a file or folder if it exists, without following links."""

    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _link_refused(repository: str, name: str, target: str) -> Refused:
    return Refused(
        f"the link {name!r} of '{repository}' leads out of its folder, to {target!r}",
        hint="ask its author to replace the link by a copy of the file",
    )


def _refused(repository: str, reason: str) -> Refused:
    return Refused(f"'{repository}' {reason}", hint="use a template from an author you trust")


def no_such_content(id: str) -> ExternalError:
    """Return the error for an object that was requested and not sent."""

    return ExternalError(f"the repository did not send the object {id}", hint="try again")
