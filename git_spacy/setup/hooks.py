"""Where our checks go so that Git, or whatever else starts this repository's hooks, runs them, and
what ran before goes on running. Reads, decides, and writes nothing.

With pre-commit it is an entry of its configuration; with husky a line in its scripts; else the
scripts that this package ships, in the folder where Git looks. A folder that other repositories
have, too (a global core.hooksPath), is never written to: ours takes its place here, and calls it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from git_spacy.git.gitconfig import ConfigValue
from git_spacy.git.repository import Repository
from git_spacy.setup import pre_commit
from git_spacy.setup.changes import Change, FileChange, FileMove, SetConfig, SkippedChange
from git_spacy.setup.hook_scripts import CHAIN, HOOKS, scripts_folder
from git_spacy.setup.write_location import Location, read_content

BEFORE = ".before-git-spacy"
_HUSKY = b"_/husky.sh"
_LINE = b"git-spacy-hook all || exit $?\n"
_OURS = (b"git-spacy-chain", b"git-spacy-hook")  # what only our hooks have in them
_LARGEST = 1 << 20  # bytes of a hook that are searched for ours
_SHELL = b"#!/bin/sh\n"
_NOBODY = b"#!/bin/sh\n# No hook of this name ran here before git-spacy's.\n"


class Locate(Protocol):
    """`Place.locate`."""

    def __call__(self, path: Path, *, follow: bool = True) -> Location: ...


def plan_hooks(
    repository: Repository, top: Path, locate: Locate, folder: Path, path: tuple[ConfigValue, ...]
) -> Iterator[Change | SkippedChange]:
    """What is to be changed where Git looks for hooks in `folder`, by the values `path` of
    core.hooksPath. Raises Unsafe for a file that `locate` refuses, Malformed, OSError."""

    config = locate(top / pre_commit.FILE)
    if config.path.is_file():
        yield from _in_pre_commit(config)
        return
    if folder.resolve() == scripts_folder().resolve() or _is_ours(folder / HOOKS[0]):
        return
    if not folder.is_dir() and _is_ours(_folder_of_ours(repository) / HOOKS[0]):
        yield _use_ours(repository, path)  # the repository has been moved
        return
    real = folder.resolve()
    if (repository.common_dir.resolve() in (real, *real.parents)) or top in real.parents:
        husky = _husky(folder)
        if husky:
            yield from _in_husky(husky, locate)
        else:
            is_own = real == (repository.common_dir / "hooks").resolve()
            yield from _beside(folder, locate, None if is_own else repository.common_dir / "hooks")
    elif any(value.scope in ("worktree", "command") for value in path):
        yield SkippedChange(
            "hooks", "core.hooksPath", f"it is set for this work tree alone, to '{folder}'",
            f'cp "$(git-spacy-hook --path)"/* {shlex.quote(str(folder))}',
        )  # fmt: skip
    else:
        yield from _instead_of(folder, repository, locate, path)


def _in_pre_commit(config: Location) -> Iterator[Change | SkippedChange]:
    before = read_content(config)
    if before is None or pre_commit.has_entry(before):
        return
    after = pre_commit.add_entry(before)
    if after is None:
        yield SkippedChange("hooks", pre_commit.FILE, "its 'repos:' is not a plain list",
                   "add the hooks yourself: docs/how-to/hooks.md")  # fmt: skip
    else:
        yield FileChange("hooks", config.path, config.name, before, after)


def _husky(folder: Path) -> Path | None:
    """The folder where people write hooks that husky runs, if Git's is husky's: since its version
    9 that is `.husky/_`, made anew by each install, before that `.husky` itself."""

    if folder.name == "_":
        return folder.parent
    return folder if (folder / "_/husky.sh").is_file() else None


def _in_husky(folder: Path, locate: Locate) -> Iterator[Change]:
    for hook in HOOKS:
        file = locate(folder / hook)
        before = read_content(file)
        if before is None:
            after = _SHELL + _LINE
        elif any(word in before for word in _OURS):
            continue
        else:
            head, _, rest = before.partition(b"\n")
            is_head = head.startswith(b"#!")
            after = head + b"\n" + _LINE + rest if is_head else _LINE + before
        yield FileChange("hooks", file.path, file.name, before, after, executable=before is None)


def _beside(
    folder: Path, locate: Locate, inactive: Path | None
) -> Iterator[Change | SkippedChange]:
    """Our scripts in `folder`; a hook that is there gets another name, under which ours calls it.
    Those in the folder `inactive` did not run up to now, and so do not from now on."""

    taken = [hook for hook in HOOKS if os.path.lexists(folder / (hook + BEFORE))]
    if taken:
        where = locate(folder / (taken[0] + BEFORE), follow=False).name
        yield SkippedChange("hooks", where, "it is there, and does not run",
                   "remove it, or give it another name")  # fmt: skip
        return
    for hook in HOOKS:
        if os.path.lexists(folder / hook):
            file = locate(folder / hook, follow=False)
            yield FileMove("hooks", file.path, file.name, hook + BEFORE)
        elif inactive and os.access(inactive / hook, os.X_OK):
            yield _script(folder / (hook + BEFORE), locate, _NOBODY)
    yield from _shipped(folder, locate)


def _instead_of(
    theirs: Path, repository: Repository, locate: Locate, path: tuple[ConfigValue, ...]
) -> Iterator[Change | SkippedChange]:
    """A folder of our own, whose hooks call those in `theirs` by their names."""

    ours = _folder_of_ours(repository)
    yield from _shipped(ours, locate)
    for hook in HOOKS:  # also if there is none now: there may be one tomorrow
        yield _script(ours / (hook + BEFORE), locate, _call(theirs / hook))
    others = sorted(one.name for one in theirs.iterdir()) if theirs.is_dir() else []
    for hook in others:
        if hook not in HOOKS and "." not in hook and os.access(theirs / hook, os.X_OK):
            yield _script(ours / hook, locate, _call(theirs / hook))
    yield _use_ours(repository, path)


def _folder_of_ours(repository: Repository) -> Path:
    return repository.common_dir / "spacy/hooks"


def _use_ours(repository: Repository, path: tuple[ConfigValue, ...]) -> SetConfig:
    """(By its whole path: a relative one would be from the top of each linked work tree.)"""

    own = tuple(value.text for value in path if value.scope == "local")
    now = f"{path[-1].text}, {path[-1].scope}; its hooks go on running" if path else ""
    ours = str(_folder_of_ours(repository).resolve())
    return SetConfig("hooks", "core.hooksPath", ours, own_values=own, current=now)


def _call(hook: Path) -> bytes:
    quoted = shlex.quote(str(hook))
    return f'#!/bin/sh\n[ ! -x {quoted} ] || exec {quoted} "$@"\n'.encode()


def _shipped(folder: Path, locate: Locate) -> Iterator[FileChange]:
    """(A hook that is there has got another name by then.)"""

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
        if not hook.is_file():  # a device may be endless
            return False
        with open(hook, "rb") as stream:
            data = stream.read(_LARGEST)
    except OSError:
        return False
    return any(name in data for name in _OURS)
