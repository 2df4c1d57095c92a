"""Where everything of a project stands: what would run and why, which data is here. Only looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.assets import asset_status
from git_spacy.project import loader
from git_spacy.project.matrix import with_variants
from git_spacy.project.model import Asset, Project
from git_spacy.state import lock, worktree_status
from git_spacy.state.stat_cache import StatCache
from git_spacy.state.verdict import Reason, Verdict, orphans, with_upstream

AssetState = Literal["verified", "unverified", "modified", "missing", "checksum_mismatch"]


class Status(NamedTuple):
    """The verdict on each command, the state of each asset and the orphaned lock entries.

    An asset without a checksum is `unverified`, or `modified` if it changed since it was fetched;
    `checksum_mismatch` means that the file is not the one in project.yml. `assets` maps
    destinations to states; it is empty where no data was read.
    """

    commands: dict[str, Verdict]
    assets: dict[str, AssetState]
    orphans: tuple[Reason, ...]


def project_status(
    project: Project, root: Path, environ: Mapping[str, str], *, data: bool = True
) -> Status:
    """Where the project in `root` stands; without `data` as where none of it is: in CI.

    Raises Malformed for project.lock, Unsafe, OSError.
    """

    entries = lock.read(root)
    project = with_variants(project, loader.read_bytes(root), entries)
    lost = orphans(project, entries)
    if not data:
        from git_spacy.state import lock_check  # and with it what asks git
        from git_spacy.state.project_view import TrackedFiles

        judged = lock_check.check_lock(project, entries, TrackedFiles(root))
        return Status(with_upstream(project, judged.verdicts), {}, lost)
    stats = StatCache.open(root)
    verdicts = worktree_status.judge_all(project, entries, stats, environ)
    assets = {asset.dest.text: _asset(asset, root, stats) for asset in project.assets}
    stats.save()
    return Status(verdicts, assets, lost)


def _asset(asset: Asset, root: Path, stats: StatCache) -> AssetState:
    there = asset_status.inspect_asset(asset, root, stats)
    if there.existing is None:
        return "missing"
    if there.matches is not None:
        return "verified" if there.matches else "checksum_mismatch"
    return "unverified" if there.fetched is None or there.is_unmodified else "modified"
