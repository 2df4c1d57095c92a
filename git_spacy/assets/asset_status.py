"""Find out what exists at the destination of an asset."""

from __future__ import annotations

from pathlib import Path

from git_spacy.assets.planner import AssetStatus
from git_spacy.project.model import Asset
from git_spacy.state.extracted import extracted_status
from git_spacy.state.hashing import files_below
from git_spacy.state.stat_cache import StatCache


def inspect_asset(asset: Asset, root: Path, stats: StatCache) -> AssetStatus:
    """Return the status of the destination of `asset`. Raises Refused, OSError."""

    dest = asset.dest.normal
    facts = files_below(root, dest)
    if not facts:
        return AssetStatus(is_folder=facts is not None)
    existing = stats.fingerprint(dest)
    extracted = extracted_status(asset, stats) if asset.extract else None
    matches = extracted.is_verified if extracted else None
    if existing and asset.content_checksum:
        actual = stats.fingerprint(dest, asset.content_checksum.algorithm)
        matches = actual is not None and actual.digest == asset.content_checksum.digest
    return AssetStatus(existing, bool(facts[0].name), matches, stats.fetched(dest), extracted)
