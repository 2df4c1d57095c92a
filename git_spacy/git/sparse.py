"""One folder or file out of somebody's repository, and nothing else of it.

Two back ends bring the objects: the git program, and dulwich where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from git_spacy.git import process
from git_spacy.git.address import Address
from git_spacy.git.tree import RemoteTree


@contextmanager
def opened(
    address: Address, *, prompt: bool = False, warn: Callable[[str], None]
) -> Iterator[RemoteTree]:
    """The tree at `address`. Raises Unavailable if it cannot be had, Malformed if the repository
    has no such branch or tag. What was fetched is gone with the block."""

    if process.available():
        from git_spacy.git.sparse_git import opened as fetched
    else:
        from git_spacy.git.sparse_dulwich import opened as fetched
    with fetched(address, prompt=prompt, warn=warn) as (commit, listing, read):
        yield RemoteTree(commit, listing, read, warn)
