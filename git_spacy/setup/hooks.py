"""Plan how to run our checks as Git hooks, besides the hooks that the repository already has.

With pre-commit or lefthook, that is an entry in its configuration; with husky, a line in its
scripts; otherwise the scripts of this package, in the folder of Git's hooks. A folder that other
repositories share (a global core.hooksPath) is never written to: a folder of our own replaces it
here, and calls its hooks.
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
from git_spacy.setup.changes import Change, FileChange, FileMove, SetConfig, left_unchanged
from git_spacy.setup.hook_managers import MANAGERS, HookManager, find_manager
from git_spacy.setup.hook_scripts import CHECK, HOOKS, scripts_folder
from git_spacy.setup.hook_status import (
    CALLS_US,
    FoundCheck,
    find_check,
    husky_folder,
    is_own,
    read_hook,
)
from git_spacy.setup.write_location import Location, read_content

RENAMED_SUFFIX = ".before-git-spacy"
_LINE = f"{CHECK} || exit $?\n".encode()
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

    found = find_check(repository, folder)
    if isinstance(found, FoundCheck) or found.runs:
        return
    active = find_manager(read_hook(folder / HOOKS[0]) or b"")
    for manager in (active,) if active else MANAGERS:
        if config := manager.find_config(top):
            yield from _in_manager(manager, locate(config))
            return
    if not folder.is_dir() and is_own(read_hook(_our_folder(repository) / HOOKS[0]) or b""):
        yield _use_ours(repository, path)  # the repository has been moved
        return
    real = folder.resolve()
    if (repository.common_dir.resolve() in (real, *real.parents)) or top in real.parents:
        husky = husky_folder(folder)
        if husky:
            yield from _in_husky(husky, locate)
        else:
            own_folder = repository.common_dir / "hooks"
            is_default = real == own_folder.resolve()
            yield from _add_beside(folder, locate, None if is_default else own_folder)
    elif any(value.scope in ("worktree", "command") for value in path):
        reason = f"it is set for this worktree only, to '{folder}'"
        hint = f'cp "$(git-spacy-hook --path)"/* {shlex.quote(str(folder))}'
        yield left_unchanged("core.hooksPath", reason, hint)
    else:
        yield from _replace_shared_folder(folder, repository, locate, path)


def _in_manager(manager: HookManager, config: Location) -> Iterator[Change | Diagnostic]:
    before = read_content(config)
    if before is None or manager.has_entry(before):
        return
    after = manager.add_entry(before)
    if after is None:
        hint = f"add a hook that runs '{CHECK}' yourself: docs/how-to/hooks.md"
        yield left_unchanged(config.name, "it is not written in the usual way", hint)
    else:
        yield FileChange("hooks", config.path, config.name, before, after)


def _in_husky(folder: Path, locate: Locate) -> Iterator[Change]:
    for hook in HOOKS:
        file = locate(folder / hook)
        before = read_content(file)
        if before is None:
            after = _SHELL + _LINE
        elif CALLS_US.search(before):
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
        location = locate(folder / (conflicts[0] + RENAMED_SUFFIX), follow=False)
        quoted = shlex.quote(str(location.path))
        reason = "it already exists, and Git does not run it"
        yield left_unchanged(location.name, reason, f"mv -i {quoted} {quoted}.unused")
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

    for hook in HOOKS:
        yield _script(folder / hook, locate, (scripts_folder() / hook).read_bytes())


def _script(hook: Path, locate: Locate, after: bytes) -> FileChange:
    file = locate(hook, follow=False)
    return FileChange("hooks", file.path, file.name, None, after, executable=True)
