"""Find the fingerprint of a staged output that was hashed while it was written."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from git_spacy.files import Staging
from git_spacy.state.hashing import Fingerprint, digest_names, files_below, fingerprint


class WrittenFiles(NamedTuple):
    """The names of the files that were written, in their order, their size in bytes, the md5 of
    their contents one after another, and their `FileIdentity` ("" if these are unknown)."""

    names: list[str]
    size: int
    digest: str
    identity: str = ""


def staged_fingerprint(root: Path, staged: Staging, written: WrittenFiles) -> Fingerprint | None:
    """Return the fingerprint of a staged output; None if it does not exist.

    Its files are only read again if their digest is unknown or they count in another order. Links,
    which may count as files, make it unknown.
    """

    files = files_below(root, staged.relative)
    if files is None:
        return None
    names = [file.name for file in files]
    size = sum(file.size for file in files)
    if not written.digest or (names, size) != written[:2]:
        return fingerprint(root, staged.relative)
    return Fingerprint(written.digest, digest_names(names), size)
