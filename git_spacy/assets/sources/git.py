"""An asset out of somebody's Git repository: one file or folder of one commit.

The addresses are strangers': what is on this machine needs the user's own setting.
"""

from __future__ import annotations

from git_spacy.assets.events import Noted, Reporter
from git_spacy.assets.sources import Brought, Place, mismatch
from git_spacy.errors import GitSpacyError, Malformed, Unsafe
from git_spacy.files import Staging
from git_spacy.git.address import ALLOW_LOCAL, Address, parse_address
from git_spacy.git.settings import boolean, limits
from git_spacy.git.sparse import opened
from git_spacy.project.model import Asset
from git_spacy.project.problem import did_you_mean
from git_spacy.state.fingerprint import digest, files_below, names


def refusal(asset: Asset, place: Place) -> GitSpacyError | None:
    """Why the address, the branch or the path may not be handed to Git."""

    try:
        _address(asset, place)
    except (Unsafe, Malformed) as error:
        return error
    path = asset.git.path if asset.git else ""
    if path.startswith(("-", "/")) or ".." in path.split("/") or not path.isprintable():
        return Unsafe(
            f"{path!r} cannot be a path in a repository",
            mend="write it from the repository's top, e.g. 'data/train.jsonl'",
        )
    return None


def bring(asset: Asset, staged: Staging, place: Place, report: Reporter) -> Brought:
    """Fetch and write down the file or folder. Raises Unavailable, Malformed, Unsafe."""

    assert asset.git is not None
    path = "/".join(part for part in asset.git.path.split("/") if part not in ("", "."))
    address = _address(asset, place)
    dest = asset.dest.text
    most = limits(place.settings)
    with opened(
        address, prompt=False, warn=lambda text: report(Noted(dest, text)), limits=most
    ) as tree:
        place.cancellation.check()
        if not tree.files(path):
            mend = did_you_mean(path, [*tree.folders(), *(entry.name for entry in tree.listing)])
            raise Malformed(
                f"{address.shown} has no '{path}' at {address.ref or 'its HEAD'}",
                mend=mend or "correct 'path'",
            )
        placed = tree.checkout(path, staged.path)
    for pointer in placed.lfs_pointers:
        report(Noted(dest, f"'{pointer}' is a Git LFS pointer; its content is not here"))
    place.cancellation.check()
    facts = files_below(place.root, staged.relative) or []
    md5 = digest(facts)
    if asset.checksum:
        algorithm = asset.checksum.algorithm
        found = md5 if algorithm == "md5" else digest(facts, algorithm)
        if found != asset.checksum.digest:
            raise mismatch(asset.checksum, found)
    size = sum(fact.size for fact in facts)
    return Brought(size, md5, names(facts), f"commit {tree.commit[:12]}")


def _address(asset: Asset, place: Place) -> Address:
    assert asset.git is not None
    trusted = boolean(place.settings, ALLOW_LOCAL)
    return parse_address(asset.git.repo, asset.git.branch, trusted=trusted, base=place.root)
