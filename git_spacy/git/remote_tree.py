"""What a stranger's tree may hold, and how its files come to lie on disk.

Trusts nothing in a listing: names and modes are checked before anything is written, links before
and after. Files are written as their bytes are, so that no filter, no `export-subst` and no end
of line setting has a say. Knows nothing of repositories or of how the bytes travelled.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from git_spacy.errors import ExternalError, InvalidInput, LocalFailure, Refused, local_failure
from git_spacy.git_names import is_git_name

FILE, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000

# A tree of trees can unfold into more files than any disk holds; no template has so many.
MOST_ENTRIES = 500_000
# What commits and trees may take, however small the limit for contents is: those of 500,000 files
# have 40 MB. And a repository whose server sends no part of it.
MOST_TREES = 256 << 20
_DEEPEST = 128
_LONGEST_TARGET = 4096
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER = 1024
_CHUNK = 1 << 20


class TreeEntry(NamedTuple):
    """A file, link or submodule of a tree: its Git mode, its path from the repository's top (with
    surrogates where it is not UTF-8) and the id of its content."""

    mode: int
    name: str
    id: str


class CheckoutResult(NamedTuple):
    """What came to lie on disk: how many files and links, and which of them (relative to the
    folder) are only Git LFS pointers."""

    files: int
    lfs_pointers: tuple[str, ...]


class Stream(Protocol):
    """Bytes to come."""

    def read(self, size: int = ..., /) -> bytes: ...


class Contents(Protocol):
    """The contents of blobs, wherever they are. Ids are hexadecimal."""

    def fetch(self, ids: Sequence[str]) -> None:
        """Bring all of these here, in one go. Raises Unavailable."""

    def read(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        """(id, content) of what was fetched; one is read before the next is asked for."""


Opened = tuple[str, tuple[TreeEntry, ...], Contents]
"""What a back end yields: the commit, every entry of its trees but folders, the contents."""


class RemoteTree(NamedTuple):
    """A commit of a repository whose trees are here and whose contents are still there."""

    commit: str
    listing: tuple[TreeEntry, ...]
    contents: Contents
    warn: Callable[[str], None]
    shown: str
    most: int = 0  # bytes that a checkout may write; 0: what the disk has room for

    def folders(self) -> tuple[str, ...]:
        """Every folder in it, without asking the server again."""

        found: set[str] = set()
        for entry in self.listing:
            folder = entry.name.rpartition("/")[0]
            while folder and folder not in found:
                found.add(folder)
                folder = folder.rpartition("/")[0]
        return tuple(sorted(found))

    def files(self, path: str) -> tuple[TreeEntry, ...]:
        """What lies at or below `path` but folders; empty if there is no such path."""

        path = _normal(path)
        below = path + "/" if path else ""
        return tuple(
            entry for entry in self.listing if entry.name == path or entry.name.startswith(below)
        )

    def checkout(self, path: str, dest: Path) -> CheckoutResult:
        """Write the folder or file `path` ("" for everything) to `dest`, which must not exist.

        Raises Malformed where there is no such path, Unsafe for a name or a link that must not
        be, Unavailable for more than `most` bytes, LocalFailure if the disk fails; then nothing is
        left of it.
        """

        path = _normal(path)
        entries = self.files(path)
        if not entries:
            raise InvalidInput(f"{self.shown} has no '{path}' in commit {self.commit[:12]}")
        wanted = []
        for entry in checked(entries, self.shown):
            if entry.mode == SUBMODULE:
                self.warn(f"'{entry.name}' is a submodule: left out")
            else:
                wanted.append(entry)
        self.contents.fetch(tuple(dict.fromkeys(entry.id for entry in wanted)))
        return write_tree(wanted, path, dest, self.contents, self.shown, self.most)


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def counted(entries: Iterable[TreeEntry], repository: str) -> Iterator[TreeEntry]:
    """`entries`, as long as they are not too many. Raises Unsafe then."""

    for count, entry in enumerate(entries, 1):
        if count > MOST_ENTRIES:
            raise _refused(repository, f"holds more than {MOST_ENTRIES} files")
        yield entry


def checked(entries: Iterable[TreeEntry], repository: str) -> Iterator[TreeEntry]:
    """`entries`, none of which could lead out of the folder they are written to.

    Raises Unsafe for a name that is no path inside, or Git's own in any spelling, or stands for
    two things at once, and for a kind of file that Git does not know.
    """

    seen: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        parts = entry.name.split("/")
        if len(parts) > _DEEPEST:
            raise _refused(repository, f"holds folders that are nested {len(parts)} deep")
        for part in parts:
            if part in ("", ".", "..") or "\0" in part:
                raise _refused(repository, f"holds a file with the name {entry.name!r}")
            if is_git_name(part) or ".." in part.split("\\"):
                raise _refused(
                    repository, f"holds {entry.name!r}, which Git could take for its own"
                )
        if stat.S_IFMT(entry.mode) not in (stat.S_IFREG, LINK, SUBMODULE):
            raise _refused(repository, f"holds {entry.name!r} of the unknown kind {entry.mode:o}")
        above = {entry.name[:at] for at, letter in enumerate(entry.name) if letter == "/"}
        if entry.name in seen or entry.name in folders or not seen.isdisjoint(above):
            raise _refused(repository, f"holds {entry.name!r} twice")
        seen.add(entry.name)
        folders |= above
        yield entry


def write_tree(
    wanted: Sequence[TreeEntry], path: str, dest: Path, contents: Contents, repository: str,
    most: int = 0,
) -> CheckoutResult:  # fmt: skip
    """Write the files `wanted`, all at or below `path`, to `dest`, which must not exist: a file if
    one of them is `path` itself, else a folder. Nothing is left of it if this fails.

    Raises Unsafe for a link that leads out of the folder, LocalFailure if the disk fails.
    """

    if os.path.lexists(dest):
        raise LocalFailure("there is something already", hint="name another", location=str(dest))
    single = len(wanted) == 1 and wanted[0].name == path
    skip = len(path) + 1 if path else 0
    if single and wanted[0].mode == LINK:
        raise _refused(repository, f"has a link for {path!r}, which leads away from it")
    names: dict[str, list[str]] = {}
    for entry in wanted:
        names.setdefault(entry.id, []).append("" if single else entry.name[skip:])
    executable = {
        "" if single else entry.name[skip:] for entry in wanted if entry.mode & stat.S_IXUSR
    }
    links = {entry.name[skip:]: entry.id for entry in wanted if entry.mode == LINK}
    targets = _targets(links, contents, repository)
    try:
        if not single:
            dest.mkdir()
        pointers = _write_files(
            {id: [name for name in named if name not in links] for id, named in names.items()},
            executable,
            dest,
            contents,
            _Room(most),
        )
        _make_links(targets, dest, repository)
    except BaseException as error:
        _remove(dest)
        if isinstance(error, OSError):
            raise local_failure(error, f"cannot write what '{repository}' holds") from None
        raise
    return CheckoutResult(len(wanted), tuple(sorted(pointers)))


class _Room:
    """Counts what is written: a small object can unfold into more than anyone wants."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._written = 0

    def take(self, size: int) -> None:
        self._written += size
        if self._most and self._written > self._most:
            raise ExternalError(
                f"it is larger than {self._most:,} bytes",
                hint="if that is right, set the limit in bytes: git config spacy.maxAssetSize 10g",
            )


