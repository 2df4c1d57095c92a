"""Copy outputs from a commit of the project: those whose files Git itself has."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from git_spacy.containment import link_stays_inside, refuse_name
from git_spacy.files import Staging
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.remote_tree import TreeEntry
from git_spacy.git.repository import Repository, prefix
from git_spacy.project.paths import ProjectPath
from git_spacy.state.project_view import LFS_POINTER_PREFIX

_CHUNK = 1 << 20
_KIND, _FILE, _LINK = 0o170000, 0o100000, 0o120000  # of the mode of a tree entry


class GitCopies:
    """The outputs at `paths` in one commit. Raises ExternalError if git fails."""

    def __init__(
        self, root: Path, repository: Repository, commit: str, paths: Iterable[ProjectPath]
    ) -> None:
        self._tree = CommitTree(repository, commit)
        folder = prefix(root, repository.cwd())
        wanted = {folder + path.normal: path for path in paths if not path.outside}
        self._files: dict[ProjectPath, list[tuple[str, TreeEntry]]] = {}
        for entry in self._tree.entries(list(wanted)) if wanted else ():
            for full, path in wanted.items():
                if entry.name == full or entry.name.startswith(full + "/"):
                    inner = entry.name[len(full) + 1 :]
                    self._files.setdefault(path, []).append((inner, entry))

    def has(self, path: ProjectPath) -> bool:
        """Return whether Git has a file at or below `path`."""

        return path in self._files

    def stage(self, path: ProjectPath, staged: Staging) -> str:
        """Write the files of an output into `staged` and return "", or why that is impossible.

        Raises ExternalError, OSError.
        """

        files = self._files.get(path, [])
        for inner, entry in files:
            if entry.mode & _KIND not in (_FILE, _LINK):
                return "part of it is a submodule"
            if inner and refuse_name(inner):
                return f"'{inner}' in it is not a valid path"
        contents = self._tree.contents([entry.id for _, entry in files])
        for (inner, entry), (_, content) in zip(files, contents, strict=True):
            target = staged.path / inner if inner else staged.path
            if inner:
                target.parent.mkdir(parents=True, exist_ok=True)
            head = content.read(_CHUNK)
            if entry.mode & _KIND == _LINK:
                link = os.fsdecode(head)
                if not inner or not link_stays_inside(inner, link):
                    return f"'{path}' has a link that leads out of it"
                os.symlink(link, target)
            elif head.startswith(LFS_POINTER_PREFIX):
                return "Git has only a Git LFS pointer"
            else:
                with open(target, "xb") as stream:
                    stream.write(head)
                    stream.writelines(content.chunks())
                target.chmod(0o755 if entry.mode & 0o111 else 0o644)
        return ""
