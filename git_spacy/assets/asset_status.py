"""Find out what exists at the destination of an asset."""

from __future__ import annotations

from pathlib import Path

from git_spacy.assets.planner import AssetStatus
from git_spacy.project.model import Asset, Project
from git_spacy.state.fetched_assets import (
    is_pointer,
    is_unmodified,
    matches_checksum,
    own_files,
    paths_inside,
)
from git_spacy.state.hashing import files_below
from git_spacy.state.stat_cache import StatCache


def inspect_asset(project: Project, asset: Asset, root: Path, stats: StatCache) -> AssetStatus:
    """Return the status of the destination of `asset`. Raises Refused, OSError."""

    dest = asset.dest.normal
    files = files_below(root, dest)
    is_only_others = paths_inside(project, asset) and not own_files(
        project, asset, files or (), stats
    )
    if not files or is_only_others:
        return AssetStatus(is_folder=files is not None)
    existing = stats.fingerprint(dest)
    return AssetStatus(
        existing,
        bool(existing and existing.names),
        matches_checksum(project, asset, stats),
        stats.fetched(dest),
        is_unmodified(project, asset, stats),
        is_pointer(asset, stats),
    )
