"""Fetch an asset from a Git repository: one file or folder of a commit.

project.yml may be untrusted, so repositories on this machine need a setting of the user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy.assets.events import FetchNotice, FetchReporter
from git_spacy.assets.lfs import fetch_content
from git_spacy.assets.sources import FetchContext, FetchedContent, checksum_mismatch
from git_spacy.containment import names_beneath
from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.files import Staging
from git_spacy.git.address import ALLOW_LOCAL, Address, parse_address
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.remote_tree import FILE, SUBMODULE, RemoteTree, TreeEntry
from git_spacy.git.settings import boolean, fetch_limits
from git_spacy.git.submodules import parse_submodules, resolve_url
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Asset
from git_spacy.state.fetched_assets import is_at_or_below
from git_spacy.state.hashing import digest_contents, digest_file_names, files_below

_MAX_DEPTH = 8  # of submodules in submodules
_MAX_MODULES_BYTES = 1 << 20  # of .gitmodules
_POLL_SECONDS = 0.2  # between two checks whether the fetch was cancelled


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
    pointers: list[_Pointer] = []
    with _slot(context), _open(address, asset, context, report) as tree:
        inner = context.nested.get(asset.dest.normal, ())
        nested = [f"{path}/{name}".lstrip("/") for name in inner]
        checkout = _Checkout(asset, context, report, pointers)
        checkout.write(tree, address, path, staged.path, nested)
    for source in dict.fromkeys(pointer.address for pointer in pointers):
        files = {pointer.name: pointer.path for pointer in pointers if pointer.address == source}
        fetch_content(source, files, asset, context, report)
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


class _Pointer(NamedTuple):
    """A Git LFS pointer that was written to `path`; its name in messages, and its repository."""

    name: str
    path: Path
    address: Address


class _Checkout(NamedTuple):
    """Writes files of a repository and of its submodules, and collects their Git LFS pointers."""

    asset: Asset
    context: FetchContext
    report: FetchReporter
    pointers: list[_Pointer]

    def write(
        self, tree: RemoteTree, address: Address, path: str, target: Path, left_out: Sequence[str],
        depth: int = 0,
    ) -> None:  # fmt: skip
        """Write `path` to `target`, without what is at or below the paths `left_out`.

        Raises ExternalError, InvalidInput, Refused.
        """

        self.context.cancellation.check()
        submodules = [
            entry
            for entry in tree.listing
            if entry.mode == SUBMODULE
            and (
                not path or is_at_or_below(path, [entry.name]) or is_at_or_below(entry.name, [path])
            )
            and not is_at_or_below(entry.name, left_out)
        ]
        is_inside = any(is_at_or_below(path, [entry.name]) for entry in submodules)
        if not is_inside:
            self._write_files(tree, address, path, target, left_out)
        urls = self._submodule_urls(tree, submodules)
        for entry in submodules:
            url = resolve_url(urls[entry.name], address.url)
            # a repository from the network must not lead to one on this machine
            trusted = address.protocol == "file"
            if depth == _MAX_DEPTH:
                raise Refused(
                    f"submodules of {address.display_url} are nested too deeply",
                    hint="use 'repo' and 'path' of the innermost repository",
                )
            inner = parse_address(url, entry.id, trusted=trusted, base=address.local_path)
            below = path[len(entry.name) + 1 :] if is_inside else ""
            place = target if is_inside else target / entry.name[len(path) :].lstrip("/")
            if not is_inside and place.is_dir():
                place.rmdir()
            place.parent.mkdir(parents=True, exist_ok=True)
            start = f"{entry.name}/"
            others = [name[len(start) :] for name in left_out if name.startswith(start)]
            with _open(inner, self.asset, self.context, self.report) as subtree:
                self.write(subtree, inner, below, place, others, depth + 1)
        if submodules:
            _check_links(target, address)

    def _write_files(
        self, tree: RemoteTree, address: Address, path: str, target: Path, left_out: Sequence[str]
    ) -> None:
        if not tree.files(path):
            hint = did_you_mean(path, [*tree.folders(), *(entry.name for entry in tree.listing)])
            raise InvalidInput(
                f"{address.display_url} has no '{path}' at {address.ref or 'its HEAD'}",
                hint=hint or "correct 'path'",
            )
        own = [entry for entry in tree.listing if not is_at_or_below(entry.name, left_out)]
        quiet = tree._replace(listing=tuple(own), warn=lambda _: None)  # of skipped submodules
        for name in quiet.checkout(path, target).lfs_pointers:
            full = f"{path}/{name}".strip("/")
            self.pointers.append(_Pointer(full, target / name if name else target, address))

    def _submodule_urls(self, tree: RemoteTree, submodules: Sequence[TreeEntry]) -> dict[str, str]:
        """Return the URLs of submodules by path. Raises InvalidInput if one has none."""

        modules = [e.id for e in tree.listing if e.name == ".gitmodules" and e.mode == FILE]
        urls: dict[str, str] = {}
        if submodules and modules:
            tree.contents.fetch(modules)
            for _, stream in tree.contents.read(modules):
                urls = parse_submodules(stream.read(_MAX_MODULES_BYTES).decode("utf-8", "replace"))
        for entry in submodules:
            if entry.name not in urls:
                raise InvalidInput(
                    f"'{entry.name}' is a submodule of {tree.display_url} without a URL",
                    hint="use 'repo' and 'path' of the repository that it is a commit of",
                )
        return urls


def _check_links(folder: Path, address: Address) -> None:
    """Raise Refused for a link that leads out of `folder`, e.g. through one of a submodule."""

    top = os.path.realpath(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            if os.path.islink(path) and names_beneath(os.path.realpath(path), top) is None:
                raise Refused(
                    f"a link of '{address.display_url}' leads out through a submodule",
                    hint="use a repository from an author you trust",
                )


@contextmanager
def _slot(context: FetchContext) -> Iterator[None]:
    """Wait until few enough other threads fetch from repositories. Raises Cancelled."""

    while not context.repository_slots.acquire(timeout=_POLL_SECONDS):
        context.cancellation.check()
    try:
        yield
    finally:
        context.repository_slots.release()


def _open(
    address: Address, asset: Asset, context: FetchContext, report: FetchReporter
) -> AbstractContextManager[RemoteTree]:
    return open_remote_tree(
        address,
        prompt=False,
        warn=lambda warning: report(FetchNotice(asset.dest.text, warning.message)),
        limits=fetch_limits(context.settings),
    )


def _address(asset: Asset, context: FetchContext) -> Address:
    assert asset.git is not None
    trusted = boolean(context.settings, ALLOW_LOCAL)
    return parse_address(asset.git.repo, asset.git.branch, trusted=trusted, base=context.root)
