"""Update a project whose template comes with git-spacy to the template of the installed version.

Such a template has no history. The old version is the project's own first commit, if that still has
the files of the template, as their digest shows.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from git_spacy import __version__, templates
from git_spacy.errors import InvalidInput
from git_spacy.generate import ignore
from git_spacy.git import objects
from git_spacy.git.commit_tree import CommitTree
from git_spacy.git.remote_tree import EXECUTABLE, LINK, SUBMODULE, CheckoutResult
from git_spacy.git.repository import Repository
from git_spacy.setup.origin import EMBEDDED, Origin, find_origins

_SOURCE = f"{EMBEDDED}git-spacy@"


def embedded_origin(name: str) -> Origin:
    """Return the origin of a project that is cloned from the template `name` now."""

    with TemporaryDirectory(prefix="git-spacy-") as folder:
        templates.copy_template(name, Path(folder, name))
        digest = _digest(Path(folder, name))
    return Origin(f"{_SOURCE}{__version__}", path=name, digest=digest)


def new_version(origin: Origin) -> Origin:
    """Return the installed version of the template `origin`.

    Raises InvalidInput if git-spacy is older than the project's template, or does not have it.
    """

    recorded = origin.source.removeprefix(_SOURCE)
    if _numbers(recorded) > _numbers(__version__):
        raise InvalidInput(
            f"the template is from git-spacy {recorded}, and this is git-spacy {__version__}",
            hint="install a newer git-spacy",
        )
    if origin.path not in templates.template_names():
        raise InvalidInput(f"git-spacy {__version__} has no template '{origin.path}' any longer")
    return embedded_origin(origin.path)


def write_versions(
    repository: Repository, folder: str, origin: Origin, old: Path, new: Path
) -> CheckoutResult:
    """Write the template as in the first commit of the project in `folder`, and as it is now.

    Raises InvalidInput if that commit has other files: what a user has changed in it would be lost.
    """

    origins = list(find_origins(repository, folder))
    first, place = next(
        (found for found in reversed(origins) if found[0].path == origin.path), (origin, folder)
    )
    _write_commit(repository, first.recorded_in, place, old)
    if _digest(old) != first.digest:
        raise InvalidInput(
            f"the commit {first.recorded_in[:12]} does not have the template's files as they were",
            hint=f"to compare with the template: git spacy clone {origin.path} DEST",
        )
    templates.copy_template(origin.path, new)
    return CheckoutResult(0, ())


def _write_commit(repository: Repository, commit: str, folder: str, to: Path) -> None:
    """Write the files of a folder in a commit, without the block that clone adds to .gitignore."""

    to.mkdir()
    entries = CommitTree(repository, commit).entries([folder])
    names: dict[str, list[tuple[str, int]]] = {}
    for entry in entries:
        if entry.mode not in (LINK, SUBMODULE):  # our templates have neither
            names.setdefault(entry.id, []).append((entry.name[len(folder) :], entry.mode))
    for id, stream in objects.read_local_blobs(repository, list(names)):
        data = stream.read()
        for name, mode in names[id]:
            text = ignore.remove_block(data) if name == ignore.FILE else data
            if name == ignore.FILE and text == b"":
                continue
            path = to / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if text is None else text)
            path.chmod(0o755 if mode == EXECUTABLE else 0o644)


def _digest(folder: Path) -> str:
    """Return a digest of the names and contents of all files below a folder."""

    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{content} {os.path.relpath(path, folder)}\n".encode())
    return total.hexdigest()[:40]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
