"""An asset that is a file of this machine: copied, never linked.

The path is relative to the project. What a stranger's project.yml names must lie in the
repository; a FIFO, a device and Git's own folder are no data.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from git_spacy.assets.events import FetchProgress, FetchReporter
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.assets.sources import MAX_SIZE, FetchContext, FetchedContent, checksum_mismatch
from git_spacy.errors import ExternalError, GitSpacyError, Refused
from git_spacy.files import Staging, open_beneath
from git_spacy.git.repository import Repository
from git_spacy.git.settings import boolean, number
from git_spacy.git_names import is_git_name
from git_spacy.project.model import Asset

ALLOW = "spacy.allowLocalPath"
_CHUNK = 1 << 20


def refusal(asset: Asset, place: FetchContext) -> GitSpacyError | None:
    """Unsafe for a path outside the repository, or in Git's own folder."""

    if place.url(asset).lower().startswith("file:") and not _path_of_url(place.url(asset)):
        return Refused(f"its URL '{asset.url}' is no path of this machine", hint="write the path")
    path = _path(asset, place)
    if boolean(place.settings, ALLOW):
        return None
    real, top = os.path.realpath(path), _top(place)
    if real != top and not real.startswith(top + os.sep):
        return Refused(
            f"its path '{asset.url}' lies outside the repository",
            hint=f"if that is meant: git config {ALLOW} true",
        )
    if any(is_git_name(part) for part in os.path.relpath(real, top).split(os.sep)):
        return Refused(f"its path '{asset.url}' lies in Git's own folder", hint="use another path")
    return None


def fetch(
    asset: Asset, staged: Staging, place: FetchContext, report: FetchReporter
) -> FetchedContent:
    """Copy the file. Raises Unavailable if there is none."""

    path = _path(asset, place)
    top = os.sep if boolean(place.settings, ALLOW) else _top(place)
    if not path.exists():
        raise ExternalError(
            f"there is no file '{asset.url}'",
            hint="correct 'url', a path from the folder of project.yml",
        )
    if not path.is_file():
        raise ExternalError(
            f"'{asset.url}' is not a file", hint="name a file; for a folder use 'git:'"
        )
    cap = number(place.settings, MAX_SIZE) or None
    with (
        open_beneath(Path(top), os.path.relpath(os.path.realpath(path), top)) as stream,
        staged.open() as target,
    ):
        total = os.fstat(stream.fileno()).st_size
        sink = HashingWriter(target, asset.checksum, cap)
        sink.expect(total)
        while chunk := stream.read(_CHUNK):
            place.cancellation.check()
            sink.write(chunk)
            report(FetchProgress(asset.dest.text, sink.size, total))
    if asset.checksum and not sink.matches(asset.checksum):
        raise checksum_mismatch(asset.checksum, sink.digest(asset.checksum.algorithm))
    return FetchedContent(sink.size, sink.digest())


def _path(asset: Asset, place: FetchContext) -> Path:
    url = place.url(asset)
    return place.root / (_path_of_url(url) or os.path.expanduser(url))


def _path_of_url(url: str) -> str:
    """The path of a file: URL on this machine; "" for any other."""

    parts = urlsplit(url) if url[:5].lower() == "file:" else None
    if parts is None or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        return ""
    return unquote(parts.path)


def _top(place: FetchContext) -> str:
    repository = Repository.discover(place.root)
    return os.path.realpath((repository and repository.top) or place.root)
