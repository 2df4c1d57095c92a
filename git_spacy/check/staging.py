"""Tell findings that are only due to unstaged files from those that need a run.

The checks of a commit read the index. Where the worktree is in order and only the index is not, no
command of the project can help: what helps is `git add`. This module finds the files to add, by
checking the index again with these files as they are in the worktree.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence

from git_spacy.check.finding import Finding
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.paths import ProjectPath
from git_spacy.state.project_view import Staged, View, WorkTree

RunChecks = Callable[[View], Sequence[Finding]]

_MAX_ROUNDS = 4  # adding project.lock brings in other commands, and these other files
_MAX_FILES = 4  # of one folder, before the hint names the folder instead


def hint_at_unstaged_files(
    findings: Sequence[Finding], view: Staged, run_checks: RunChecks
) -> list[Finding]:
    """Return `findings`, with the hint `git add FILE…` on those that it removes.

    `run_checks` returns the findings of the same checks in another view. Raises OSError,
    ExternalError if git fails.
    """

    in_worktree = _subjects(run_checks(WorkTree(view.root)))
    unstaged = [finding for finding in findings if finding.subject not in in_worktree]
    files = dict.fromkeys(name for finding in unstaged for name in finding.files)
    for _ in range(_MAX_ROUNDS if unstaged else 0):
        to_add = view.unstaged(list(files))
        remaining = run_checks(view.with_worktree(to_add)) if to_add else findings
        new = [finding for finding in remaining if finding.subject not in in_worktree]
        known = len(files)
        files.update(dict.fromkeys(name for finding in new for name in finding.files))
        if new and len(files) == known:
            files[PROJECT_FILE] = None  # last, since it may contain other changes
        if not new or len(files) == known:
            added = {finding.subject for finding in unstaged} - _subjects(remaining)
            hint = _add_command(to_add, files)
            if view.is_partial:
                hint += "\nand commit these together: 'git commit FILE' leaves out other files"
            return [
                finding._replace(hint=hint) if finding.subject in added else finding
                for finding in findings
            ]
    return list(findings)


def _subjects(findings: Iterable[Finding]) -> set[str]:
    return {finding.subject for finding in findings if finding.severity == "error"}


def _add_command(names: Sequence[str], declared: Iterable[str]) -> str:
    """Return the `git add` of `names`; a folder of `declared` stands for many files in it."""

    left = [ProjectPath(name, name) for name in names]
    paths = []
    for name in declared:
        folder = ProjectPath(name, name)
        inside = [path for path in left if folder.holds(path)]
        left = [path for path in left if not folder.holds(path)]
        paths += [name] if len(inside) > _MAX_FILES else [path.normal for path in inside]
    return shlex.join(
        ["git", "add", *(["--"] if any(p[:1] in "-:" for p in paths) else []), *paths]
    )
