"""Copy an asset from a file on this machine.

The path is relative to the project. It must be a regular file inside the repository, but not in
Git's folder, since project.yml may be untrusted; `spacy.allowLocalPath` allows any path.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from git_spacy.assets.events import FetchProgress, FetchReporter
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.assets.sources import MAX_SIZE, FetchContext, FetchedContent, checksum_mismatch
from git_spacy.containment import is_git_name, names_beneath
from git_spacy.errors import CheckFailed, ExternalError, GitSpacyError, Refused
from git_spacy.files import Staging, open_beneath
from git_spacy.git.remote_tree import is_lfs_pointer
from git_spacy.git.repository import Repository
from git_spacy.git.settings import boolean, number
from git_spacy.project.model import Asset

ALLOW = "spacy.allowLocalPath"
_CHUNK = 1 << 20


def refusal(asset: Asset, context: FetchContext) -> GitSpacyError | None:
    """Return the error if the asset's path must not be read, else None.

    It is refused outside the repository and in Git's folder, unless `spacy.allowLocalPath` is set,
    and if it is a file: URL of another machine.
    """

    if context.url(asset).lower().startswith("file:") and not _path_of_url(context.url(asset)):
        return Refused(f"URL '{asset.url}' is not a path on this machine", hint="use a path")
    path = _path(asset, context)
    if boolean(context.settings, ALLOW):
        return None
    names = names_beneath(os.path.realpath(path), _top(context))
    if names is None:
        return Refused(
            f"path '{asset.url}' is outside the repository",
            hint=f"if this is intended: git config {ALLOW} true",
        )
    if any(map(is_git_name, names)):
        return Refused(f"path '{asset.url}' is in Git's folder", hint="use another path")
    return None


def fetch(
    asset: Asset, staged: Staging, context: FetchContext, report: FetchReporter
) -> FetchedContent:
    """Copy the file and compare it with the asset's checksum.

    Raises ExternalError if it is missing, not a regular file or does not match.
    """

    path = _path(asset, context)
    top = os.sep if boolean(context.settings, ALLOW) else _top(context)
    if not path.exists():
        raise ExternalError(
            f"file not found: '{asset.url}'",
            hint="correct 'url'; paths are relative to the folder of project.yml",
        )
    if not path.is_file():
        raise ExternalError(
            f"'{asset.url}' is not a file", hint="use the path of a file; for a folder use 'git:'"
        )
    cap = number(context.settings, MAX_SIZE) or None
    with (
        open_beneath(Path(top), os.path.relpath(os.path.realpath(path), top)) as stream,
        staged.open() as target,
    ):
        total = os.fstat(stream.fileno()).st_size
        writer = HashingWriter(target, asset.checksum, cap)
        writer.expect(total)
        while chunk := stream.read(_CHUNK):
            context.cancellation.check()
            writer.write(chunk)
            report(FetchProgress(asset.dest.text, writer.size, total))
    if is_lfs_pointer(writer.head, writer.size):
        raise CheckFailed(f"'{asset.url}' is a Git LFS pointer", hint="git lfs pull")
    if asset.checksum and not writer.matches(asset.checksum):
        raise checksum_mismatch(asset, writer.digest(asset.checksum.algorithm))
    return FetchedContent(writer.size, writer.digest())


def _path(asset: Asset, context: FetchContext) -> Path:
    url = context.url(asset)
    return context.root / (_path_of_url(url) or os.path.expanduser(url))


def _path_of_url(url: str) -> str:
    """Return the path of a file: URL on this machine, "" for any other URL."""

    parts = urlsplit(url) if url[:5].lower() == "file:" else None
    if parts is None or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        return ""
    return unquote(parts.path)


def _top(context: FetchContext) -> str:
    repository = Repository.discover(context.root)
    return os.path.realpath((repository and repository.top) or context.root)
