"""Read the files of one commit through the same interface as the index."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from git_spacy.git import objects
from git_spacy.git.index import EntryState, Index
from git_spacy.git.remote_tree import TreeEntry
from git_spacy.git.repository import Repository
from git_spacy.light_typing import NamedTuple


class CommitTree(NamedTuple):
    """The files of the commit with the id `commit`. Methods raise ExternalError if git fails."""

    repository: Repository
    commit: str

    def entries(self, paths: Sequence[str]) -> list[TreeEntry]:
        """Return the files, links and submodules at or below `paths`.

        Paths are relative to the top of the repository; "" means everything.
        """

        pathspecs = [path.rstrip("/") for path in paths if path]
        arguments = ("ls-tree", "-r", "-z", "--full-tree", self.commit, "--", *pathspecs)
        found = []
        for record in self.repository.run_git(arguments).stdout.split(b"\0"):
            head, _, name = record.partition(b"\t")
            if name:
                mode, _, id = head.split()
                found.append(TreeEntry(int(mode, 8), os.fsdecode(name), id.decode()))
        return found

    def is_in_conflict(self, path: str) -> bool:  # noqa: ARG002
        """Return False: a commit has no conflicts."""

        return False

    def contents(self, ids: Sequence[str]) -> Iterator[tuple[str, objects.BlobStream]]:
        """Yield (id, content) of each blob. Read each content before asking for the next."""

        return objects.read_local_blobs(self.repository, ids)

    def edited(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that may differ in the worktree: all, as it may be another commit."""

        return set(paths)

    def special(self, paths: Sequence[str]) -> dict[str, EntryState]:  # noqa: ARG002
        """Return {}: there are no special entries in a commit."""

        return {}

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the sizes of blobs in bytes, by id."""

        lines = objects.describe_objects(self.repository, ids, "%(objectname) %(objectsize)")
        pairs = (line.split() for line in lines)
        return {id: int(size) for id, size in pairs if size.isdigit()}

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that Git ignores, according to the files in the worktree."""

        index = Index.open(self.repository)
        return index.ignored(paths) if index else set()
