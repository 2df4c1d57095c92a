"""Merge the changes between two versions of a folder into the user's branch.

Both versions become commits: the base has the files of HEAD, but the old version of the folder; its
child has the new version. `git cherry-pick` of the child merges with base, ours and theirs, as `git
merge` would in a repository with a common history. Neither commit is on a branch, so nothing is
left to clean up.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy import interrupts
from git_spacy.abandoned import temporary_folder
from git_spacy.errors import Diagnostic, ExternalError, Refused
from git_spacy.git import process
from git_spacy.git.commits import resolve_or_empty
from git_spacy.git.folder_commits import commit_folders
from git_spacy.git.ident import ident_variables
from git_spacy.git.repository import SAFE_CONFIG, Repository

# What may be in progress, by the file in Git's folder, and the command that continues or ends it.
_IN_PROGRESS = {
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}
# git merge-tree --write-tree is new in Git 2.38
_CANNOT_PREVIEW = (128, 129)
_CONFLICT = re.compile("CONFLICT")
_MAX_NAMES = 8  # in one message


WriteVersions = Callable[[Path, Path], object]
"""Writes the old and the new version to two new folders."""


class MergePreview(NamedTuple):
    """What a merge would do: the files that it adds, and those that would be in conflict, or None
    if this version of Git cannot tell.

    Paths are relative to the top of the repository.
    """

    added: tuple[str, ...]
    conflicts: tuple[str, ...] | None


class MergeResult(NamedTuple):
    """The new commit, or "" if the user has to resolve the `conflicts` first.

    `messages` are Git's lines about the conflicts.
    """

    commit: str
    conflicts: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def problem(self) -> Diagnostic:
        """The error about the conflicts."""

        return Diagnostic(
            f"conflicts in {_listed(self.conflicts)}",
            "edit these files, then: git add -u && git cherry-pick --continue\n"
            "or with a merge tool: git mergetool && git cherry-pick --continue\n"
            "or if nothing of the template's changes is left: git commit --allow-empty\n"
            "or undo the update: git cherry-pick --abort",
        )


class VersionMerge(NamedTuple):
    """The two versions as commits, and the environment in which git finds them."""

    repository: Repository
    environ: Mapping[str, str]
    head: str
    base: str
    version: str

    def diff_stat(self, prefix: str, width: int) -> str:
        """Return what differs between the versions, with paths relative to `prefix`."""

        relative = (f"--relative={prefix}",) if prefix else ()
        arguments = (
            "diff", "-M", f"--stat={width}", "--no-ext-diff", "--no-textconv", "--no-color",
            *relative, self.base, self.version, "--",
        )  # fmt: skip
        return self._git(*arguments).stdout.decode("utf-8", "replace").rstrip("\n")

    def preview(self) -> MergePreview:
        """Merge in memory. Older versions of Git cannot; then only the added files are known."""

        # merge-tree looks for a common ancestor of both sides
        ours = self._git("commit-tree", "-p", self.base, "-m", "ours", f"{self.head}^{{tree}}")
        done = self._git(
            "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z",
            ours.stdout.decode().strip(), self.version, accepted=(0, 1, *_CANNOT_PREVIEW),
        )  # fmt: skip
        if done.returncode in _CANNOT_PREVIEW:
            return MergePreview(self._added(self.base, self.version), None)
        tree, *names = _split(done.stdout)
        return MergePreview(self._added(self.head, tree), tuple(names))

    def apply(self) -> MergeResult:
        """Merge and commit. Raises Refused if Git refuses to start, or if a file that it ignores
        would be overwritten, and then nothing has changed.

        Git is not interrupted, since it would leave a half-written worktree. The user's hooks and
        filters do not run: the new version may have changed what they are applied to.
        """

        _refuse_overwriting(self.repository, self.head, self.preview().added)
        options = (*SAFE_CONFIG, "-c", "submodule.recurse=false", *self._without_filters())
        arguments = (*options, "cherry-pick", "--allow-empty", "--keep-redundant-commits")
        environ = {**self.environ, "GIT_ATTR_SOURCE": self.head}  # since Git 2.41
        with interrupts.deferred():
            done = process.run_git(
                (*arguments, self.version),
                cwd=self.repository.cwd(), environ=environ, check=False,
            )  # fmt: skip
        if not done.returncode:
            return MergeResult(resolve_or_empty(self.repository, "HEAD"))
        if not self.repository.git_path("CHERRY_PICK_HEAD").exists():
            process.check_ownership(done)
            reason = _refusal(done)
            hint = (
                "git stash && git spacy update && git stash pop" if "overwritten" in reason else ""
            )
            raise Refused(f"git cherry-pick: {reason}", hint=hint)
        names = self._git("diff", "--name-only", "--diff-filter=U", "-z").stdout
        conflicts = _split(names)
        if not conflicts:
            raise ExternalError(
                f"git cherry-pick: {done.message}",
                hint="git cherry-pick --continue\nor: git cherry-pick --abort",
            )
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return MergeResult("", conflicts, tuple(filter(_CONFLICT.match, lines)))

    def _added(self, before: str, after: str) -> tuple[str, ...]:
        listed = self._git(
            "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=A", before, after
        )
        return _split(listed.stdout)

    def _without_filters(self) -> Iterator[str]:
        """Yield the options that turn off all filters of the user's configuration."""

        pattern = r"^filter\..*\.(clean|smudge|process|required)$"
        done = self._git("config", "--name-only", "-z", "--get-regexp", pattern, accepted=(0, 1))
        for name in dict.fromkeys(_split(done.stdout)):
            yield from ("-c", f"{name}={'false' if name.endswith('.required') else ''}")

    def _git(self, *arguments: str, accepted: tuple[int, ...] = (0,)) -> process.GitResult:
        return process.run_git(
            (*SAFE_CONFIG, *arguments),
            cwd=self.repository.cwd(), environ=self.environ, accepted=accepted,
        )  # fmt: skip


