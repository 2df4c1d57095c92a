"""Remember the files that were extracted from the archive of an asset, and compare them.

The archive itself is not kept. Its digests and that of the extracted files are in the stat cache;
the list of files, which can be long, is a file of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.files import open_each, write_atomic
from git_spacy.git.state_dir import state_dir
from git_spacy.project.model import Asset
from git_spacy.state.hashing import FileStat
from git_spacy.state.stat_cache import StatCache

_CHUNK = 1 << 20


class ExtractedStatus(NamedTuple):
    """`matches` says whether the archive was the one that project.yml has a checksum of, None if it
    has none; `is_unmodified` whether all files are as they were extracted."""

    matches: bool | None
    is_unmodified: bool

    @property
    def is_verified(self) -> bool | None:
        """Whether the files are those of the archive that project.yml has a checksum of; None if it
        has none."""

        return self.matches and self.is_unmodified

    @property
    def problem(self) -> str:
        """Why the files are not verified, for a message that begins with the asset."""

        if self.matches is False:
            return "was extracted from an archive with another checksum than project.yml has"
        return "was edited since it was extracted"


def extracted_status(asset: Asset, stats: StatCache) -> ExtractedStatus | None:
    """Return the status of the files at the destination of an asset with `extract`.

    None if it does not exist or is not known to be extracted. Raises Refused, OSError.
    """

    dest = asset.dest.normal
    fetched = stats.fetched(dest)
    if fetched is None or not fetched.archive or stats.fingerprint(dest) is None:
        return None
    matches = None
    if asset.checksum:
        matches = dict(fetched.archive).get(asset.checksum.algorithm) == asset.checksum.digest
    unmodified = stats.has_fetched_files(dest, lambda: extracted_files(stats.root, dest))
    return ExtractedStatus(matches, unmodified)


def extracted_files(root: Path, dest: str) -> dict[str, str]:
    """Return the md5 of each file that was extracted to `dest`, by name; {} if not known."""

    try:
        files = formats.document(_manifest(root, dest).read_bytes().decode())
        for name, md5 in files.items():
            formats.folder(name)
            formats.md5(md5)
        return dict(files)
    except (OSError, InvalidInput, ValueError, AttributeError):
        return {}


def remember_extracted(root: Path, dest: str, files: Mapping[str, str]) -> None:
    """Remember the md5 of each file that was extracted to `dest`. A failure is not an error: then
    the files are fetched again to compare them."""

    manifest = _manifest(root, dest)
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(manifest, json.dumps(files).encode())
    except OSError:
        pass


def digest_each(root: Path, files: list[FileStat]) -> tuple[str, dict[str, str]]:
    """Return the digest of the contents of `files`, concatenated, and the md5 of each by name."""

    whole, digests = hashlib.md5(usedforsecurity=False), {}
    for file, stream in zip(files, open_each(root, (file.path for file in files)), strict=True):
        one = hashlib.md5(usedforsecurity=False)
        while chunk := stream.read(_CHUNK):
            whole.update(chunk)
            one.update(chunk)
        digests[file.name] = one.hexdigest()
    return whole.hexdigest(), digests


def _manifest(root: Path, dest: str) -> Path:
    name = hashlib.sha256(dest.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return state_dir(root) / "extracted" / name
