"""An asset out of somebody's Git repository: one file or folder of one commit.

The addresses are strangers': what is on this machine needs the user's own setting.
"""

from __future__ import annotations

from git_spacy.assets.events import FetchNotice, FetchReporter
from git_spacy.assets.sources import FetchContext, FetchedContent, checksum_mismatch
from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.files import Staging
from git_spacy.git.address import ALLOW_LOCAL, Address, parse_address
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.settings import boolean, fetch_limits
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Asset
from git_spacy.state.hashing import digest_contents, digest_file_names, files_below


def refusal(asset: Asset, place: FetchContext) -> GitSpacyError | None:
    """Why the address, the branch or the path may not be handed to Git."""

    try:
        _address(asset, place)
    except (Refused, InvalidInput) as error:
        return error
    path = asset.git.path if asset.git else ""
    if path.startswith(("-", "/")) or ".." in path.split("/") or not path.isprintable():
        return Refused(
            f"{path!r} cannot be a path in a repository",
            hint="write it from the repository's top, e.g. 'data/train.jsonl'",
        )
    return None


def fetch(
    asset: Asset, staged: Staging, place: FetchContext, report: FetchReporter
) -> FetchedContent:
    """Fetch and write down the file or folder. Raises Unavailable, Malformed, Unsafe."""

    assert asset.git is not None
    path = "/".join(part for part in asset.git.path.split("/") if part not in ("", "."))
    address = _address(asset, place)
    dest = asset.dest.text
    most = fetch_limits(place.settings)
    with open_remote_tree(
        address, prompt=False, warn=lambda text: report(FetchNotice(dest, text)), limits=most
    ) as tree:
        place.cancellation.check()
        if not tree.files(path):
            hint = did_you_mean(path, [*tree.folders(), *(entry.name for entry in tree.listing)])
            raise InvalidInput(
                f"{address.display_url} has no '{path}' at {address.ref or 'its HEAD'}",
                hint=hint or "correct 'path'",
            )
        placed = tree.checkout(path, staged.path)
    for pointer in placed.lfs_pointers:
        report(FetchNotice(dest, f"'{pointer}' is a Git LFS pointer; its content is not here"))
    place.cancellation.check()
    facts = files_below(place.root, staged.relative) or []
    md5 = digest_contents(place.root, facts)
    if asset.checksum:
        algorithm = asset.checksum.algorithm
        found = md5 if algorithm == "md5" else digest_contents(place.root, facts, algorithm)
        if found != asset.checksum.digest:
            raise checksum_mismatch(asset.checksum, found)
    size = sum(fact.size for fact in facts)
    return FetchedContent(size, md5, digest_file_names(facts), f"commit {tree.commit[:12]}")


def _address(asset: Asset, place: FetchContext) -> Address:
    assert asset.git is not None
    trusted = boolean(place.settings, ALLOW_LOCAL)
    return parse_address(asset.git.repo, asset.git.branch, trusted=trusted, base=place.root)
