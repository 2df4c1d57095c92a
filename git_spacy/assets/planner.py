"""What is to be done about each asset, and why, decided before anything is done. Pure.

Knows what project.yml wants and what stands at each destination; knows no network and no disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.git.address import without_credentials
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Asset
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import FetchedAsset

UNVERIFIED = "unverified: no checksum"


class Skip(NamedTuple):
    """It is there, and right as far as one can tell."""

    asset: Asset
    reason: str


class Fetch(NamedTuple):
    """Bring it. With `protects`, what stands there is somebody's own work: it is compared with
    what was brought and never replaced. `found` is what stands there; None: nothing."""

    asset: Asset
    reason: str
    protect_existing: bool = False
    found: Fingerprint | None = None


class Refuse(NamedTuple):
    """Understood, and not done."""

    asset: Asset
    error: GitSpacyError


class Missing(NamedTuple):
    """A private asset that is not there, or not what it should be: its people must put it there."""

    asset: Asset
    reason: str


Decision = Union[Skip, Fetch, Refuse, Missing]  # noqa: UP007 (3.10)


class AssetStatus(NamedTuple):
    """What stands at a destination. `found` None: nothing, or a folder without a file in it;
    `matches`: the checksum, None where the asset has none."""

    found: Fingerprint | None = None
    is_folder: bool = False
    matches: bool | None = None
    fetched: FetchedAsset | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is as git-spacy itself put it there."""

        return (
            self.found is not None
            and self.fetched is not None
            and (self.fetched.digest, self.fetched.names) == (self.found.digest, self.found.names)
        )


def describe_source(asset: Asset) -> str:
    """Where an asset comes from, without credentials and query: to be shown and recorded."""

    if asset.git:
        return (
            f"{without_credentials(asset.git.repo)} {asset.git.branch or 'HEAD'}:{asset.git.path}"
        )
    return without_credentials(asset.url or "")


def decide(
    asset: Asset,
    standing: AssetStatus,
    *,
    refusal: GitSpacyError | None = None,
    force: bool = False,
) -> Decision:
    """What to do about one asset. `refusal` is why its source may not be used, if so."""

    if asset.url is None and asset.git is None:
        return _private(asset, standing)
    if standing.found is not None and standing.matches:
        return Skip(asset, f"already present, {verification(asset)}")
    if not force and (reason := _skip_reason(asset, standing)):
        return Skip(asset, reason)
    if refusal:
        return Refuse(asset, refusal)
    if standing.found is None:
        return Fetch(asset, "missing")
    if force:
        return Fetch(asset, "--force", found=standing.found)
    reason = _reason(asset, standing)
    if asset.git:
        return Fetch(asset, reason, protect_existing=not standing.is_ours, found=standing.found)
    if standing.is_folder:
        return Refuse(
            asset,
            Refused(
                f"there is a folder at '{asset.dest}', and the asset is a file",
                hint="move the folder away, or replace it with --force",
            ),
        )
    return Fetch(asset, reason, found=standing.found)


def _private(asset: Asset, standing: AssetStatus) -> Decision:
    hint = f": {asset.description}" if asset.description else ""
    if standing.found is None:
        return Missing(asset, f"private asset is missing; add it by hand{hint}")
    if standing.matches is False:
        return Missing(asset, f"private asset does not match checksum {asset.checksum}{hint}")
    return Skip(asset, f"already present, {verification(asset)}")


def _skip_reason(asset: Asset, standing: AssetStatus) -> str:
    """Why an asset that no checksum vouches for is left alone; "" if it is not."""

    if standing.found is None or asset.checksum:
        return ""
    if asset.git:
        same = (
            standing.is_ours
            and standing.fetched
            and standing.fetched.source == describe_source(asset)
        )
        return "already present, unchanged since it was fetched" if same else ""
    if standing.found.size == 0:
        return ""
    reason = f"already present, {UNVERIFIED}"
    if standing.is_ours and standing.fetched and standing.fetched.source != describe_source(asset):
        reason += f"; it came from {standing.fetched.source}, --force fetches it anew"
    return reason


def _reason(asset: Asset, standing: AssetStatus) -> str:
    if asset.git and standing.is_ours and standing.fetched:
        if standing.fetched.source != describe_source(asset):
            return f"it came from {standing.fetched.source}"
    elif asset.git:
        return "git spacy did not put it there, or it was changed since"
    if asset.checksum:
        return f"its {asset.checksum.algorithm} is not that of project.yml"
    return "it is empty"


def verification(asset: Asset) -> str:
    """How sure we are of its content."""

    return f"{asset.checksum.algorithm} verified" if asset.checksum else UNVERIFIED


def select_assets(
    assets: Sequence[Asset], names: Sequence[str], *, extra: bool
) -> tuple[Asset, ...]:
    """The assets that `names` mean: destinations, or folders above some; all if there are none.

    One marked as extra needs `extra`, its own name, or a folder with nothing but such in it.
    Raises Malformed for a name that is neither.
    """

    if not names:
        return tuple(asset for asset in assets if extra or not asset.extra)
    wanted: list[Asset] = []
    for name in names:
        path = _typed(name)
        exact = [asset for asset in assets if asset.dest.normal == path.normal]
        below = [asset for asset in assets if path.holds(asset.dest) or not path.normal]
        plain = [asset for asset in below if extra or not asset.extra]
        if not below:
            hint = did_you_mean(path.normal, [asset.dest.normal for asset in assets])
            raise InvalidInput(
                f"project.yml has no asset '{name}'",
                hint=hint or f"the assets are: {', '.join(str(asset.dest) for asset in assets)}"
                if assets
                else "project.yml names no assets",
            )
        wanted += exact or plain or below
    return tuple(asset for asset in assets if asset in wanted)


def _typed(name: str) -> ProjectPath:
    return ProjectPath(name, "/".join(part for part in name.split("/") if part not in ("", ".")))
