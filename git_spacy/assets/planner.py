"""Decide what to do with each asset from project.yml and the status of its destination.

Does not use the network or the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.light_typing import NamedTuple, Union
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Asset
from git_spacy.project.paths import ProjectPath
from git_spacy.state.fetched_assets import has_other_source
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import FetchedAsset

UNVERIFIED = "unverified: no checksum"


class Skip(NamedTuple):
    """Leave the asset as it is: it is present and, as far as is known, correct."""

    asset: Asset
    reason: str


class Fetch(NamedTuple):
    """Fetch the asset. `existing` is the fingerprint of its destination, None if that is empty.

    With `protect_existing`, the destination may contain edits of the user: it is compared with the
    fetched content and never replaced.
    """

    asset: Asset
    reason: str
    protect_existing: bool = False
    existing: Fingerprint | None = None


class Refuse(NamedTuple):
    """Do not fetch the asset, because of `error`."""

    asset: Asset
    error: GitSpacyError


class Missing(NamedTuple):
    """A private asset is missing or does not match its checksum; the user must add it."""

    asset: Asset
    reason: str


Decision = Union[Skip, Fetch, Refuse, Missing]  # noqa: UP007 (3.10)


class AssetStatus(NamedTuple):
    """The status of a destination. `existing` is None without a file; `matches` says whether the
    checksum matches, None for an asset without one. `is_unmodified` says whether the files that
    were fetched are as they were fetched, `is_pointer` whether there is only a Git LFS pointer."""

    existing: Fingerprint | None = None
    is_folder: bool = False
    matches: bool | None = None
    fetched: FetchedAsset | None = None
    is_unmodified: bool = False
    is_pointer: bool = False


def plan_asset(
    asset: Asset,
    status: AssetStatus,
    *,
    refusal: GitSpacyError | None = None,
    force: bool = False,
    refresh: bool = False,
) -> Decision:
    """Decide what to do with an asset. `refusal` is the reason not to use its source, if any. With
    `refresh`, it is fetched whatever exists; edits are still protected."""

    if asset.url is None and asset.git is None:
        return _plan_private(asset, status)
    if status.is_pointer:
        reason = "only a Git LFS pointer is present"
        return Refuse(asset, refusal) if refusal else Fetch(asset, reason, existing=status.existing)
    if status.existing is not None and status.matches and not refresh:
        return Skip(asset, f"already present, {verification(asset)}")
    if not (force or refresh) and (reason := _skip_reason(asset, status)):
        return Skip(asset, reason)
    if refusal:
        return Refuse(asset, refusal)
    if status.existing is None:
        return Fetch(asset, "missing")
    if force:
        return Fetch(asset, "--force", existing=status.existing)
    is_edited = not status.is_unmodified
    reason = "--update" if refresh else _fetch_reason(asset, status)
    if asset.extract:
        return Fetch(asset, reason, existing=status.existing)  # edits are protected file by file
    if asset.git:
        return Fetch(asset, reason, protect_existing=is_edited, existing=status.existing)
    if status.is_folder and is_edited:
        return Refuse(asset, in_the_way(asset, "existing content is a folder; the asset is a file"))
    if is_edited and status.fetched and status.existing.size and not refresh:
        message = "existing content was modified since it was fetched"
        return Refuse(asset, keep_existing(asset, f"{message}; {reason}"))
    return Fetch(asset, reason, existing=status.existing)


def keep_existing(asset: Asset, message: str) -> Refused:
    """Return the error for existing content that only --force may replace."""

    hint = f"move it, or replace it: git spacy assets --force {quote(asset.dest.text)}"
    return Refused(message, hint=hint)


def in_the_way(asset: Asset, message: str) -> Refused:
    """Return the error for existing content that nothing replaces, not even --force."""

    dest = asset.dest.normal
    return Refused(message, hint=f"move it away: mv {quote(dest)} {quote(dest + '.old')}")


def _plan_private(asset: Asset, status: AssetStatus) -> Decision:
    hint = f": {asset.description}" if asset.description else ""
    if status.existing is None:
        return Missing(asset, f"private asset is missing; add it by hand{hint}")
    if status.is_pointer:
        return Missing(asset, f"private asset is only a Git LFS pointer; git lfs pull{hint}")
    if status.matches is False:
        return Missing(asset, f"private asset does not match checksum {asset.checksum}{hint}")
    return Skip(asset, f"already present, {verification(asset)}")


def _skip_reason(asset: Asset, status: AssetStatus) -> str:
    """Return why an asset without checksum is not fetched again, "" if it is."""

    if status.existing is None or asset.checksum:
        return ""
    is_other = status.fetched is not None and has_other_source(asset, status.fetched)
    if asset.git or asset.extract:
        is_same = status.is_unmodified and not is_other
        return "already present, unchanged since it was fetched" if is_same else ""
    if status.existing.size == 0 or is_other:
        return ""
    if status.fetched and not status.is_unmodified:
        return "modified since it was fetched; --force fetches it again"
    return f"already present, {UNVERIFIED}"


def _fetch_reason(asset: Asset, status: AssetStatus) -> str:
    if (asset.git or asset.extract) and not status.is_unmodified:
        return "not fetched by git spacy, or modified since"
    if status.fetched and has_other_source(asset, status.fetched):
        return f"fetched from {status.fetched.source}"
    if asset.checksum:
        return f"{asset.checksum.algorithm} does not match project.yml"
    return "file is empty"


def verification(asset: Asset) -> str:
    """Return how the content of an asset is verified, for messages."""

    return f"{asset.checksum.algorithm} verified" if asset.checksum else UNVERIFIED


def select_assets(
    assets: Sequence[Asset], names: Sequence[str], *, extra: bool
) -> tuple[Asset, ...]:
    """Return the assets that `names` select: destinations or folders above them; all without names.

    An asset marked as extra is only selected with `extra`, by its own name, or by a folder that has
    nothing but extra assets. Raises InvalidInput for an unknown name.
    """

    if not names:
        return tuple(asset for asset in assets if extra or not asset.extra)
    wanted: list[Asset] = []
    for name in names:
        path = _parse_name(name)
        exact = [asset for asset in assets if asset.dest.normal == path.normal]
        below = [asset for asset in assets if path.holds(asset.dest) or not path.normal]
        plain = [asset for asset in below if extra or not asset.extra]
        if not below:
            hint = did_you_mean(path.normal, [asset.dest.normal for asset in assets])
            raise InvalidInput(
                f"unknown asset '{name}'",
                hint=hint or f"known assets: {', '.join(str(asset.dest) for asset in assets)}"
                if assets
                else "project.yml has no assets",
            )
        wanted += exact or plain or below
    return tuple(asset for asset in assets if asset in wanted)


def _parse_name(name: str) -> ProjectPath:
    return ProjectPath(name, "/".join(part for part in name.split("/") if part not in ("", ".")))
