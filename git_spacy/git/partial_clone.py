"""One folder or file out of somebody's repository, and nothing else of it.

Two back ends bring the objects: the git program, which brings the user's credentials, proxies and
`insteadOf` along, and dulwich where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from git_spacy.errors import ExternalError
from git_spacy.git import process
from git_spacy.git.address import Address
from git_spacy.git.process import LIMITS, Limits
from git_spacy.git.remote_tree import RemoteTree


@contextmanager
def opened(
    address: Address, *, prompt: bool = False, warn: Callable[[str], None],
    limits: Limits = LIMITS,
) -> Iterator[RemoteTree]:  # fmt: skip
    """The tree at `address`; what was fetched is gone with the block.

    Only the commit and its trees have travelled when the block begins, if the server can filter;
    `warn` is told what it cost where it cannot. `limits` are for the server, and its size for what
    is written down as well. Raises Unavailable if the repository cannot be had,
    Malformed if it has no such branch, tag or commit, Unsafe if it is not to be trusted.
    """

    if address.local is not None and not address.local.is_dir():
        raise ExternalError(f"there is no repository at '{address.local}'", hint="correct the path")
    if process.available():
        from git_spacy.git.partial_clone_git import opened as fetched
    else:
        from git_spacy.git.partial_clone_dulwich import opened as fetched
    with fetched(address, prompt=prompt, warn=warn, limits=limits) as (commit, listing, contents):
        yield RemoteTree(commit, listing, contents, warn, address.shown, limits.size)
