"""Fetch an asset from a Git repository: one file or folder of a commit.

project.yml may be untrusted, so repositories on this machine need a setting of the user.
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


def refusal(asset: Asset, context: FetchContext) -> GitSpacyError | None:
    """Return why the address, branch or path must not be passed to Git, None if they may be."""

    try:
        _address(asset, context)
    except (Refused, InvalidInput) as error:
        return error
    path = asset.git.path if asset.git else ""
    if path.startswith(("-", "/")) or ".." in path.split("/") or not path.isprintable():
        return Refused(
            f"invalid path in a repository: {path!r}",
            hint="write it relative to the top of the repository, e.g. 'data/train.jsonl'",
        )
    return None


def fetch(
    asset: Asset, staged: Staging, context: FetchContext, report: FetchReporter
) -> FetchedContent:
    """Fetch the file or folder. Raises ExternalError, InvalidInput, Refused."""

    assert asset.git is not None
    path = "/".join(part for part in asset.git.path.split("/") if part not in ("", "."))
    address = _address(asset, context)
    dest = asset.dest.text
    size_limits = fetch_limits(context.settings)
    with open_remote_tree(
        address,
        prompt=False,
        warn=lambda warning: report(FetchNotice(dest, warning.message)),
        limits=size_limits,
    ) as tree:
        context.cancellation.check()
        if not tree.files(path):
            hint = did_you_mean(path, [*tree.folders(), *(entry.name for entry in tree.listing)])
            raise InvalidInput(
                f"{address.display_url} has no '{path}' at {address.ref or 'its HEAD'}",
                hint=hint or "correct 'path'",
            )
        placed = tree.checkout(path, staged.path)
    for pointer in placed.lfs_pointers:
        report(FetchNotice(dest, f"'{pointer}' is a Git LFS pointer; its content was not fetched"))
    context.cancellation.check()
    facts = files_below(context.root, staged.relative) or []
    md5 = digest_contents(context.root, facts)
    if asset.checksum:
        algorithm = asset.checksum.algorithm
        actual = md5 if algorithm == "md5" else digest_contents(context.root, facts, algorithm)
        if actual != asset.checksum.digest:
            raise checksum_mismatch(asset, actual)
    size = sum(fact.size for fact in facts)
    return FetchedContent(size, md5, digest_file_names(facts), f"commit {tree.commit[:12]}")


def _address(asset: Asset, context: FetchContext) -> Address:
    assert asset.git is not None
    trusted = boolean(context.settings, ALLOW_LOCAL)
    return parse_address(asset.git.repo, asset.git.branch, trusted=trusted, base=context.root)
