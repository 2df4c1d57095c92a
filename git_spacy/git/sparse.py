"""One folder or file out of somebody's repository, and no more of it than that.

Knows what a caller wants: the commit a branch means, the folders there are, the files of one of
them on disk. How it travels is one of two backends' business: the user's git, which brings the
user's credentials, proxies and `insteadOf` along, or dulwich where there is no git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from git_spacy.errors import Malformed, Unavailable
from git_spacy.git import process
from git_spacy.git.address import Address, parse_address, without_credentials
from git_spacy.git.tree import SUBMODULE, Blobs, Entry, Placed, place

__all__ = ["Address", "Entry", "Placed", "RemoteTree", "opened", "parse_address"]

Warn = Callable[[str], None]


class RemoteTree(Protocol):
    """The tree of one commit of a repository. Names are paths from the repository's top, with
    `/` between folders; a `path` is one of them, and "" is the whole tree."""

    commit: str

    def directories(self) -> tuple[str, ...]:
        """Every folder, in order, from trees alone: no request."""

    def entries(self, path: str) -> tuple[Entry, ...]:
        """The files below `path`, or the file itself; empty: no such path. No request."""

    def checkout(self, path: str, dest: Path) -> Placed:
        """Make `dest`, which must not exist, a copy of the folder or file `path`.

        Raises Malformed where there is no such path, Unsafe for what could lead out of `dest`,
        Unavailable and LocalFailure; then nothing is left at `dest`.
        """


@contextmanager
def opened(address: Address, *, prompt: bool = False, warn: Warn) -> Iterator[RemoteTree]:
    """The tree that `address` means, for as long as the block lasts.

    Only commits and trees have travelled when the block begins, if the server can filter; where
    it cannot, `warn` is told what that cost. `prompt` lets git ask for a password.
    Raises Malformed for a branch that is not there, Unavailable where the repository cannot be
    reached or read, Unsafe where it is not to be trusted.
    """

    local = address.local
    if local is not None and not local.is_dir():
        raise Malformed(
            f"there is no repository '{local}'", mend="give the path or URL of a Git repository"
        )
    if process.available():
        from git_spacy.git import sparse_git

        with sparse_git.fetched(address, prompt=prompt, warn=warn) as by_git:
            yield _Tree(address, by_git, warn)
    else:
        from git_spacy.git import sparse_dulwich

        with sparse_dulwich.fetched(address, warn=warn) as by_dulwich:
            yield _Tree(address, by_dulwich, warn)


class Fetched(Protocol):
    """What a backend brings: the commit, all of its tree's files, and contents on demand."""

    @property
    def commit(self) -> str: ...
    @property
    def listing(self) -> Sequence[Entry]: ...
    @property
    def blobs(self) -> Blobs: ...
    def fetch(self, ids: Sequence[str]) -> None:
        """Make the contents of `ids` available to `blobs`, in one go."""


class _Tree:
    """RemoteTree over either backend."""

    def __init__(self, address: Address, fetched: Fetched, warn: Warn) -> None:
        self.commit = fetched.commit
        self._repository = without_credentials(address.url)
        self._fetched = fetched
        self._warn = warn

    def directories(self) -> tuple[str, ...]:
        folders: set[str] = set()
        for entry in self._fetched.listing:
            folder = entry.name.rpartition("/")[0]
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        return tuple(sorted(folders))

    def entries(self, path: str) -> tuple[Entry, ...]:
        path = _normal(path)
        below = path + "/" if path else ""
        return tuple(
            entry
            for entry in self._fetched.listing
            if entry.name == path or entry.name.startswith(below)
        )

    def checkout(self, path: str, dest: Path) -> Placed:
        path = _normal(path)
        entries = self.entries(path)
        if not entries:
            raise Malformed(f"'{self._repository}' has no '{path}'")
        for entry in entries:
            if entry.mode == SUBMODULE:
                self._warn(f"'{entry.name}' is a submodule, another repository: left out")
        wanted = {entry.id: None for entry in entries if entry.mode != SUBMODULE}
        if not wanted:
            raise Unavailable(
                f"'{path}' of '{self._repository}' is another repository, not a folder"
            )
        self._fetched.fetch(tuple(wanted))
        return place(entries, path, dest, self._fetched.blobs, self._repository)


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))
