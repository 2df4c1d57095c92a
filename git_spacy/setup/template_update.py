"""Update a project to a newer version of its template.

A version of a template is a commit, so Git merges: see `git_spacy.git.version_merge`. Both versions
are fetched and checked as `git spacy clone` does, before anything is merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import ExternalError, InvalidInput, Refused, Warn, escape_controls, warning
from git_spacy.git import process, version_merge
from git_spacy.git.address import ALLOW_LOCAL, Address, parse_address
from git_spacy.git.commits import head_commit, is_shallow
from git_spacy.git.partial_clone_git import CommitSummary, Versions, open_versions
from git_spacy.git.remote_tree import SUBMODULE, CheckoutResult, RemoteTree
from git_spacy.git.repository import Repository, prefix
from git_spacy.git.settings import Settings, boolean, fetch_limits
from git_spacy.git.version_merge import VersionMerge
from git_spacy.setup import embedded
from git_spacy.setup.clone import find_folder
from git_spacy.setup.origin import EMBEDDED, Origin, branch_to_follow, find_origin, trailers
from git_spacy.setup.template_files import keep_generated_text

_MAX_SUBJECTS = 20  # in a commit message
_MAX_SUBJECT = 100  # characters


class ClonedProject(NamedTuple):
    """A project in a repository: its folder relative to the top ("" or "folder/"), and its
    origin."""

    repository: Repository
    folder: str
    origin: Origin


class TemplateUpdate(NamedTuple):
    """A project, the version of its template to update to, and the `commits` in between.

    `is_newer` says whether the folder of the template differs. `write` writes both versions to two
    new folders.
    """

    project: ClonedProject
    new: Origin
    commits: tuple[CommitSummary, ...]
    is_newer: bool
    write: Callable[[Path, Path], CheckoutResult]

    @property
    def message(self) -> str:
        """The message of the commit that updates the project."""

        old, new = self.project.origin, self.new
        action = "Update from" if self.is_newer else "Record"
        lines = [f"{action} the template {new.name}", ""]
        if self.commits:
            lines.append(f"{count_commits(self.commits)}, {old.commit[:12]}..{new.commit[:12]}:")
            shown = self.commits[:_MAX_SUBJECTS]
            lines += [f"- {escape_controls(commit.subject)[:_MAX_SUBJECT]}" for commit in shown]
            more = len(self.commits) - len(shown)
            lines += [f"- and {more} more"] if more else []
            lines.append("")
        return "\n".join(lines) + "\n" + trailers(new, self.project.folder)


def count_commits(commits: tuple[CommitSummary, ...]) -> str:
    """Return e.g. "3 commits of the template"."""

    return f"{len(commits)} commit{'' if len(commits) == 1 else 's'} of the template"


def find_project(root: Path) -> ClonedProject:
    """Return the project at `root` with its origin. Raises InvalidInput if that is not recorded."""

    repository, folder = find_folder_in_git(root)
    origin = find_origin(repository, folder)
    if origin is None:
        raise _unknown_origin(repository)
    return ClonedProject(repository, folder, origin)


def find_folder_in_git(root: Path) -> tuple[Repository, str]:
    """Return the repository around `root`, and `root` relative to its top: "" or "folder/".

    Raises InvalidInput if there is no repository, or no commit yet.
    """

    if not process.available():
        raise ExternalError("git not found on the PATH", hint="install git")
    repository = Repository.require(root)
    if repository.top is None or not head_commit(repository):
        raise InvalidInput(
            "the repository has no commit yet", hint="git add -A && git commit -m 'First commit'"
        )
    folder = prefix(root, repository.top)
    if folder.startswith("../"):
        raise Refused(f"'{root}' is behind a link out of its repository", hint="git rev-parse")
    return repository, folder


def _unknown_origin(repository: Repository) -> InvalidInput:
    hint = "git spacy update --adopt URL//FOLDER"
    if is_shallow(repository):
        hint = f"git fetch --unshallow\n{hint}"
    return InvalidInput("no commit of the project names its template", hint=hint)


@contextmanager
def open_update(
    project: ClonedProject, to: str | None, settings: Settings, *, prompt: bool, warn: Warn
) -> Iterator[TemplateUpdate]:
    """Provide the update of `project` to the branch, tag or full commit id `to`.

    By default, that is the branch that it was cloned from. Raises what `open_versions` does, and
    InvalidInput if the template does not have the recorded commit or folder any longer.
    """

    if project.origin.source.startswith(EMBEDDED):
        yield _embedded_update(project, to)
        return
    address = _address(project.origin, to, settings)
    with open_versions(
        address, project.origin.commit, prompt=prompt, warn=warn, limits=fetch_limits(settings)
    ) as versions:
        yield update_between(project, address, versions)


def _embedded_update(project: ClonedProject, to: str | None) -> TemplateUpdate:
    """Return the update to the template that the installed git-spacy has."""

    repository, folder, origin = project
    if to is not None:
        raise InvalidInput(
            f"'--to {to}': the template '{origin.path}' comes with git-spacy and has no history",
            hint="git spacy update",
        )
    new = embedded.new_version(origin)
    return TemplateUpdate(
        project,
        new,
        (),
        new.digest != origin.digest,
        partial(embedded.write_versions, repository, folder, origin),
    )


def _address(origin: Origin, to: str | None, settings: Settings) -> Address:
    """Return the address of the template, which anyone who wrote a commit may have named.

    A repository on this machine is allowed, since nothing but the commits after the recorded one
    is read of it: only who has seen it knows that commit's id.
    """

    trusted = boolean(settings, ALLOW_LOCAL) or origin.source.startswith(("/", "file:///"))
    return parse_address(origin.source, to or origin.branch or None, trusted=trusted)


def update_between(project: ClonedProject, address: Address, versions: Versions) -> TemplateUpdate:
    """Return the update of `project` between two versions of its template.

    Raises InvalidInput if the template does not have the recorded commit or folder any longer.
    """

    origin, old, new = project.origin, versions.old, versions.new
    if old is None or not old.files(origin.path):
        raise InvalidInput(
            f"{origin.source} does not have the recorded commit {origin.commit[:12]} any longer",
            hint=f"git spacy update --adopt {origin.location}",
        )
    path = _new_path(old, new, origin.path)
    branch = branch_to_follow(address) or origin.branch
    is_newer = _relative_files(old, origin.path) != _relative_files(new, path)
    return TemplateUpdate(
        project,
        Origin(origin.source, new.commit, path, branch),
        versions.commits(path) if is_newer else (),
        is_newer,
        lambda to_old, to_new: _write(old, origin.path, to_old, new, path, to_new),
    )


def _relative_files(tree: RemoteTree, path: str) -> set[tuple[int, str, str]]:
    return {
        (entry.mode, entry.name[len(path) :].lstrip("/"), entry.id) for entry in tree.files(path)
    }


def _new_path(old: RemoteTree, new: RemoteTree, path: str) -> str:
    """Return the template's folder in `new`: `path`, or where most of its files have moved to.

    Raises InvalidInput if the folder was removed.
    """

    if not path or path in new.folders():
        return path
    names: dict[str, list[str]] = {}
    for entry in new.listing:
        names.setdefault(entry.id, []).append(entry.name)
    files = old.files(path)
    candidates: Counter[str] = Counter()
    for entry in files:
        inner = entry.name[len(path) :]
        candidates.update(
            name[: -len(inner)] for name in names.get(entry.id, ()) if name.endswith(inner)
        )
    if candidates:
        moved, count = candidates.most_common(1)[0]
        if 2 * count > len(files):
            return moved
    return find_folder(new, path, new.display_url)


def _write(
    old: RemoteTree, old_path: str, to_old: Path, new: RemoteTree, path: str, to_new: Path
) -> CheckoutResult:
    """Write both versions, with one request for their contents."""

    entries = (*old.files(old_path), *new.files(path))
    ids = (entry.id for entry in entries if entry.mode != SUBMODULE)
    new.contents.fetch(tuple(dict.fromkeys(ids)))
    old._replace(warn=lambda _: None).checkout(old_path, to_old)
    return new.checkout(path, to_new)


@contextmanager
def prepared(update: TemplateUpdate, warn: Warn, *, keep: bool) -> Iterator[VersionMerge]:
    """Provide the merge of `update`.

    Without `keep` it can only be shown, and nothing is written to the user's repository. Raises
    Refused for a version that `git spacy clone` would refuse, and if Git would not merge now.
    """

    repository, folder, _ = update.project
    if keep:
        version_merge.refuse_unclean(repository)

    def write(old: Path, new: Path) -> None:
        for pointer in update.write(old, new).lfs_pointers:
            warn(warning(f"'{pointer}' is a Git LFS pointer; its content was not downloaded"))
        keep_generated_text(repository, folder, old, new)

    with version_merge.commit_versions(
        repository, folder, write, update.message, keep=keep
    ) as merge:
        yield merge
