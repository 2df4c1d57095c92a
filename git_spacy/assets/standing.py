"""What stands at an asset's destination: the facts that decisions and reports are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from git_spacy.assets.decision import Standing
from git_spacy.project.model import Asset
from git_spacy.state.fingerprint import Fingerprint, files_below
from git_spacy.state.index import Fetched


class Index(Protocol):
    """What is remembered of the files of a project (`state.index.StatIndex`)."""

    def fingerprint(self, relative: str, algorithm: str = ...) -> Fingerprint | None: ...
    def fetched(self, dest: str) -> Fetched | None: ...


def of(asset: Asset, root: Path, index: Index) -> Standing:
    """What stands at the destination of `asset`. Raises Unsafe, OSError."""

    dest = asset.dest.normal
    facts = files_below(root, dest)
    if not facts:
        return Standing(is_folder=facts is not None)
    found = index.fingerprint(dest)
    matches = None
    if found and asset.checksum:
        summed = index.fingerprint(dest, asset.checksum.algorithm)
        matches = summed is not None and summed.digest == asset.checksum.digest
    return Standing(found, bool(facts[0].name), matches, index.fetched(dest))
