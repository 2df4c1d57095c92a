"""One output to a tar.gz: streamed, nothing but that output in it, nothing of elsewhere.

Files, folders (empty ones, too) and links that stay inside the output. A link that leads elsewhere
in the project is packed as the file that it names. `unpacking` is the way back.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import tarfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from git_spacy.errors import ExternalError, LocalFailure, Refused
from git_spacy.files import resolve_beneath
from git_spacy.git_names import is_git_name
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import FileStat, Fingerprint, files_below
from git_spacy.storage.safe_extract import stays_inside, unpack

__all__ = ["pack", "unpack", "verified"]

_CHUNK = 1 << 20
_LEVEL = 3  # models hardly shrink: more would cost time and gain nothing

Progress = Callable[[int], None]


def pack(root: Path, path: ProjectPath, content: str, to: BinaryIO, progress: Progress) -> None:
    """Write the archive of the output at `path`, whose md5 is `content`, to the stream `to`.

    `progress` is called with bytes read. Raises Unsafe for a link that leads out of the project or
    to a folder elsewhere in it, LocalFailure if the output changes meanwhile, OSError.
    """

    facts = files_below(root, path.normal) or []
    hasher = hashlib.md5(usedforsecurity=False)
    links: set[str] = set()
    with (
        gzip.GzipFile("", "wb", _LEVEL, to, mtime=0) as zipped,
        tarfile.open(fileobj=cast(IO[bytes], zipped), mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for inner, info in _folders_and_links(root, path):
            tar.addfile(info)
            if info.issym():
                links.add(inner)
        for fact in facts:
            with open(fact.path, "rb") as stream:
                heard = _HashingReader(stream, hasher.update, progress)
                _add(tar, None if fact.name in links else _info(fact, path), heard)
            # (it would keep all that it knows of 200,000 files)
            tar.members.clear()  # type: ignore[attr-defined]
    if hasher.hexdigest() != content:
        raise LocalFailure(f"'{path}' changed while it was read", hint="push again")


def verified(
    path: ProjectPath, found: Fingerprint | None, content: str, names: Collection[str] = ()
) -> Fingerprint:
    """`found`, what was unpacked of an output whose content has this md5, and whose file names have
    one of these digests if any are recorded. Raises Unavailable if it is something else."""

    if found is None or found.digest != content:
        raise ExternalError(
            f"what the remote has of '{path}' is not what its name says (its md5 is"
            f" {found.digest if found else 'none'}, not {content})",
            hint="push it again from where it was made, with --force",
        )
    if names and found.names not in names:
        raise ExternalError(
            f"what the remote has of '{path}' has other file names than were recorded",
            hint="push it again from where it was made, with --force",
        )
    return found


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo | None, heard: _HashingReader) -> None:
    """Read a file, and add it; None: it is there as a link, and only its content counts."""

    if info is None:
        while heard.read(_CHUNK):
            pass
        return
    try:
        tar.addfile(info, cast(IO[bytes], heard))
    except OSError as error:
        if error.errno is not None:
            raise
        # the tar module's own words for a file that is shorter by now: the digest tells


def _info(fact: FileStat, path: ProjectPath) -> tarfile.TarInfo:
    info = tarfile.TarInfo(_name(path, fact.name))
    info.size = fact.size
    info.mtime = fact.mtime_ns // 1_000_000_000
    info.mode = 0o755 if os.access(fact.path, os.X_OK) else 0o644
    return info


def _name(path: ProjectPath, inner: str) -> str:
    return posixpath.join(path.normal, inner).rstrip("/")


def _folders_and_links(root: Path, path: ProjectPath) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """(name below the output, member) of all that is no file but belongs to it."""

    top = resolve_beneath(root, path.normal)
    for folder, folders, files in os.walk(top):
        above = os.path.relpath(folder, top)
        above = "" if above == "." else above
        info = tarfile.TarInfo(_name(path, above))
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        yield above, info
        for name in sorted((*folders, *files)):
            inner = posixpath.join(above, name)
            if is_git_name(name):
                raise Refused(
                    f"'{_name(path, inner)}' is Git's own, which is never sent",
                    hint="remove it from the output, or keep it out of it",
                )
            at = os.path.join(folder, name)
            if not os.path.islink(at):
                continue
            target = os.readlink(at)
            if stays_inside(inner, target):
                info = tarfile.TarInfo(_name(path, inner))
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
                yield inner, info
            elif os.path.isdir(at):
                raise Refused(
                    f"'{_name(path, inner)}' is a link to a folder that is not of '{path}'",
                    hint="replace the link by the folder itself",
                )


class _HashingReader:
    """A stream that tells what is read from it."""

    def __init__(self, stream: BinaryIO, *heard: Callable[..., object]) -> None:
        self._stream = stream
        self._hash, self._progress = heard

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._hash(data)
        self._progress(len(data))
        return data
