"""Ask Git which paths of a project it tracks; say how to obtain one that is missing."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from git_spacy.errors import ExternalError, GitSpacyError
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.index import Index
from git_spacy.git.repository import Repository, prefix
from git_spacy.light_typing import NamedTuple
from git_spacy.lock import lock_format
from git_spacy.project.graph import producer_hint, producers
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.remotes import default_name, known_addresses
from git_spacy.state.counted_files import is_placeholder
from git_spacy.state.hashing import files_below
from git_spacy.state.same_file import absence


class TrackedPaths(NamedTuple):
    """The index of a worktree, and the project's folder in it: "" or a path that ends in "/".

    Methods raise ExternalError if git fails.
    """

    git_index: Index
    prefix: str

    @classmethod
    def open(cls, root: Path, environ: Mapping[str, str] | None = None) -> TrackedPaths | None:
        """Return the tracked paths of the project at `root`, or None if it is not in a worktree.

        `environ` defaults to the environment of this process.
        """

        index = Index.discover(root, environ)
        return cls(index, prefix(root, index.top)) if index else None

    def has_unmodified(self, names: Sequence[str]) -> bool:
        """Return whether Git tracks all these files of the project, as they are."""

        full = [self.prefix + name for name in names]
        known = {entry.name for entry in self.git_index.entries(full)}
        return known.issuperset(full) and not self.git_index.edited(full)

    def tracked(
        self,
        paths: Iterable[ProjectPath],
        *,
        placeholders: bool = True,
        besides: Sequence[ProjectPath] = (),
    ) -> set[str]:
        """Return those of `paths` (as `normal`) at or below which Git tracks a file.

        Without `placeholders`, files like .gitkeep do not count. What Git tracks at or below one of
        `besides` does not count for the folders that contain it.
        """

        names = [path.normal for path in paths if not path.outside]
        entries = self.git_index.entries([self.prefix + name for name in names]) if names else []
        files = (entry.name[len(self.prefix) :].split("/") for entry in entries)
        tops = {path.normal for path in besides}
        non_empty = {
            "/".join(parts[:depth])
            for parts in files
            if placeholders or not is_placeholder("/".join(parts))
            for depth in range(_first_depth(parts, tops), len(parts) + 1)
        }
        return non_empty.intersection(names)


def _first_depth(parts: Sequence[str], tops: Collection[str]) -> int:
    """Return how many of the `parts` of a path to take at least, so that `tops` are not in it."""

    depths = range(1, len(parts) + 1) if tops else ()
    return next((depth for depth in depths if "/".join(parts[:depth]) in tops), 0) + 1


def only_committed(project: Project, root: Path, path: ProjectPath) -> list[str]:
    """Return the files in the folder `path` if each is an output that is meant to be committed.

    Such a folder is in a fresh clone where another one, which is not in Git, was produced.
    Otherwise, or if there is no file or no such folder, return [].
    """

    inside = [f"{other.normal}/" for other in project.committed if path.holds(other)]
    if not inside or path in project.committed:
        return []
    names = [f"{path.normal}/{file.name}" for file in files_below(root, path.normal) or ()]
    return names if all(f"{name}/".startswith(tuple(inside)) for name in names) else []


def missing_hint(project: Project, root: Path, name: str, path: ProjectPath) -> str:
    """Return a hint on how to obtain `path`, a missing dependency of the command `name`.

    A file that Git has is restored from there. Otherwise it is pulled if a remote may have it, or
    its producer runs, or it is fetched.
    """

    if path.outside:
        return producer_hint(project, name, path)
    with suppress(ExternalError):  # Git cannot be asked
        if index := Index.discover(root):
            if absent := absence(root, index, path.normal):
                return absent.hint
            names = [prefix(root, index.top) + path.normal]
            quoted = shlex.quote(path.normal)
            if index.entries(names):
                return f"git restore -- {quoted}"
            repository = Repository.discover(root)
            if repository and CommitTree(repository, "HEAD").entries(names):
                return f"git checkout HEAD -- {quoted}"
    commands = [
        command
        for command in producers(project, path)
        if isinstance(command, Command) and command.name != name
    ]
    return pull_hint(project, root, commands[:1]) or producer_hint(project, name, path)


def pull_hint(project: Project, root: Path, commands: Sequence[Command]) -> str:
    """Return the command line that fetches the outputs of `commands` instead of running them.

    Return "" if one of them cannot be fetched: there is no remote, neither ours nor DVC's, or the
    lock does not list its outputs. Whether the remote has them is not asked.
    """

    from git_spacy.git.settings import read_settings
    from git_spacy.state import dvc_files

    if not commands:
        return ""
    with suppress(GitSpacyError):
        entries = lock_format.read(root)
        for command in commands:
            entry = entries.get(command.name)
            listed = {out.path for out in entry.outs if out.md5} if entry else set()
            if not command.outputs or not listed.issuperset(path.text for path in command.outputs):
                return ""
        settings = read_settings(root)
        if default := default_name(project, settings):
            names = [command.name for command in commands]
            first = [default] if names[0] in known_addresses(project, settings) else []
            return f"git spacy pull {shlex.join([*first, *names])}"
        return "dvc pull" if dvc_files.can_pull(root) else ""
    return ""
