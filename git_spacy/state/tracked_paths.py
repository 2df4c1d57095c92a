"""What Git says about a project's paths, for whoever writes there or must know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.git.index import Index
from git_spacy.git.repository import Repository
from git_spacy.project.paths import ProjectPath
from git_spacy.state.project_view import is_placeholder, prefix


class TrackedPaths(NamedTuple):
    """The project in the folder `above` ("" or with a slash at its end) of a work tree. Raises
    Unavailable where git fails."""

    staged: Index
    above: str

    @classmethod
    def open(cls, root: Path, environ: Mapping[str, str] | None = None) -> TrackedPaths | None:
        """Of the project at `root`; None: it is in no work tree. `environ` is the process's by
        default."""

        repository = Repository.discover(root, environ)
        index = Index.open(repository) if repository else None
        return cls(index, prefix(root, index.top)) if index else None

    def tracked(self, paths: Iterable[ProjectPath], *, placeholders: bool = True) -> set[str]:
        """Which of `paths` (`normal`) Git has files of; without `placeholders` a .gitkeep is
        none."""

        names = [path.normal for path in paths]
        entries = self.staged.entries([self.above + name for name in names]) if names else []
        files = (entry.name[len(self.above) :].split("/") for entry in entries)
        holding = {
            "/".join(parts[:depth])
            for parts in files
            if placeholders or not is_placeholder("/".join(parts))
            for depth in range(1, len(parts) + 1)
        }
        return holding.intersection(names)
