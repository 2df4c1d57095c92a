"""Tell findings that are only due to unstaged files from those that need a run.

The checks of a commit read the index. Where the worktree is in order and only the index is not, no
command of the project can help: what helps is `git add`. This module finds the files to add, by
checking the index again with these files as they are in the worktree.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence

from git_spacy.errors import Diagnostic
from git_spacy.git.index import Index
from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_text import PROJECT_FILES, with_params
from git_spacy.state.project_view import Staged, View, WorkTree
from git_spacy.state.same_file import Absence
from git_spacy.state.stat_cache import Observed

RunChecks = Callable[[View], Sequence[Diagnostic]]

_MAX_ROUNDS = 4  # adding project.lock brings in other commands, and these other files
_MAX_FILES = 4  # of one folder, before the hint names the folder instead


def hint_at_unstaged_files(
    findings: Sequence[Diagnostic], view: Staged, run_checks: RunChecks
) -> list[Diagnostic]:
    """Return `findings`, with the hint `git add FILE…` on those that it removes.

    The hint of another one is that of the worktree, where it is followed. `run_checks` returns the
    findings of the same checks in another view. Raises OSError, ExternalError if git fails.
    """

    worktree = WorkTree(view.root)
    own = reversed(_errors(run_checks(worktree)))  # so that the first error of a subject counts
    in_worktree = {finding.subject: finding.hint for finding in own}
    unstaged = [finding for finding in _errors(findings) if finding.subject not in in_worktree]
    hints = _submodule_hints(unstaged, view)
    unstaged = [finding for finding in unstaged if finding.subject not in hints]
    files = dict.fromkeys(name for finding in unstaged for name in finding.files)
    for _ in range(_MAX_ROUNDS if unstaged else 0):
        to_add = view.unstaged(list(files))
        remaining = run_checks(_AfterAdding(view, worktree, to_add)) if to_add else findings
        errors = _errors(remaining)
        left = [f for f in errors if f.subject not in in_worktree and f.subject not in hints]
        known = len(files)
        files.update(dict.fromkeys(name for finding in left for name in finding.files))
        if left and len(files) == known:
            files.update(dict.fromkeys(PROJECT_FILES))  # last: they may contain other changes
        if not left or len(files) == known:
            added = {f.subject for f in unstaged} - {f.subject for f in errors}
            hint = _add_command(to_add, files)
            if view.is_partial:
                hint += "\nand commit these together: 'git commit FILE' leaves out other files"
            hints |= dict.fromkeys(added, hint)
            break
    hints |= in_worktree
    return [
        finding._replace(hint=hints.get(finding.subject, finding.hint))
        if finding.severity == "error"
        else finding
        for finding in findings
    ]


def _submodule_hints(findings: Sequence[Diagnostic], view: Staged) -> dict[str, str]:
    """Return by subject the hint for findings about files that a submodule has not committed."""

    files = dict.fromkeys(name for finding in findings for name in finding.files)
    hints = {}
    for name in view.dirty_submodules(list(files)) if findings else ():
        submodule, quoted = ProjectPath(name, name), shlex.quote(name)
        for finding in findings:
            if any(submodule.touches(ProjectPath(file, file)) for file in finding.files):
                commit = f"git -C {quoted} add -A && git -C {quoted} commit"
                hints[finding.subject] = f"{commit} && git add {quoted}"
    return hints


def _errors(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [finding for finding in findings if finding.severity == "error"]


def _add_command(names: Sequence[str], declared: Iterable[str]) -> str:
    """Return the `git add` of `names`; a folder of `declared` stands for many files in it."""

    left = [ProjectPath(name, name) for name in names]
    paths = []
    for name in declared:
        folder = ProjectPath(name, name)
        inside = [path for path in left if folder.holds(path)]
        left = [path for path in left if not folder.holds(path)]
        paths += [name] if len(inside) > _MAX_FILES else [path.normal for path in inside]
    paths += [path.normal for path in left]  # a submodule around a declared path
    return shlex.join(
        ["git", "add", *(["--"] if any(p[:1] in "-:" for p in paths) else []), *paths]
    )


class _AfterAdding:
    """A view of the index in which some files are as in the worktree."""

    def __init__(self, staged: Staged, worktree: WorkTree, names: Iterable[str]) -> None:
        self.root = staged.root
        self.stats = staged.stats
        self._staged = staged
        self._worktree = worktree
        self._added = [ProjectPath(name, name) for name in names]

    def _is_added(self, path: ProjectPath) -> bool:
        return any(path.touches(added) for added in self._added)

    def _view(self, path: ProjectPath) -> View:
        return self._worktree if self._is_added(path) else self._staged

    def _split(self, paths: Iterable[ProjectPath]) -> tuple[list[ProjectPath], list[ProjectPath]]:
        """Return the paths to read from the worktree, and those to read from the index."""

        added: list[ProjectPath] = []
        others: list[ProjectPath] = []
        for path in paths:
            (added if self._is_added(path) else others).append(path)
        return added, others

    def git_index(self) -> Index | None:
        return self._staged.git_index()

    def project(self) -> bytes:
        text = self._view(ProjectPath(PROJECT_FILE, PROJECT_FILE)).project()
        return with_params(text, self.read(PROJECT_FILES))

    def lock(self) -> bytes | None:
        return self._view(ProjectPath(LOCK_FILE, LOCK_FILE)).lock()

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        added, others = self._split(ProjectPath(name, name) for name in names)
        in_worktree = self._worktree.read([path.text for path in added])
        return {**self._staged.read([path.text for path in others]), **in_worktree}

    def fingerprints(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        added, others = self._split(paths)
        in_worktree = self._worktree.fingerprints(added, algorithm)
        return {**self._staged.fingerprints(others, algorithm), **in_worktree}

    def present(self, paths: Sequence[ProjectPath], algorithm: str = "md5") -> Observed:
        added, others = self._split(paths)
        in_worktree = self._worktree.present(added, algorithm)
        return {**self._staged.present(others, algorithm), **in_worktree}

    def declare(self, project: Project) -> None:
        self._staged.declare(project)
        self._worktree.declare(project)

    def compare(self, differing: Collection[tuple[ProjectPath, str]]) -> None:
        self._worktree.compare([pair for pair in differing if self._is_added(pair[0])])
        self._staged.compare([pair for pair in differing if not self._is_added(pair[0])])

    def benign_difference(self, path: ProjectPath, recorded: str) -> str | None:
        return self._view(path).benign_difference(path, recorded)

    def changed_files(self, path: ProjectPath, recorded: str) -> list[str]:
        return self._view(path).changed_files(path, recorded)

    def is_outside(self, path: ProjectPath) -> bool:
        return self._staged.is_outside(path)

    def absence(self, path: ProjectPath) -> Absence | None:
        return self._view(path).absence(path)

    def ignored(self, paths: Sequence[ProjectPath]) -> set[ProjectPath]:
        return self._staged.ignored(paths)

    def save(self) -> None:
        pass  # only asked after the checks of the index, whose view saves
