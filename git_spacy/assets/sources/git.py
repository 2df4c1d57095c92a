"""A file or folder of a Git repository, by the same sparse code as `clone`."""

from __future__ import annotations

from git_spacy.assets.sources import Context
from git_spacy.errors import GitSpacyError, Unavailable
from git_spacy.files import Staging
from git_spacy.git.address import ALLOW_LOCAL, parse_address
from git_spacy.git.repository import boolean
from git_spacy.git.sparse import opened
from git_spacy.project.model import Asset
from git_spacy.state.fingerprint import fingerprint


def fetch(asset: Asset, staged: Staging, context: Context) -> str:
    """Check the asset's path out into the staged place. Raises GitSpacyError."""

    assert asset.git is not None
    where = f"project.yml:{asset.line}"
    path = "/".join(part for part in asset.git.path.split("/") if part not in ("", "."))
    try:
        trusted = boolean(context.settings, ALLOW_LOCAL)
        address = parse_address(
            asset.git.repo, asset.git.branch, trusted=trusted, base=context.root
        )
        with opened(
            address, prompt=context.prompt, warn=lambda text: context.note(asset, text)
        ) as tree:
            placed = tree.checkout(path, staged.path)
    except GitSpacyError as error:
        raise type(error).of(
            problem if problem.where else problem._replace(where=where)
            for problem in error.problems
        ) from None
    for pointer in placed.lfs_pointers:
        context.note(asset, f"'{pointer}' is a Git LFS pointer; its content is not here")
    files = f"{placed.files} file{'s' if placed.files != 1 else ''}"
    at = f"{files} of commit {tree.commit[:12]}"
    if asset.checksum is None:
        return at
    found = fingerprint(staged.path.parent, staged.path.name, asset.checksum.algorithm)
    if found is None or found.digest != asset.checksum.digest:
        raise Unavailable(
            f"'{asset.dest}' as fetched has the digest {found.digest if found else '-'},"
            f" project.yml wants {asset.checksum}",
            where=where,
            mend="name the branch or commit that it was made for, or correct the checksum",
        )
    return f"{at}, {asset.checksum.algorithm} verified"
