"""Plan how to run our checks as Git hooks, besides the hooks that the repository already has.

With pre-commit, that is an entry in its configuration; with husky, a line in its scripts; otherwise
the scripts of this package, in the folder of Git's hooks. A folder that other repositories share (a
global core.hooksPath) is never written to: a folder of our own replaces it here, and calls its
hooks.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from git_spacy.errors import Diagnostic
from git_spacy.git.gitconfig import ConfigValue
from git_spacy.git.repository import Repository
from git_spacy.setup import pre_commit
from git_spacy.setup.changes import Change, FileChange, FileMove, SetConfig, left_unchanged
from git_spacy.setup.hook_scripts import CHAIN, HOOKS, scripts_folder
from git_spacy.setup.write_location import Location, read_content

RENAMED_SUFFIX = ".before-git-spacy"
_LINE = b"git-spacy-hook all || exit $?\n"
_OUR_MARKS = (b"git-spacy-chain", b"git-spacy-hook")  # only our hooks contain these
_MAX_SEARCHED = 1 << 20  # bytes of a hook
_SHELL = b"#!/bin/sh\n"
_EMPTY_HOOK = b"#!/bin/sh\n# No hook of this name ran here before git-spacy's.\n"


class Locate(Protocol):
    """The type of `RepoContext.locate`."""

    def __call__(self, path: Path, *, follow: bool = True) -> Location: ...


def plan_hooks(
    repository: Repository, top: Path, locate: Locate, folder: Path, path: tuple[ConfigValue, ...]
) -> Iterator[Change | Diagnostic]:
    """Yield the changes that make our checks run as hooks.

    `folder` is where Git looks for hooks, according to the values `path` of core.hooksPath. Raises
    Refused for a file that `locate` refuses; InvalidInput, OSError.
    """

    config = locate(top / pre_commit.FILE)
    if config.path.is_file():
        yield from _in_pre_commit(config)
        return
    if folder.resolve() == scripts_folder().resolve() or _is_ours(folder / HOOKS[0]):
        return
    if not folder.is_dir() and _is_ours(_our_folder(repository) / HOOKS[0]):
        yield _use_ours(repository, path)  # the repository has been moved
        return
    real = folder.resolve()
    if (repository.common_dir.resolve() in (real, *real.parents)) or top in real.parents:
        husky = _husky(folder)
        if husky:
            yield from _in_husky(husky, locate)
        else:
            own_folder = repository.common_dir / "hooks"
            is_own = real == own_folder.resolve()
            yield from _add_beside(folder, locate, None if is_own else own_folder)
    elif any(value.scope in ("worktree", "command") for value in path):
        reason = f"it is set for this worktree only, to '{folder}'"
        hint = f'cp "$(git-spacy-hook --path)"/* {shlex.quote(str(folder))}'
        yield left_unchanged("core.hooksPath", reason, hint)
    else:
        yield from _replace_shared_folder(folder, repository, locate, path)


def _in_pre_commit(config: Location) -> Iterator[Change | Diagnostic]:
    before = read_content(config)
    if before is None or pre_commit.has_entry(before):
        return
    after = pre_commit.add_entry(before)
    if after is None:
        hint = "add the hooks yourself: docs/how-to/hooks.md"
        yield left_unchanged(pre_commit.FILE, "its 'repos:' is not a plain list", hint)
    else:
        yield FileChange("hooks", config.path, config.name, before, after)


def _husky(folder: Path) -> Path | None:
    """Return the folder of the user's hooks if husky runs the hooks in `folder`.

    Since version 9, husky generates `.husky/_` at each installation and points Git to it; before,
    it was `.husky` itself.
    """

    if folder.name == "_":
        return folder.parent
    return folder if (folder / "_/husky.sh").is_file() else None


def _in_husky(folder: Path, locate: Locate) -> Iterator[Change]:
    for hook in HOOKS:
        file = locate(folder / hook)
        before = read_content(file)
        if before is None:
            after = _SHELL + _LINE
        elif any(mark in before for mark in _OUR_MARKS):
            continue
        else:
            first, _, rest = before.partition(b"\n")
            has_shebang = first.startswith(b"#!")
            after = first + b"\n" + _LINE + rest if has_shebang else _LINE + before
        yield FileChange("hooks", file.path, file.name, before, after, executable=before is None)


def _add_beside(
    folder: Path, locate: Locate, inactive: Path | None
) -> Iterator[Change | Diagnostic]:
    """Put our scripts into `folder`. An existing hook is renamed, and ours calls it.

    The hooks in the folder `inactive` did not run before, so they must not run from now on.
    """

    conflicts = [hook for hook in HOOKS if os.path.lexists(folder / (hook + RENAMED_SUFFIX))]
    if conflicts:
        name = locate(folder / (conflicts[0] + RENAMED_SUFFIX), follow=False).name
        reason = "it already exists, and Git does not run it"
        yield left_unchanged(name, reason, "remove or rename it")
        return
    for hook in HOOKS:
        if os.path.lexists(folder / hook):
            file = locate(folder / hook, follow=False)
            yield FileMove("hooks", file.path, file.name, hook + RENAMED_SUFFIX)
        elif inactive and os.access(inactive / hook, os.X_OK):
            yield _script(folder / (hook + RENAMED_SUFFIX), locate, _EMPTY_HOOK)
    yield from _our_scripts(folder, locate)


def _replace_shared_folder(
    theirs: Path, repository: Repository, locate: Locate, path: tuple[ConfigValue, ...]
) -> Iterator[Change | Diagnostic]:
    """Use a folder of our own, whose hooks call those of the same names in `theirs`."""

    ours = _our_folder(repository)
    yield from _our_scripts(ours, locate)
    for hook in HOOKS:  # also missing ones: they may be added later
        yield _script(ours / (hook + RENAMED_SUFFIX), locate, _calling_script(theirs / hook))
    others = sorted(file.name for file in theirs.iterdir()) if theirs.is_dir() else []
    for hook in others:
        if hook not in HOOKS and "." not in hook and os.access(theirs / hook, os.X_OK):
            yield _script(ours / hook, locate, _calling_script(theirs / hook))
    yield _use_ours(repository, path)


def _our_folder(repository: Repository) -> Path:
    return repository.common_dir / "spacy/hooks"


def _use_ours(repository: Repository, path: tuple[ConfigValue, ...]) -> SetConfig:
    """Set core.hooksPath, as an absolute path: a relative one depends on the worktree."""

    own = tuple(value.text for value in path if value.scope == "local")
    current = f"{path[-1].text}, {path[-1].scope}; its hooks keep running" if path else ""
    folder = str(_our_folder(repository).resolve())
    return SetConfig("hooks", "core.hooksPath", folder, own_values=own, current=current)


def _calling_script(hook: Path) -> bytes:
    quoted = shlex.quote(str(hook))
    return f'#!/bin/sh\n[ ! -x {quoted} ] || exec {quoted} "$@"\n'.encode()


def _our_scripts(folder: Path, locate: Locate) -> Iterator[FileChange]:
    """Put our scripts into `folder`, from which existing hooks have been renamed."""

    chain, after = locate(folder / CHAIN), (scripts_folder() / CHAIN).read_bytes()
    before = read_content(chain)
    if before != after:
        yield FileChange("hooks", chain.path, chain.name, before, after)
    for hook in HOOKS:
        yield _script(folder / hook, locate, (scripts_folder() / hook).read_bytes())


def _script(hook: Path, locate: Locate, after: bytes) -> FileChange:
    file = locate(hook, follow=False)
    return FileChange("hooks", file.path, file.name, None, after, executable=True)


def _is_ours(hook: Path) -> bool:
    try:
        if not hook.is_file():  # a device may never end
            return False
        with open(hook, "rb") as stream:
            data = stream.read(_MAX_SEARCHED)
    except OSError:
        return False
    return any(name in data for name in _OUR_MARKS)
