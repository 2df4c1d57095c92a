"""Report the state of a project: which commands would run and why, and which assets exist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from git_spacy.assets import asset_status
from git_spacy.light_typing import Literal, NamedTuple
from git_spacy.lock import lock_format
from git_spacy.project import loader
from git_spacy.project.matrix import with_variants
from git_spacy.project.model import Asset, Project
from git_spacy.state import worktree_status
from git_spacy.state.fetched_assets import has_other_source
from git_spacy.state.run_lock import LockHolder, lock_holders
from git_spacy.state.stat_cache import StatCache
from git_spacy.state.verdict import Reason, Verdict, orphaned_entries, with_upstream

AssetState = Literal["verified", "unverified", "modified", "stale", "missing", "checksum_mismatch"]


class Status(NamedTuple):
    """The verdict on each command, the state of each asset and the orphaned lock entries.

    An asset without a checksum is `unverified`, or `modified` if it changed since it was fetched,
    or `stale` if project.yml has another source since then. `checksum_mismatch` means that the file
    is not the one in project.yml. A Git LFS pointer without its content is `missing`. `assets` maps
    destinations to states; it is empty where no data was read. `holders` are the processes
    at work in the project, such as runs.
    """

    commands: dict[str, Verdict]
    assets: dict[str, AssetState]
    orphaned: tuple[Reason, ...]
    holders: tuple[LockHolder, ...] = ()


def project_status(
    project: Project, root: Path, environ: Mapping[str, str], *, data: bool = True
) -> Status:
    """Return the state of the project in `root`; without `data`, as in CI, where data is missing.

    Raises InvalidInput for an invalid project.lock, Refused, OSError.
    """

    entries = lock_format.read(root)
    project = with_variants(project, loader.read_bytes(root), entries)
    orphaned = orphaned_entries(project, entries)
    if not data:
        from git_spacy.state import lock_check  # imports the code that runs git
        from git_spacy.state.project_view import TrackedFiles

        checked = lock_check.check_lock(project, entries, TrackedFiles(root))
        return Status(with_upstream(project, checked.verdicts), {}, orphaned)
    stats = StatCache.open(root, fork=True)
    stats.declare(project)
    verdicts = worktree_status.judge_all(project, entries, stats, environ)
    assets = {asset.dest.text: _asset_state(project, asset, stats) for asset in project.assets}
    stats.save()
    return Status(verdicts, assets, orphaned, lock_holders(root))


def _asset_state(project: Project, asset: Asset, stats: StatCache) -> AssetState:
    status = asset_status.inspect_asset(project, asset, stats.root, stats)
    if status.existing is None or status.is_pointer:
        return "missing"
    if asset.extract and status.fetched and not status.is_unmodified:
        return "modified"
    if status.matches is not None:
        return "verified" if status.matches else "checksum_mismatch"
    if status.fetched is None or not asset.has_source:
        return "unverified"
    if not status.is_unmodified:
        return "modified"
    return "stale" if has_other_source(asset, status.fetched) else "unverified"
