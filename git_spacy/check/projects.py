"""Find the projects to check, and run the checks on them: for `git spacy check` and the hook.

Each hook of pre-commit is a process of its own, so what only some checks need is imported late.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from git_spacy.check import outputs
from git_spacy.check.outputs import OutputLimits, project_folder
from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.git.index import Index
from git_spacy.git.repository import Repository, prefix
from git_spacy.git.state_dir import state_dir
from git_spacy.light_typing import TYPE_CHECKING, NamedTuple
from git_spacy.project import project_file
from git_spacy.project.project_file import PROJECT_FILE

if TYPE_CHECKING:
    from git_spacy.state.project_view import View

CHECK_NAMES = ("project", "assets", "lock", "generated", "outputs")


class CheckRequest(NamedTuple):
    """What to check: `checks` are names from CHECK_NAMES.

    `files`, relative to the top of the repository, limit the check of outputs to these files and
    the others to the projects whose folders they are in; () stands for everything.
    """

    checks: Collection[str]
    staged: bool = False
    strict: bool = False
    notes: bool = False
    limits: OutputLimits = OutputLimits()
    files: tuple[str, ...] = ()

    def open_view(self, root: Path, index: Index | None) -> View:
        """Return the project in `root` as it is staged, or in the worktree."""

        from git_spacy.state.project_view import Staged, WorkTree

        return Staged(root, index) if self.staged else WorkTree(root)


def check_projects(
    request: CheckRequest, roots: Sequence[Path], base: Path, index: Index | None
) -> list[Diagnostic]:
    """Check the projects in the folders `roots`; files and hints in the findings are as seen
    from `base`.

    `index` is needed for staged files and for the check of outputs. Raises InvalidInput outside a
    repository for checks that need one, ExternalError if git fails, OSError.
    """

    names = [name for name in CHECK_NAMES if name in request.checks and name != "outputs"]
    findings = _check_each(names, request, roots, base, index) if names else []
    if "outputs" in request.checks:
        findings += _check_outputs(request, roots, base, index)
    return findings


def _check_each(
    names: Sequence[str],
    request: CheckRequest,
    roots: Sequence[Path],
    base: Path,
    index: Index | None,
) -> list[Diagnostic]:
    from git_spacy.check import checks
    from git_spacy.project.documents import cached

    folders = {os.path.dirname(file) for file in request.files}
    findings = []
    for root in roots:
        if index and folders and prefix(root, index.top).rstrip("/") not in folders:
            continue
        view = request.open_view(root, index)
        with cached(state_dir(root)):
            in_project = checks.run_checks(names, view, strict=request.strict)
            if request.notes and "lock" in names:
                in_project += checks.unrecorded_entries(root, view)
        findings += [finding.below(prefix(root, base)) for finding in in_project]
    return findings


def _check_outputs(
    request: CheckRequest, roots: Sequence[Path], base: Path, index: Index | None
) -> list[Diagnostic]:
    index = index or Index.require(Repository.require(roots[0] if roots else base))
    views = {prefix(root, index.top): partial(request.open_view, root, index) for root in roots}
    others = dict.fromkeys(map(project_folder, _project_files(index)))
    groups = (
        outputs.staged_files(index, request.files)
        if request.staged
        else outputs.worktree_files(index, views)
    )

    findings = outputs.check_outputs(groups, {**others, **views}, request.limits)
    top, start = os.path.realpath(index.top), os.path.realpath(base)
    return [
        finding.seen_from(lambda path: os.path.relpath(os.path.join(top, path), start))
        for finding in findings
    ]


def tracked_projects(index: Index) -> list[Path]:
    """Return the folders of all projects whose project.yml is in the index."""

    return [index.top / project_folder(file) for file in _project_files(index)]


def find_projects(start: Path) -> list[Path]:
    """Return the folder of the project that contains `start`.

    Outside a project, return the folders of all projects below `start` whose project.yml Git
    tracks. Raises InvalidInput if no project is found, ExternalError if git fails.
    """

    try:
        return [project_file.find(start)]
    except InvalidInput:
        index = Index.discover(start)
        if index is None:
            raise
        real_start = start.resolve()
        files = [index.top.resolve() / file for file in _project_files(index)]
        below = [file.parent for file in files if file.is_file() and real_start in file.parents]
        if not below:
            raise
        return below


def work_tree_top(start: Path) -> Path:
    """Return the top of the Git working tree that contains `start`; `start` outside of any."""

    repository = Repository.discover(start)
    return repository.top if repository and repository.top else start


def _project_files(index: Index) -> list[str]:
    return [entry.name for entry in index.named(PROJECT_FILE)]
