"""Fetch, keep, refuse or ask for an asset: a named value with its reason, before anything acts.

Pure: what stands at the destination is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from git_spacy.errors import Malformed
from git_spacy.project.model import Asset, Project
from git_spacy.project.problem import did_you_mean
from git_spacy.state.index import Fetched

Action = Literal["fetch", "keep", "refuse", "lacking"]


class Standing(NamedTuple):
    """What is at a destination: `kind`; `size` in bytes; `verified` says whether it has the
    declared checksum (None: there is none); `ours` whether it is exactly what `assets` put there
    (None: not looked at)."""

    kind: Literal["absent", "file", "folder"]
    size: int = 0
    verified: bool | None = None
    ours: bool | None = None


class Decision(NamedTuple):
    """What is to be done with an asset, and why."""

    asset: Asset
    action: Action
    reason: str


def decide(asset: Asset, standing: Standing, past: Fetched | None, force: bool) -> Decision:
    """The decision on one asset. `past` is what `assets` fetched to that place last."""

    judge = _git if asset.git else _url if asset.url else _private
    action, reason = judge(asset, standing, past, force)
    return Decision(asset, action, reason)


def _private(
    asset: Asset, standing: Standing, past: Fetched | None, force: bool  # noqa: ARG001
) -> tuple[Action, str]:  # fmt: skip
    if standing.kind == "absent":
        return "lacking", "it has no url: put it there yourself"
    if standing.verified is False:
        return "lacking", f"its content is not the one of the checksum {asset.checksum}"
    return "keep", _kept(asset, standing)


def _url(
    asset: Asset, standing: Standing, past: Fetched | None, force: bool  # noqa: ARG001
) -> tuple[Action, str]:  # fmt: skip
    if standing.kind == "absent":
        return "fetch", "not there yet"
    if force:
        return "fetch", "--force"
    if standing.verified:
        return "keep", _kept(asset, standing)
    if standing.kind == "folder":
        return "refuse", "a folder stands in its place"
    if standing.verified is False:
        return "fetch", "what is there has another checksum"
    if standing.size == 0:
        return "fetch", "what is there is empty"
    return "keep", _kept(asset, standing)


def _git(asset: Asset, standing: Standing, past: Fetched | None, force: bool) -> tuple[Action, str]:
    if standing.kind == "absent":
        return "fetch", "not there yet"
    if force:
        return "fetch", "--force"
    if standing.verified:
        return "keep", _kept(asset, standing)
    if not standing.ours or past is None:
        return "refuse", "git-spacy did not put there what is there now"
    if past.source != source(asset):
        return "fetch", "project.yml names another source"
    if standing.verified is False:
        return "fetch", "what is there has another checksum"
    return "keep", "as it was fetched"


def _kept(asset: Asset, standing: Standing) -> str:
    if asset.checksum and standing.verified:
        return f"{asset.checksum.algorithm} verified"
    return "there already, no checksum to verify it by"


def source(asset: Asset) -> str:
    """Where an asset comes from, as it may be recorded: no credentials, no environment values."""

    from git_spacy.git.address import public

    if asset.git:
        return f"{public(asset.git.repo)} {asset.git.branch or 'HEAD'} {asset.git.path}"
    return public(asset.url or "")


def selected(project: Project, names: Sequence[str], extra: bool) -> tuple[Asset, ...]:
    """The assets that `names` (destinations, or folders that hold them) mean; without names all
    but those marked `extra`. Raises Malformed for an unknown name or destinations in each other."""

    chosen = []
    for asset in project.assets:
        named = any(_means(name, asset) for name in names)
        if named or (not names and (extra or not asset.extra)):
            chosen.append(asset)
    for name in names:
        if not any(_means(name, asset) for asset in project.assets):
            known = [asset.dest.normal for asset in project.assets]
            raise Malformed(
                f"no asset has the destination '{name}'",
                mend=did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}",
            )
    _check_apart(chosen)
    return tuple(chosen)


def _means(name: str, asset: Asset) -> bool:
    normal = "/".join(part for part in name.split("/") if part not in ("", "."))
    return normal == asset.dest.normal or asset.dest.normal.startswith(normal + "/")


def _check_apart(assets: Sequence[Asset]) -> None:
    """Two fetches into one place would undo each other; a file in a fetched folder is lost with
    the next swap."""

    for number, asset in enumerate(assets):
        for other in assets[:number]:
            if asset.dest.touches(other.dest):
                raise Malformed(
                    f"assets '{other.dest}' (line {other.line}) and '{asset.dest}' lie in each"
                    " other",
                    where=f"project.yml:{asset.line}",
                    mend="give one of them another destination",
                )
