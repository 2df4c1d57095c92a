"""What stands at an asset's destination: the facts that decisions and reports are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from git_spacy.assets.planner import AssetStatus
from git_spacy.project.model import Asset
from git_spacy.state.hashing import Fingerprint, files_below
from git_spacy.state.stat_cache import FetchedAsset


class FingerprintSource(Protocol):
    """What is remembered of the files of a project (`state.index.StatIndex`)."""

    def fingerprint(self, relative: str, algorithm: str = ...) -> Fingerprint | None: ...
    def fetched(self, dest: str) -> FetchedAsset | None: ...


def inspect_asset(asset: Asset, root: Path, index: FingerprintSource) -> AssetStatus:
    """What stands at the destination of `asset`. Raises Unsafe, OSError."""

    dest = asset.dest.normal
    facts = files_below(root, dest)
    if not facts:
        return AssetStatus(is_folder=facts is not None)
    found = index.fingerprint(dest)
    matches = None
    if found and asset.checksum:
        summed = index.fingerprint(dest, asset.checksum.algorithm)
        matches = summed is not None and summed.digest == asset.checksum.digest
    return AssetStatus(found, bool(facts[0].name), matches, index.fetched(dest))
