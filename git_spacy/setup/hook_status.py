"""Find out whether a commit in a repository runs our checks.

Other people's hooks are only read. Our own part is really started, with `TRY` set, so that it
answers instead of checking.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from git_spacy.git import gitconfig, process
from git_spacy.git.repository import Repository
from git_spacy.setup.hook_managers import MANAGERS, HookManager, find_manager
from git_spacy.setup.hook_scripts import CHECK, HOOKS, READY, TRY, scripts_folder

_MAX_SEARCHED = 1 << 20  # bytes of a hook or configuration
CALLS_US = re.compile(rb"\bgit[ -]spacy[ -](hook|check)\b")
_INIT = "git spacy init hooks"


class HookStatus(NamedTuple):
    """Whether a commit runs our checks; if not, the `reason` and a `hint`.

    `hook` is the file that Git runs, or would run.
    """

    runs: bool
    hook: Path
    reason: str = ""
    hint: str = ""


class FoundCheck(NamedTuple):
    """What starts our checks at a commit: our own script, `script`, or else `CHECK`."""

    script: Path | None


def hook_status(repository: Repository) -> HookStatus:
    """Return whether a commit in this worktree runs our checks. Starts git and our own program.

    Raises ExternalError or Refused if git fails.
    """

    folder = gitconfig.hooks_dir(repository)
    hook, found = folder / HOOKS[0], find_check(repository, folder)
    if isinstance(found, HookStatus):
        return found
    command = shlex.quote(str(found.script)) if found.script else CHECK
    done = process.run_git(
        ("-c", f"alias.spacy-try=!{command}", "spacy-try"), cwd=repository.cwd(),
        environ={**repository.environment(), TRY: "1"}, check=False,
    )  # fmt: skip
    if READY.encode() in done.stdout:
        return HookStatus(True, hook)
    return HookStatus(False, hook, "git-spacy-hook was not found, or does not start", _INIT)


def find_check(repository: Repository, folder: Path) -> FoundCheck | HookStatus:
    """Return what starts our checks when Git runs its hooks in `folder`; else why nothing does."""

    top, hook = repository.cwd(), folder / HOOKS[0]
    name = os.path.relpath(hook, top)
    content = read_hook(hook)
    if content is None:
        return _not_installed(hook, name, top)
    if not os.access(hook, os.X_OK):
        fix = f"chmod +x {shlex.quote(str(hook))}"
        return HookStatus(False, hook, f"'{name}' is not executable", fix)
    if is_own(content):
        return FoundCheck(hook)
    if manager := find_manager(content):
        return _find_in_manager(manager, hook, top)
    if husky := husky_folder(folder):
        script = husky / HOOKS[0]
        if CALLS_US.search(read_hook(script) or b""):
            return FoundCheck(None)
        name = os.path.relpath(script, top)
    elif CALLS_US.search(content):
        return FoundCheck(None)
    return HookStatus(False, hook, f"'{name}' does not run git-spacy", _INIT)


def husky_folder(folder: Path) -> Path | None:
    """Return the folder of the user's hooks if husky runs the hooks in `folder`.

    Since version 9, husky generates `.husky/_` at each installation and points Git to it; before,
    it was `.husky` itself.
    """

    if folder.name == "_":
        return folder.parent
    return folder if (folder / "_/husky.sh").is_file() else None


def is_own(content: bytes) -> bool:
    """Return whether a hook is the script of this package."""

    return content == (scripts_folder() / HOOKS[0]).read_bytes()


def read_hook(path: Path) -> bytes | None:
    """Return the beginning of a file; None if it is missing, or is not a regular file."""

    try:
        if not path.is_file():  # a device may never end
            return None
        with open(path, "rb") as stream:
            return stream.read(_MAX_SEARCHED)
    except OSError:
        return None


def _find_in_manager(manager: HookManager, hook: Path, top: Path) -> FoundCheck | HookStatus:
    renamed = hook.with_name(hook.name + manager.suffix)
    if manager.calls_renamed and os.access(renamed, os.X_OK):
        content = read_hook(renamed) or b""
        if is_own(content):
            return FoundCheck(renamed)
        if CALLS_US.search(content):
            return FoundCheck(None)
    config = manager.find_config(top)
    content = (config and read_hook(config)) or b""
    if manager.has_entry(content):
        # pre-commit may also install git-spacy from a repository, in an environment of its own
        return FoundCheck(None) if CALLS_US.search(content) else HookStatus(True, hook)
    name = os.path.relpath(config, top) if config else manager.files[0]
    by_hand = config and manager.add_entry(content) is None
    fix = f"add a hook that runs '{CHECK}' to '{name}'" if by_hand else _INIT
    return HookStatus(False, hook, f"'{name}' does not list git-spacy", fix)


def _not_installed(hook: Path, name: str, top: Path) -> HookStatus:
    for manager in MANAGERS:
        config = manager.find_config(top)
        if config and manager.has_entry(read_hook(config) or b""):
            reason = f"{manager.name} is configured, but not installed in this clone"
            return HookStatus(False, hook, reason, f"{manager.name} install")
    husky = husky_folder(hook.parent)
    if husky and CALLS_US.search(read_hook(husky / HOOKS[0]) or b""):
        reason = "husky is configured, but not installed in this clone"
        return HookStatus(False, hook, reason, "npx husky")
    return HookStatus(False, hook, f"'{name}' does not exist", _INIT)