def operation_in_progress(repository: Repository) -> str:
    """Return the command of Git that the user has to continue or abort, e.g. `merge`; or ""."""

    found = (
        command for name, command in _IN_PROGRESS.items() if repository.git_path(name).exists()
    )
    return next(found, "")


def refuse_unclean(repository: Repository) -> None:
    """Raise Refused if Git would refuse to pick a commit now: the index differs from HEAD, or a
    merge or the like is in progress."""

    if command := operation_in_progress(repository):
        raise Refused(
            f"a {command} is in progress",
            hint=f"git {command} --continue\nor: git {command} --abort",
        )
    arguments = ("diff-index", "--cached", "--name-only", "-z", "HEAD", "--")
    staged = _split(repository.run_git(arguments).stdout)
    if staged:
        raise Refused(
            f"there are staged changes: {_listed(staged)}",
            hint="git commit\nor: git stash",
        )


def _refuse_overwriting(repository: Repository, head: str, added: tuple[str, ...]) -> None:
    """Raise Refused if one of the `added` files would replace a file that Git does not track.

    Git itself refuses that only for files that it does not ignore.
    """

    assert repository.top is not None
    arguments = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", head)
    tracked = set(_split(repository.run_git(arguments).stdout))
    in_way: dict[str, None] = {}
    for name in added:
        parts = name.split("/")
        for number in range(1, len(parts) + 1):
            path = "/".join(parts[:number])
            full = repository.top / path
            is_folder = full.is_dir() and not full.is_symlink()
            if number < len(parts) and is_folder:
                continue
            if is_folder:
                below = (
                    os.path.relpath(os.path.join(parent, file), repository.top)
                    for parent, _, files in os.walk(full)
                    for file in files
                )
                in_way.update(dict.fromkeys(file for file in below if file not in tracked))
            elif os.path.lexists(full) and path not in tracked:
                in_way[path] = None
            break
    if in_way:
        names = list(in_way)
        paths = " ".join(shlex.quote(f":(top,literal){name}") for name in names[:_MAX_NAMES])
        raise Refused(
            f"untracked files would be overwritten: {_listed(names)}",
            hint=f"move them away, or commit them: git add -f -- {paths} && git commit",
        )


@contextmanager
def commit_versions(
    repository: Repository, prefix: str, write: WriteVersions, message: str, *, keep: bool
) -> Iterator[VersionMerge]:
    """Provide the folders that `write` writes as versions of the folder `prefix` ("" or "folder/").

    `message` is that of the commit of the new version. Unless `keep`, nothing is written to the
    user's repository.
    """

    head = resolve_or_empty(repository, "HEAD")
    environ = repository.environment()
    environ.update(ident_variables(repository.cwd(), environ))
    objects = str(repository.common_dir / "objects")
    with temporary_folder() as folder:
        old, new = folder / "old", folder / "new"
        write(old, new)
        if not keep:
            (folder / "objects").mkdir()
            environ["GIT_OBJECT_DIRECTORY"] = str(folder / "objects")
            environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = _quote_alternate(objects)
        folders = ((old, "Template before the update\n"), (new, message))
        commits = commit_folders(repository, prefix, folders, environ)
        yield VersionMerge(repository, environ, head, *commits)


def _quote_alternate(path: str) -> str:
    """Quote a path for GIT_ALTERNATE_OBJECT_DIRECTORIES, where a colon separates."""

    if not re.search(r'[:"\\]', path):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refusal(done: process.GitResult) -> str:
    """Return Git's reason to refuse, with the names of files that it lists below."""

    lines = done.stderr.decode("utf-8", "replace").splitlines()
    names = [line.strip() for line in lines if line.startswith("\t")]
    reason = next((line.partition(": ")[2] for line in lines if line.startswith("error: ")), "")
    if not reason:
        return done.message
    return f"{reason.rstrip(':').rstrip('.')}{': ' + _listed(names) if names else ''}"


def _split(listed: bytes) -> tuple[str, ...]:
    """Return the names that git lists with -z."""

    return tuple(filter(None, os.fsdecode(listed).split("\0")))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
