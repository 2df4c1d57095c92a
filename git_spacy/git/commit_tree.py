"""What one commit has, asked in the same words as what is staged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_spacy.git import objects
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import TreeEntry
from git_spacy.git.repository import SAFE_CONFIG, Repository


class CommitTree(NamedTuple):
    """The files of the commit with the id `commit`. Raises Unavailable where git fails."""

    repository: Repository
    commit: str

    def entries(self, paths: Sequence[str]) -> list[TreeEntry]:
        """The files, links and submodules at or below `paths`, relative to the top; "" is all."""

        named = [path.rstrip("/") for path in paths if path]
        asked = ("ls-tree", "-r", "-z", "--full-tree", self.commit, "--", *named)
        found = []
        for record in self.repository.run_git(asked).stdout.split(b"\0"):
            head, _, name = record.partition(b"\t")
            if name:
                mode, _, id = head.split()
                found.append(TreeEntry(int(mode, 8), os.fsdecode(name), id.decode()))
        return found

    def contents(self, ids: Sequence[str]) -> Iterator[tuple[str, objects.BlobStream]]:
        """(id, content) of each; one is read before the next is asked for."""

        where, environ = self.repository.cwd(), self.repository.environment()
        return objects.read_blobs(SAFE_CONFIG, ids, cwd=where, environ=environ)

    def edited(self, paths: Sequence[str]) -> set[str]:
        """Which of `paths` may differ in the work tree: it may be of another commit, so all."""

        return set(paths)

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Which of `paths` Git would leave out of a commit, as things stand in the work tree."""

        index = Index.open(self.repository)
        return index.ignored(paths) if index else set()
