"""Where a repository is, and what the user set for us there: small questions, one each.

Opening asks nothing and starts no process: the folders are found as git finds them, by looking.
Knows nothing of objects, branches or the index.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Malformed

# What a linked worktree shares with the main one (gitrepository-layout). All else is its own.
_SHARED = frozenset(("branches", "common", "config", "description", "gc.pid", "hooks", "info"))
_SHARED |= frozenset(("lfs", "logs", "lost-found", "modules", "objects", "packed-refs", "refs"))
_SHARED |= frozenset(("remotes", "rr-cache", "shallow", "svn", "worktrees"))
_OWN = ("logs/HEAD", "refs/bisect", "refs/rewritten", "refs/worktree", "info/sparse-checkout")
_YES = frozenset(("true", "yes", "on"))
_NO = frozenset(("false", "no", "off", ""))
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Repository(NamedTuple):
    """Three real paths: the top of the work tree, its Git folder (of a linked worktree or
    submodule its own) and the Git folder that it shares with others."""

    top: Path
    git_dir: Path
    common_dir: Path

    def git_path(self, name: str) -> Path:
        """Where git keeps `name` for this work tree, as `git rev-parse --git-path` answers."""

        own = any(name == path or name.startswith(path + "/") for path in _OWN)
        shared = name.split("/", 1)[0] in _SHARED and not own
        return (self.common_dir if shared else self.git_dir) / name

    @classmethod
    def discover(cls, start: Path, environ: Mapping[str, str] | None = None) -> Repository | None:
        """The repository whose work tree holds the folder `start`; None outside of any.

        GIT_DIR, GIT_WORK_TREE, GIT_COMMON_DIR and GIT_CEILING_DIRECTORIES of `environ` (None: of
        this process) count as they do for git; a bare repository has no work tree and is None.
        """

        environ = os.environ if environ is None else environ
        start = Path(os.path.realpath(start))
        named = environ.get("GIT_DIR")
        if named:
            git_dir = Path(os.path.realpath(named))
            if not _is_git_dir(git_dir):
                return None
            tree = environ.get("GIT_WORK_TREE")
            top = Path(os.path.realpath(tree)) if tree else _top_of(git_dir, start) or start
            return _opened(top, git_dir, environ)
        ceilings = {
            os.path.realpath(path)
            for path in environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
            if os.path.isabs(path)
        }
        for folder in (start, *start.parents):
            if folder != start and str(folder) in ceilings:
                return None
            found = _git_dir_in(folder)
            if found is not None:
                return _opened(folder, found, environ)
        return None


def _opened(top: Path, git_dir: Path, environ: Mapping[str, str]) -> Repository:
    shared = environ.get("GIT_COMMON_DIR", "") if environ.get("GIT_DIR") else ""
    if not shared:
        try:
            shared = str(git_dir / (git_dir / "commondir").read_text().strip())
        except OSError:
            shared = str(git_dir)
    return Repository(top, git_dir, Path(os.path.realpath(shared)))


def _top_of(git_dir: Path, start: Path) -> Path | None:
    """The folder at or above `start` whose `.git` is `git_dir`: a hook is run with GIT_DIR."""

    return next((at for at in (start, *start.parents) if _git_dir_in(at) == git_dir), None)


def _git_dir_in(folder: Path) -> Path | None:
    """The Git folder that `folder/.git` is, or names in its `gitdir:` line."""

    entry = folder / ".git"
    if entry.is_file():
        try:
            line = entry.read_text("utf-8", "surrogateescape")
        except OSError:
            return None
        if not line.startswith("gitdir:"):
            return None
        entry = folder / line.removeprefix("gitdir:").strip()
    entry = Path(os.path.realpath(entry))
    return entry if _is_git_dir(entry) else None


def _is_git_dir(path: Path) -> bool:
    if not os.path.lexists(path / "HEAD"):
        return False
    return (path / "objects").is_dir() or (path / "commondir").is_file()


def settings(start: Path) -> dict[str, str]:
    """Every `spacy.*` setting as git sees it from the folder `start`: one process, or none.

    Section and last name are in lower case, a subsection as it was written; the last value wins.
    Works outside of a repository too, and without a git binary.
    """

    from git_spacy.git import process

    if not process.available():
        return _settings_by_dulwich(start)
    # The user's own repository is meant, so what a hook says of it stays; relative to us, not to
    # `start`, so it is made absolute.
    own = {
        name: os.path.abspath(os.environ[name])
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
        if os.environ.get(name)
    }
    completed = process.run(
        ("config", "--null", "--get-regexp", r"^spacy\."),
        cwd=start,
        environment=own,
        keep=process.COMMAND_LINE_SETTINGS,
        check=False,
    )
    if completed.returncode not in (0, 1):  # 1: there is none
        raise Malformed(
            process.last_words(completed.stderr), mend="correct the Git configuration file"
        )
    found: dict[str, str] = {}
    for record in completed.stdout.decode("utf-8", "surrogateescape").split("\0"):
        key, newline, value = record.partition("\n")
        if key:
            found[key] = value if newline else "true"  # a bare name means true
    return found


def _settings_by_dulwich(start: Path) -> dict[str, str]:
    from dulwich.config import ConfigFile, StackedConfig

    files = StackedConfig.default_backends()[::-1]
    repository = Repository.discover(start)
    if repository is not None:
        for name in ("config", "config.worktree"):
            path = repository.git_path(name)
            if path.is_file():
                files.append(ConfigFile.from_path(str(path)))
    found: dict[str, str] = {}
    for file in files:
        for section in file.sections():
            if section[0].lower() != b"spacy":
                continue
            middle = "".join(f"{os.fsdecode(part)}." for part in section[1:])
            for key, value in file.items(section):
                found[f"spacy.{middle}{os.fsdecode(key).lower()}"] = os.fsdecode(value)
    return found


def boolean(settings: Mapping[str, str], key: str, default: bool) -> bool:
    """The setting `key` (`spacy.name`, lower case) as Git reads a boolean. Raises Malformed."""

    value = settings.get(key.lower())
    if value is None:
        return default
    folded = value.lower()
    if folded in _YES or folded in _NO:
        return folded in _YES
    try:
        return int(value) != 0
    except ValueError:
        raise Malformed(
            f"the setting {key} is '{value}', not true or false",
            mend=f"git config {key} true",
        ) from None


def integer(settings: Mapping[str, str], key: str, default: int) -> int:
    """The setting `key` as a number, with Git's suffixes k, m and g. Raises Malformed."""

    value = settings.get(key.lower())
    if value is None:
        return default
    digits = value.rstrip("kKmMgG")
    try:
        return int(digits) * _UNITS[value[len(digits) :].lower()]
    except (ValueError, KeyError):
        raise Malformed(
            f"the setting {key} is '{value}', not a number", mend=f"git config {key} {default}"
        ) from None
