"""Find the version of a template that a project was once copied from.

That is the commit whose files are nearest to the project's, by their ids. Contents are fetched only
to choose among commits that are equally near.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Warn
from git_spacy.generate import ignore
from git_spacy.git import objects
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.partial_clone_git import CommitSummary, Versions, open_versions
from git_spacy.git.remote_tree import SUBMODULE, Stream
from git_spacy.git.repository import Repository
from git_spacy.git.settings import Settings, fetch_limits
from git_spacy.setup.clone import CloneRequest, find_folder, resolve_source
from git_spacy.setup.origin import Origin, branch_to_follow
from git_spacy.setup.template_files import LOCK
from git_spacy.setup.template_update import (
    ClonedProject,
    TemplateUpdate,
    find_folder_in_git,
    update_between,
)

_MAX_COMPARED = 1 << 20  # bytes of a file
_GENERATED = (ignore.FILE, LOCK)  # a project has its own


class NearestVersion(NamedTuple):
    """The version of a template, out of as many `versions`, that is nearest to a project.

    The project has `same` of its files unchanged; `different` have other contents, `missing` do
    not exist in the project, and `extra` only in other versions.
    """

    commit: CommitSummary
    versions: int
    same: int
    different: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def distance(self) -> int:
        """The number of files that differ."""

        return len(self.different) + len(self.missing) + len(self.extra)


@contextmanager
def open_adoption(
    root: Path, location: str, to: str | None, settings: Settings, cwd: Path, *,
    prompt: bool, warn: Warn,
) -> Iterator[tuple[TemplateUpdate, NearestVersion]]:  # fmt: skip
    """Provide the update of the project at `root` from the nearest version of the template at
    `location` (an address that `git spacy clone` accepts) to the branch, tag or commit `to`.

    Raises InvalidInput if the template has no version with a file of the project, and what
    `open_versions` raises.
    """

    repository, folder = find_folder_in_git(root)
    source = resolve_source(CloneRequest(location, branch=to), settings, cwd)
    if source.address is None:
        raise InvalidInput(
            f"the template '{location}' comes with git-spacy: it has no history",
            hint="git spacy update --adopt URL//FOLDER",
        )
    address = source.address
    with open_versions(
        address, "", prompt=prompt, warn=warn, limits=fetch_limits(settings)
    ) as versions:
        path = find_folder(versions.new, source.name, address.display_url)
        nearest = _nearest(repository, folder, versions, path)
        if nearest is None:
            raise InvalidInput(
                f"no version of '{path}' in {address.display_url} has a file of this project",
                hint=f"git spacy clone --list --repo {address.display_url}",
            )
        base = nearest.commit.id
        origin = Origin(address.display_url, base, path, branch_to_follow(address))
        project = ClonedProject(repository, folder, origin)
        versions = versions._replace(old=versions.at(base))
        yield update_between(project, address, versions), nearest


def _nearest(
    repository: Repository, folder: str, versions: Versions, path: str
) -> NearestVersion | None:
    """Return the version whose files differ least from those of HEAD.

    Of several, it is the one with the fewest lines that differ, then the oldest: Git merges a
    change that both sides have made, but would lose one that neither seems to have.
    """

    commits = versions.all_commits(path)
    listed = {commit: _version_files(versions, commit.id, path) for commit in commits}
    entries = CommitTree(repository, "HEAD").entries([folder])
    local = {entry.name[len(folder) :]: entry.id for entry in entries if entry.mode != SUBMODULE}
    ours = _translated(repository, local, len(versions.new.commit))
    common = {name for files in listed.values() for name in files if name in ours}
    found = []
    for commit, files in listed.items():
        changed = [name for name, id in files.items() if ours.get(name) != id]
        version = NearestVersion(
            commit,
            len(commits),
            len(files) - len(changed),
            tuple(name for name in changed if name in ours),
            tuple(name for name in changed if name not in ours),
            tuple(sorted(common - files.keys())),
        )
        found += [version] if version.same else []
    if not found:
        return None
    least = min(version.distance for version in found)
    nearest = [version for version in found if version.distance == least]
    if len(nearest) > 1:
        names = sorted({name for version in nearest for name in version.different})
        theirs = [{name: listed[v.commit].get(name, "") for name in names} for v in nearest]
        wanted = list(dict.fromkeys(id for files in theirs for id in files.values() if id))
        versions.new.contents.fetch(wanted)
        lines = _count_lines(versions.new.contents.read(wanted))
        own = _count_lines(objects.read_local_blobs(repository, [local[name] for name in names]))
        distances = [
            sum(_lines_apart(lines[id], own[local[name]]) for name, id in files.items() if id)
            for files in theirs
        ]
        least = min(distances)
        nearest = [v for v, distance in zip(nearest, distances, strict=True) if distance == least]
    return nearest[-1]


def _version_files(versions: Versions, commit: str, path: str) -> dict[str, str]:
    """Map the files of the folder `path` in a commit to their ids."""

    start = len(path) + 1 if path else 0
    entries = versions.files_at(commit, path)
    names = ((entry.name[start:], entry) for entry in entries if entry.mode != SUBMODULE)
    return {name: entry.id for name, entry in names if name not in _GENERATED}


def _count_lines(contents: Iterable[tuple[str, Stream]]) -> dict[str, Counter[bytes]]:
    return {id: Counter(stream.read(_MAX_COMPARED).splitlines()) for id, stream in contents}


def _lines_apart(one: Counter[bytes], other: Counter[bytes]) -> int:
    """Return how many lines only one of two texts has."""

    return ((one - other) + (other - one)).total()


def _translated(repository: Repository, files: dict[str, str], length: int) -> dict[str, str]:
    """Map the project's files to the ids that they have in a repository with ids of `length`."""

    ids = list(dict.fromkeys(files.values()))
    if not ids or len(ids[0]) == length:
        return files
    translated = dict(_rehash(repository, ids, "sha1" if length == 40 else "sha256"))
    return {name: translated[id] for name, id in files.items()}


def _rehash(
    repository: Repository, ids: Sequence[str], algorithm: str
) -> Iterator[tuple[str, str]]:
    for id, stream in objects.read_local_blobs(repository, ids):
        digest = hashlib.new(algorithm, b"blob %d\0" % stream.size, usedforsecurity=False)
        for chunk in stream.chunks():
            digest.update(chunk)
        yield id, digest.hexdigest()