def _write_files(
    names: dict[str, list[str]],
    executable: set[str],
    dest: Path,
    contents: Contents,
    room: _Room,
) -> list[str]:
    """Write each content to its names below `dest`; return the names of Git LFS pointers."""

    pointers = []
    for id, stream in contents.read([id for id, named in names.items() if named]):
        first, *others = names[id]
        target = dest / first if first else dest
        head = _write(target, stream, first in executable, room)
        for name in others:
            os.makedirs(dest / os.path.dirname(name), exist_ok=True)
            with open(target, "rb") as source:
                _write(dest / name, source, name in executable, room)
        if head.startswith(_LFS_POINTER):
            pointers += names[id]
    return pointers


def _write(target: Path, source: Stream, executable: bool, room: _Room) -> bytes:
    """Write `source` to the new file `target`; return it if it is small, or nothing."""

    os.makedirs(target.parent, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    mode = 0o777 if executable else 0o666  # the user's umask takes from it, as from git's own
    with open(os.open(target, flags, mode), "wb") as stream:
        head = chunk = source.read(_CHUNK)
        while chunk:
            room.take(len(chunk))
            stream.write(chunk)
            chunk = source.read(_CHUNK)
    return head if len(head) <= _LARGEST_POINTER else b""


def _targets(links: dict[str, str], contents: Contents, repository: str) -> dict[str, str]:
    """Where each link leads, by its text alone: inside, and not into Git's own folder."""

    texts = {
        id: stream.read(_LONGEST_TARGET + 1) for id, stream in contents.read([*set(links.values())])
    }
    targets = {}
    for name, id in links.items():
        target = os.fsdecode(texts[id])
        joined = os.path.normpath(os.path.join(os.path.dirname(name), target))
        parts = target.replace("\\", "/").split("/")
        if (
            not target
            or "\0" in target
            or len(target) > _LONGEST_TARGET
            or target.startswith(("/", "\\"))
            or joined == ".."
            or joined.startswith("../")
            or any(is_git_name(part) for part in parts)
        ):
            raise _leads_out(repository, name, target)
        targets[name] = target
    return targets


def _make_links(targets: dict[str, str], dest: Path, repository: str) -> None:
    """Make the links, when all files lie there, and see where they really lead."""

    for name in targets:  # all of them first, so that no folder is made through a link
        os.makedirs((dest / name).parent, exist_ok=True)
    for name, target in targets.items():
        os.symlink(target, dest / name)
    top = os.path.realpath(dest)
    for name, target in targets.items():
        real = os.path.realpath(dest / name)
        if real != top and not real.startswith(top + os.sep):
            raise _leads_out(repository, name, target)


def _remove(path: Path) -> None:
    """Remove a file or a folder of ours, if it is there. Links are not followed."""

    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _leads_out(repository: str, name: str, target: str) -> Refused:
    return Refused(
        f"the link {name!r} of '{repository}' leads out of its folder, to {target!r}",
        hint="ask its author to replace the link by the file itself",
    )


def _refused(repository: str, what: str) -> Refused:
    return Refused(f"'{repository}' {what}", hint="use a template from somebody you trust")


def no_such_content(id: str) -> ExternalError:
    """The error for a content that was asked for and did not come."""

    return ExternalError(f"the repository did not send the object {id}", hint="try again")
