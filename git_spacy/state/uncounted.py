"""Find the files in folders of a project that do not count, and what that answer depends on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from git_spacy.errors import ExternalError
from git_spacy.git.repository import Repository, prefix
from git_spacy.light_hashes import blake2b
from git_spacy.patterns import compile_late
from git_spacy.project.paths import is_outside
from git_spacy.state.counted_files import (
    PATTERNS,
    Selection,
    names_below,
    only_placeholders,
    parents,
    uncounted_by_name,
)
from git_spacy.state.hashing import files_below

_EXCLUDES_FILE = compile_late(
    r"^\s*excludesfile\s*=\s*\"?(.+?)\"?\s*$", re.MULTILINE | re.IGNORECASE
)


def find_uncounted(root: Path, folders: Mapping[str, Mapping[str, bool]]) -> dict[str, list[str]]:
    """Return the files and folders that do not count in each of `folders`, relative to it.

    `folders` maps folders of the project at `root` to what project.yml names in them, as
    `counted_files.dependency_folders` returns it. Starts git once, and once for each submodule.
    """

    top = ""
    ignored: list[str] | None = None
    with suppress(ExternalError):
        in_project = [folder for folder in folders if not is_outside(folder)]
        top, ignored = _ignored_by_git(root, in_project) if in_project else ("", None)
    result = {}
    for folder, named in folders.items():
        unknown = ignored is None or is_outside(folder)
        names = None if unknown else names_below(top + folder, ignored or ())
        if names:
            left = files_below(root, folder, Selection(frozenset(names), named)) or []
            if only_placeholders([file.name for file in left]):
                names = None  # a folder for data that is kept out of Git on purpose
        result[folder] = uncounted_by_name(root, folder, named) if names is None else names
    return result


def _ignored_by_git(root: Path, folders: list[str]) -> tuple[str, list[str] | None]:
    """Return the path of `root` in its repository, and what Git ignores in `folders`.

    These paths are relative to the top of the repository. Outside a repository, they are None.
    """

    from git_spacy.git.index import Index, submodule_index  # imports the code that runs git

    index = Index.discover(root)
    if index is None:
        return "", None
    top = prefix(root, index.top)
    paths = [top + folder for folder in folders]
    names = index.ignored_below(paths, PATTERNS)
    for submodule in index.submodules():
        inside = submodule.name + "/"
        below = [
            path[len(inside) :] or "."
            for path in (f"{path}/" for path in paths)
            if path.startswith(inside)
        ]
        below += ["."] * any(inside.startswith(path + "/") for path in paths)
        if below and (inner_index := submodule_index(index, submodule)):
            names += (inside + name for name in inner_index.ignored_below(below, PATTERNS))
            names.append(inside + ".git")
    return top, names


def excludes_files(repository: Repository | None) -> list[str]:
    """Return the files with the user's own ignore patterns that Git's configuration names."""

    found = []
    for file in _config_files(repository) if repository else ():
        try:
            with open(file, encoding="utf-8", errors="surrogateescape") as stream:
                found += _EXCLUDES_FILE.findall(stream.read())
        except OSError:
            continue
    return [os.path.expanduser(name) for name in found]


def rules_digest(
    repository: Repository | None, root: Path, folder: str, excludes: list[str], *, index: bool
) -> str:
    """Return a digest that changes if Git may ignore other files in `folder` than before.

    That depends on files with patterns, and with `index` on what Git tracks. Files inside `folder`
    are left out. Starts no process.
    """

    if repository is None or repository.top is None or is_outside(folder):
        return _digest(b"")
    files = [*_config_files(repository), *excludes, str(repository.common_dir / "info/exclude")]
    files.append(os.path.join(_xdg_config_home(), "git/ignore"))
    path = prefix(root, repository.top) + folder
    files += [os.path.join(repository.top, parent, ".gitignore") for parent in ("", *parents(path))]
    if index:
        files.append(str(repository.git_path("index")))
    facts = repr([_stat(file) for file in files]).encode()
    return _digest(facts)


def _digest(facts: bytes) -> str:
    return blake2b(facts, digest_size=16).hexdigest()


def _config_files(repository: Repository) -> Iterator[str]:
    yield str(repository.common_dir / "config")
    if configured := os.environ.get("GIT_CONFIG_GLOBAL"):
        yield configured
    else:
        yield os.path.join(_xdg_config_home(), "git/config")
        yield os.path.expanduser("~/.gitconfig")


def _xdg_config_home() -> str:
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


def _stat(file: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
