"""Find out what exists at the destination of an asset."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from git_spacy.assets.planner import AssetStatus
from git_spacy.project.model import Asset
from git_spacy.state.hashing import Fingerprint, files_below
from git_spacy.state.stat_cache import FetchedAsset


class FingerprintSource(Protocol):
    """Cached fingerprints of the files of a project (`state.stat_cache.StatCache`)."""

    def fingerprint(self, relative: str, algorithm: str = ...) -> Fingerprint | None: ...
    def fetched(self, dest: str) -> FetchedAsset | None: ...


def inspect_asset(asset: Asset, root: Path, index: FingerprintSource) -> AssetStatus:
    """Return the status of the destination of `asset`. Raises Refused, OSError."""

    dest = asset.dest.normal
    facts = files_below(root, dest)
    if not facts:
        return AssetStatus(is_folder=facts is not None)
    existing = index.fingerprint(dest)
    matches = None
    if existing and asset.checksum:
        actual = index.fingerprint(dest, asset.checksum.algorithm)
        matches = actual is not None and actual.digest == asset.checksum.digest
    return AssetStatus(existing, bool(facts[0].name), matches, index.fetched(dest))
