"""Fetch one folder or file of a remote repository, and nothing else.

Two backends fetch the objects: the git program, which knows the user's credentials, proxies and
`insteadOf`, and dulwich where git is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from git_spacy.errors import ExternalError, Warn
from git_spacy.git import process
from git_spacy.git.address import Address
from git_spacy.git.process import LIMITS, Limits
from git_spacy.git.remote_tree import RemoteTree


@contextmanager
def open_remote_tree(
    address: Address, *, prompt: bool = False, warn: Warn,
    limits: Limits = LIMITS,
) -> Iterator[RemoteTree]:  # fmt: skip
    """Provide the tree at `address`; fetched objects are deleted at the end of the block.

    Fetches only the commit and its trees at first, if the server supports filters; otherwise calls
    `warn` with the size of the download. `limits` apply to the server, and their size to the
    checked-out files as well. Raises ExternalError if the repository cannot be fetched,
    InvalidInput if it does not have the branch, tag or commit, Refused if it cannot be trusted.
    """

    if address.local_path is not None and not address.local_path.is_dir():
        raise ExternalError(f"no such folder: '{address.local_path}'", hint="correct the path")
    if process.available():
        from git_spacy.git.partial_clone_git import open_with_git as backend
    else:
        from git_spacy.git.partial_clone_dulwich import open_with_dulwich as backend
    with backend(address, prompt=prompt, warn=warn, limits=limits) as (commit, listing, contents):
        yield RemoteTree(commit, listing, contents, warn, address.display_url, limits.size)
