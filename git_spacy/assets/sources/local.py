"""A path of this machine: copied from the project or its repository, and from nowhere else
unless the user allowed it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from git_spacy.assets.sink import Limits, Sink
from git_spacy.assets.sources import Context
from git_spacy.errors import Unavailable, Unsafe
from git_spacy.files import Staging
from git_spacy.git.repository import Repository, boolean, number
from git_spacy.project.model import Asset

ALLOW = "spacy.allowLocalPath"
_CHUNK = 1 << 20


def fetch(asset: Asset, staged: Staging, context: Context) -> str:
    """Copy the file. Raises Unsafe outside the repository, Unavailable for what is no file."""

    path = _source(asset, context)
    limits = Limits(number(context.settings, "spacy.maxAssetSize", 0), context.stop)
    try:
        # a FIFO must not make us wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(
            f"'{asset.url}': {error.strerror}", where=f"project.yml:{asset.line}",
            mend="correct the url, which is a path from the project's folder",
        ) from None  # fmt: skip
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Unavailable(
            f"'{asset.url}' is not a file", where=f"project.yml:{asset.line}",
            mend="name a file; for a folder use 'git:'",
        )  # fmt: skip
    with (
        open(descriptor, "rb") as stream,
        Sink(
            staged, asset.checksum, limits, lambda done, total: context.progress(asset, done, total)
        ) as sink,
    ):
        sink.expect(status.st_size)
        while chunk := stream.read(_CHUNK):
            sink.write(chunk, status.st_size)
        if not sink.is_right():
            raise Unavailable(
                f"'{asset.url}' has the digest {sink.digest()}, project.yml wants {asset.checksum}",
                where=f"project.yml:{asset.line}",
                mend="correct the file, or the checksum if the file is right",
            )
    return f"{asset.checksum.algorithm} verified" if asset.checksum else "no checksum"


def _source(asset: Asset, context: Context) -> Path:
    text = (asset.url or "").removeprefix("file://")
    path = Path(os.path.realpath(context.root / text))
    repository = Repository.discover(context.root)
    top = repository.top if repository and repository.top else context.root
    if not boolean(context.settings, ALLOW) and not path.is_relative_to(os.path.realpath(top)):
        raise Unsafe(
            f"'{asset.url}' lies outside the repository",
            where=f"project.yml:{asset.line}",
            mend=f"if that is meant: git config {ALLOW} true",
        )
    return path
