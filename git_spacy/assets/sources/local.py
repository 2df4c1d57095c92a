"""An asset that is a file of this machine: copied, never linked.

The path is relative to the project. What a stranger's project.yml names must lie in the
repository; a FIFO, a device and Git's own folder are no data.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from git_spacy.assets.events import Progress, Reporter
from git_spacy.assets.sink import Sink
from git_spacy.assets.sources import MAX_SIZE, Brought, Place, mismatch
from git_spacy.errors import GitSpacyError, Unavailable, Unsafe
from git_spacy.files import Staging, opened_inside
from git_spacy.git.repository import Repository
from git_spacy.git.settings import boolean, number
from git_spacy.git_names import is_git_name
from git_spacy.project.model import Asset

ALLOW = "spacy.allowLocalPath"
_CHUNK = 1 << 20


def refusal(asset: Asset, place: Place) -> GitSpacyError | None:
    """Unsafe for a path outside the repository, or in Git's own folder."""

    if place.url(asset).lower().startswith("file:") and not _path_of_url(place.url(asset)):
        return Unsafe(f"its URL '{asset.url}' is no path of this machine", mend="write the path")
    path = _path(asset, place)
    if boolean(place.settings, ALLOW):
        return None
    real, top = os.path.realpath(path), _top(place)
    if real != top and not real.startswith(top + os.sep):
        return Unsafe(
            f"its path '{asset.url}' lies outside the repository",
            mend=f"if that is meant: git config {ALLOW} true",
        )
    if any(is_git_name(part) for part in os.path.relpath(real, top).split(os.sep)):
        return Unsafe(f"its path '{asset.url}' lies in Git's own folder", mend="use another path")
    return None


def bring(asset: Asset, staged: Staging, place: Place, report: Reporter) -> Brought:
    """Copy the file. Raises Unavailable if there is none."""

    path = _path(asset, place)
    top = os.sep if boolean(place.settings, ALLOW) else _top(place)
    if not path.exists():
        raise Unavailable(
            f"there is no file '{asset.url}'",
            mend="correct 'url', a path from the folder of project.yml",
        )
    if not path.is_file():
        raise Unavailable(
            f"'{asset.url}' is not a file", mend="name a file; for a folder use 'git:'"
        )
    cap = number(place.settings, MAX_SIZE) or None
    with (
        opened_inside(Path(top), os.path.relpath(os.path.realpath(path), top)) as stream,
        staged.open() as target,
    ):
        total = os.fstat(stream.fileno()).st_size
        sink = Sink(target, asset.checksum, cap)
        sink.expect(total)
        while chunk := stream.read(_CHUNK):
            place.cancellation.check()
            sink.write(chunk)
            report(Progress(asset.dest.text, sink.size, total))
    if asset.checksum and not sink.matches(asset.checksum):
        raise mismatch(asset.checksum, sink.digest(asset.checksum.algorithm))
    return Brought(sink.size, sink.digest())


def _path(asset: Asset, place: Place) -> Path:
    url = place.url(asset)
    return place.root / (_path_of_url(url) or os.path.expanduser(url))


def _path_of_url(url: str) -> str:
    """The path of a file: URL on this machine; "" for any other."""

    parts = urlsplit(url) if url[:5].lower() == "file:" else None
    if parts is None or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        return ""
    return unquote(parts.path)


def _top(place: Place) -> str:
    repository = Repository.discover(place.root)
    return os.path.realpath((repository and repository.top) or place.root)
