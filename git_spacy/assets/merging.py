"""Merge the new content of an asset with what is at its destination, before it is replaced.

Nothing of the user's is deleted: only files that were fetched earlier, and are unmodified since,
disappear or change without --force. All others are hard-linked into the new folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress

from git_spacy.assets.planner import in_the_way, keep_existing
from git_spacy.errors import Refused
from git_spacy.files import Staging
from git_spacy.project.model import Asset
from git_spacy.state.fetched_assets import is_at_or_below, link_digest

_CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

FolderEntries = Mapping[str, str]
"""A digest of each file and link in a folder by its name; "" is an empty folder."""


def staged_entries(staged: Staging) -> FolderEntries | None:
    """Return the entries of the staged folder; None if it is a file."""

    directory, _, new = staged.names
    return _entries(directory, new)


def merge(
    asset: Asset, staged: Staging, fetched: FolderEntries, inside: Collection[str], *, force: bool
) -> bool:
    """Move what must stay into the staged folder; return False if the destination is up to date.

    `fetched` are the entries that were fetched earlier; `inside` are paths in the destination that
    belong to nested assets and commands, which always stay. With `force`, edited files are
    replaced. Raises Refused if files of the user are in the way, OSError.
    """

    directory, name, new_name = staged.names
    new = _entries(directory, new_name)
    current = _entries(directory, name, {*(new or ()), *fetched})
    if current is None:  # nothing, or a file, which `fetch` compares
        return True
    if new is None:
        others = [path for path, digest in current.items() if fetched.get(path) != digest]
        if others:
            reason = f"existing content is a folder that has '{others[0]}'"
            raise in_the_way(asset, f"{reason}, which git spacy did not fetch")
        return True
    inside = [path for path in inside if any(is_at_or_below(entry, (path,)) for entry in current)]
    unwanted = [path for path in new if is_at_or_below(path, inside)]
    wanted = {path: digest for path, digest in new.items() if path not in unwanted}
    kept = [
        path
        for path, digest in current.items()
        if is_at_or_below(path, inside) or (path not in wanted and fetched.get(path) != digest)
    ]
    edited = [
        path
        for path, digest in wanted.items()
        if path in current and current[path] not in (digest, fetched.get(path))
    ]
    if edited and not force:
        raise edits_refused(asset, paths=edited)
    _check_places(asset, kept, current, wanted)
    remaining = {path: current[path] for path in current if path not in set(kept)}
    if remaining == wanted:
        return False
    for path in unwanted:
        _remove(directory, new_name, path)
    for path in kept:
        _keep(directory, name, new_name, path, is_folder=not current[path])
    return True


def _check_places(
    asset: Asset, kept: Sequence[str], current: FolderEntries, wanted: FolderEntries
) -> None:
    """Raise Refused if a file to keep is where the source has a folder, or the other way round."""

    folders = {folder for path in wanted for folder in _folders_above(path)}
    for path in kept:
        above = [folder for folder in _folders_above(path) if folder in wanted]
        if above or (current[path] and path in folders):
            reason = f"existing content has '{path}' where its source differs"
            raise in_the_way(asset, f"{reason}, which git spacy did not fetch")


def _folders_above(path: str) -> list[str]:
    return [path[:end] for end, character in enumerate(path) if character == "/"]


def edits_refused(
    asset: Asset, reason: str = "and differs from its source", *, paths: Sequence[str] = ()
) -> Refused:
    """Return the error for content that only --force may replace."""

    named = f" ('{paths[0]}'{', …' if len(paths) > 1 else ''})" if paths else ""
    message = f"existing content{named} was not fetched by git spacy or was modified {reason}"
    return keep_existing(asset, message)


def _entries(
    directory: int, name: str, compared: Collection[str] | None = None
) -> FolderEntries | None:
    """Return the entries of a folder, None if it is not a folder. No link is followed.

    With `compared`, the digests of all other files are "-".
    """

    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return dict(_walk(directory, name, compared))
    return None


def _walk(directory: int, name: str, compared: Collection[str] | None) -> Iterator[tuple[str, str]]:
    def fail(error: OSError) -> None:
        raise error

    for folder, folders, files, descriptor in os.fwalk(name, dir_fd=directory, onerror=fail):
        relative = os.path.relpath(folder, name)
        prefix = "" if relative == "." else f"{relative}/"
        if prefix and not folders and not files:
            yield relative, ""
        for entry in sorted((*folders, *files)):
            mode = os.stat(entry, dir_fd=descriptor, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                continue
            if compared is not None and prefix + entry not in compared:
                yield prefix + entry, "-"
            elif stat.S_ISLNK(mode):
                yield prefix + entry, link_digest(os.readlink(entry, dir_fd=descriptor))
            else:
                yield prefix + entry, _digest(entry, descriptor) if stat.S_ISREG(mode) else "-"


def _digest(name: str, directory: int) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    file = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
    )
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def _keep(directory: int, old: str, new: str, path: str, *, is_folder: bool) -> None:
    """Link the file `path` of the folder `old` into the folder `new`; copy it where the file system
    has no hard links. An empty folder is created."""

    folders = path.split("/")
    name = "" if is_folder else folders.pop()
    with ExitStack() as opened:
        source = _open(old, directory, opened)
        target = _open(new, directory, opened)
        for folder in folders:
            source = _open(folder, source, opened)
            is_new = not _exists(folder, target)
            if is_new:
                os.mkdir(folder, 0o700, dir_fd=target)
            target = _open(folder, target, opened)
            if is_new:
                os.fchmod(target, stat.S_IMODE(os.fstat(source).st_mode) | stat.S_IRWXU)
        if name:
            _link(name, source, target)


def _remove(directory: int, folder: str, path: str) -> None:
    *folders, name = path.split("/")
    with ExitStack() as opened:
        for inner in (folder, *folders):
            directory = _open(inner, directory, opened)
        os.unlink(name, dir_fd=directory)


def _open(folder: str, directory: int, opened: ExitStack) -> int:
    descriptor = os.open(folder, _DIRECTORY, dir_fd=directory)
    opened.callback(os.close, descriptor)
    return descriptor


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _link(name: str, source: int, target: int) -> None:
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        return
    except OSError:  # e.g. FAT has no links, and those to files of other users may be forbidden
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        return
    if not stat.S_ISREG(status.st_mode):
        raise
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, os.O_RDONLY | flags, dir_fd=source), "rb") as stream:
        created = os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags
        with open(os.open(name, created, 0o600, dir_fd=target), "wb") as copy:
            shutil.copyfileobj(stream, copy)
            copy.flush()
            os.fchmod(copy.fileno(), stat.S_IMODE(status.st_mode))
            os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
