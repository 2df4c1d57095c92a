"""Examine whether this machine and this clone are set up, without changing anything.

CHECKS is the table of what is examined. A check is a function of a `Clone` that returns one or more
results; it need not handle errors of git-spacy and of the operating system, which count as
problems. What `init` would change is not decided here a second time: its own plan says it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy import __version__
from git_spacy.errors import Diagnostic, GitSpacyError, InvalidInput, local_failure
from git_spacy.git import process
from git_spacy.git.gitconfig import read_config
from git_spacy.git.repository import Repository, find_damage
from git_spacy.git.settings import find_problems, read_entries, read_settings
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.setup import plan
from git_spacy.setup.hook_scripts import PROGRAM, find_program
from git_spacy.setup.hook_status import hook_status

SetupState = Literal["ok", "warning", "problem"]
INIT_COMMAND = "git spacy init"
MINIMUM_GIT = (2, 30)  # the first with `git config --fixed-value`
MINIMUM_PYTHON = (3, 10)


class SetupResult(NamedTuple):
    """What a check found. A `warning` is worth knowing, a `problem` keeps something from working;
    the hint is a command line, or empty."""

    name: str
    state: SetupState
    detail: str
    hint: str = ""


class Clone(NamedTuple):
    """What is examined: the folder where the user stands, the repository and the project there.

    Both may be None. With `network`, remotes are contacted.
    """

    start: Path
    repository: Repository | None
    root: Path | None
    environ: Mapping[str, str]
    network: bool

    def settings(self) -> dict[str, str]:
        """Return the settings of git-spacy."""

        return read_settings(self.root or self.start)


Results = Iterator[SetupResult]
Check = Callable[[Clone], Results]


def examine(
    start: Path, environ: Mapping[str, str], *, network: bool = False
) -> Iterator[tuple[str, SetupResult]]:
    """Yield the results of all checks that apply to the folder `start`, with their headings."""

    clone = Clone(start, _discover(start), _find_project(start), environ, network)
    causes: set[Diagnostic] = set()  # each is reported once
    for heading, checks in CHECKS.items():
        for name, check in checks.items():
            try:
                yield from ((heading, result) for result in check(clone))
            except GitSpacyError as error:
                for problem in set(error.problems) - causes:
                    yield heading, _from_problem(name, problem)
                causes |= set(error.problems)
            except OSError as error:
                yield heading, _from_problem(name, local_failure(error).problems[0])


def _discover(start: Path) -> Repository | None:
    try:
        return Repository.discover(start)
    except GitSpacyError:  # a bare repository that the user did not name
        return None


def _find_project(start: Path) -> Path | None:
    try:
        return loader.find(start)
    except GitSpacyError:
        return None


def _from_problem(name: str, problem: Diagnostic, state: SetupState = "problem") -> SetupResult:
    where = f"{problem.location}: " if problem.location else ""
    return SetupResult(name, state, f"{where}{problem.message}", problem.hint)


# Programs


def _git(clone: Clone) -> Results:
    text = process.run_git(("--version",), cwd=clone.start).stdout.decode("utf-8", "replace")
    match = re.search(r"(\d+)\.(\d+)[\w.]*", text)
    version = match[0] if match else text.strip()
    if match and (int(match[1]), int(match[2])) < MINIMUM_GIT:
        least = ".".join(map(str, MINIMUM_GIT))
        yield SetupResult("git", "problem", f"{version}; git-spacy needs {least} or later")
    else:
        yield SetupResult("git", "ok", version)


def _python(_: Clone) -> Results:
    version = ".".join(map(str, sys.version_info[:3]))
    state: SetupState = "ok" if sys.version_info >= MINIMUM_PYTHON else "problem"
    yield SetupResult("python", state, f"{version}, {sys.executable}")


def _programs(clone: Clone) -> Results:
    own = Path(sys.executable).parent
    if found := shutil.which("git-spacy", path=clone.environ.get("PATH")):
        yield SetupResult("git-spacy", "ok", f"{__version__}, {found}")
    else:
        installed = os.access(own / "git-spacy", os.X_OK)
        hint = f'export PATH={shlex.quote(str(own))}:"$PATH"' if installed else ""
        yield SetupResult("git-spacy", "problem", "not on the PATH; 'git spacy' needs it", hint)
    if program := find_program():
        yield SetupResult(PROGRAM, "ok", str(program))
    else:
        detail = "not found; the hooks and the merge driver need it"
        yield SetupResult(PROGRAM, "problem", detail)


# The repository


def _repository(clone: Clone) -> Results:
    if clone.repository is None:
        Repository.discover(clone.start)  # raises what is wrong with a bare one
        if damage := find_damage(clone.start):
            yield _from_problem("repository", damage)
        else:
            detail = "not in a Git repository: runs are not recorded"
            yield SetupResult("repository", "warning", detail, "git init")
        return
    read_config(clone.repository)
    done = clone.repository.run_git(("rev-parse", "--verify", "-q", "HEAD^{tree}"), check=False)
    has_head = clone.repository.run_git(("rev-parse", "--verify", "-q", "HEAD"), check=False)
    top = str(clone.repository.top or clone.repository.git_dir)
    if done.returncode and not has_head.returncode:
        detail = f"{top}: objects of the last commit are missing or damaged"
        yield SetupResult("repository", "problem", detail, "git fsck")
    else:
        yield SetupResult("repository", "ok", top)


def _init_step(step: str, set_up: Check, clone: Clone) -> Results:
    """Report what `init` would do in one of its steps; if nothing, the results of `set_up`."""

    if clone.repository is None or clone.repository.top is None or not _has_project(clone):
        return
    planned = plan.plan_changes(plan.open_context(clone.start), (step,))
    warnings = [change for change in planned if isinstance(change, Diagnostic)]
    yield from (_from_problem(step, warning, "warning") for warning in warnings)
    missing = [change.name for change in planned if not isinstance(change, Diagnostic)]
    if missing:
        detail = f"not set up; 'init' would change {', '.join(missing)}"
        yield SetupResult(step, "problem", detail, f"{INIT_COMMAND} {step} --yes")
    elif not warnings:
        yield from set_up(clone)


def _has_project(clone: Clone) -> bool:
    if clone.root:
        return True
    try:
        plan.open_context(clone.start)
    except InvalidInput:
        return False
    return True


def _configured_notes(_: Clone) -> Results:
    yield SetupResult("notes", "ok", "run records follow their commits through amend and rebase")


def _configured_ignore(_: Clone) -> Results:
    yield SetupResult("ignore", "ok", ".gitignore lists assets and outputs")


def _configured_merge(_: Clone) -> Results:
    if find_program():
        yield SetupResult("merge", "ok", "project.lock is merged entry by entry")
    else:
        detail = f"{PROGRAM} is not found, so project.lock is merged line by line"
        yield SetupResult("merge", "problem", detail)


def _hooks(clone: Clone) -> Results:
    """Report whether a commit really runs our checks, since `init` only sees the configuration."""

    if clone.repository is None or clone.repository.top is None or not _has_project(clone):
        return
    status = hook_status(clone.repository)
    helps = not status.hint.startswith(INIT_COMMAND)  # else, it does if `init` plans something
    found = SetupResult("hooks", "problem", status.reason, status.hint if helps else "")
    if status.runs:
        shown = os.path.relpath(status.hook, os.path.realpath(clone.start))
        found = SetupResult("hooks", "ok", f"every commit is checked, by '{shown}'")
    if status.runs or not helps:
        yield from _init_step("hooks", lambda _: iter((found,)), clone)
    else:
        yield found


def _notes_remote(clone: Clone) -> Results:
    from git_spacy.git import notes_sync

    if clone.repository is None or not notes_sync.remote_names(clone.repository):
        return
    remote = notes_sync.choose_remote(clone.repository, None)
    if not clone.network:
        detail = f"'{remote}', not contacted"
        yield SetupResult("notes remote", "ok", f"{detail} (that needs --network)")
    elif failure := notes_sync.contact(clone.repository, remote):
        yield SetupResult("notes remote", "problem", f"'{remote}' cannot be reached: {failure}")
    else:
        yield SetupResult("notes remote", "ok", f"'{remote}' can be reached")


def _settings(clone: Clone) -> Results:
    problems = find_problems(read_entries(clone.root or clone.start))
    yield from (_from_problem("settings", problem, "warning") for problem in problems)
    if not problems:
        yield SetupResult("settings", "ok", "all are known and valid")


# The project


def _project(clone: Clone) -> Results:
    if clone.root is None:
        detail = "none here, so its lock, remotes and Python are not examined"
        yield SetupResult("project", "warning", detail, "git spacy clone --list")
        return
    loaded = loader.load_with_document(clone.root)
    count = len(loaded.project.commands)
    detail = f"{clone.root / loader.PROJECT_FILE}: {count} command{'' if count == 1 else 's'}"
    yield SetupResult("project", "ok", detail)
    if loaded.params:
        yield SetupResult("params.yaml", "ok", f"counts: {', '.join(map(str, loaded.params))}")


def _load(clone: Clone) -> Project:
    assert clone.root
    return loader.load(clone.root)


def _lock(clone: Clone) -> Results:
    from git_spacy.lock import lock_format

    if clone.root:
        count = len(lock_format.read(clone.root))
        yield SetupResult(
            "project.lock", "ok", f"{count} {'entry' if count == 1 else 'entries'}" if count
            else "nothing has been run yet",
        )  # fmt: skip


def _interpreter(clone: Clone) -> Results:
    from git_spacy.run.interpreter import (
        CHANGE_IT,
        SETTING,
        find_interpreter,
        installed_version,
        python_version,
    )

    if clone.root is None:
        return
    python = find_interpreter(clone.root, clone.settings(), clone.environ)
    version = python_version(python)
    spacy = installed_version(python, "spacy")
    parts = [f"{python.path} ({python.chosen_by})"]
    parts += [f"Python {version}"] if version else []
    parts += [f"spaCy {spacy}"] if spacy else []
    parts += [python.note] if python.note else []
    parts += [CHANGE_IT] if python.chosen_by != f"git config {SETTING}" else []
    state: SetupState = "ok" if os.access(python.path, os.X_OK) else "problem"
    yield SetupResult("scripts", state, ", ".join(parts))


def _remotes(clone: Clone) -> Results:
    from git_spacy.project.remotes import known_addresses
    from git_spacy.storage import remote

    if clone.root is None:
        return
    project, settings = _load(clone), clone.settings()
    for name in known_addresses(project, settings):
        label = f"remote '{name}'"
        try:
            address = remote.resolve_address(project, settings, name)
            opened = remote.open_remote(clone.root, address)
            if clone.network:
                opened.exists("git-spacy-doctor")
        except (GitSpacyError, OSError) as error:
            failed = local_failure(error) if isinstance(error, OSError) else error
            yield from (_from_problem(label, problem) for problem in failed.problems)
            continue
        if "://" not in opened.shown and not Path(opened.shown).is_dir():
            detail = f"'{opened.shown}' does not exist; the first push creates it"
            yield SetupResult(label, "warning", detail, f"git spacy push {shlex.quote(name)}")
        elif clone.network or "://" not in opened.shown:
            yield SetupResult(label, "ok", f"{opened.shown} can be reached")
        else:
            detail = f"{opened.shown}, not contacted (that needs --network)"
            yield SetupResult(label, "ok", detail)


# The machine


def _state(clone: Clone) -> Results:
    from git_spacy import sharing
    from git_spacy.file_locks import has_native_locks
    from git_spacy.git.state_dir import state_dir

    folder = state_dir(clone.root or clone.start)
    sharing.make_folders(folder)
    has_locks = has_native_locks(folder)
    yield SetupResult("state", "ok", f"{folder} can be written")
    if has_locks:
        yield SetupResult("file locks", "ok", "the file system has them")
    else:
        detail = (
            "the file system has none; lock files are used instead, and what a run leaves that was"
            " killed on another machine must be removed by hand"
        )
        yield SetupResult("file locks", "warning", detail)


def _run_cache(clone: Clone) -> Results:
    from git_spacy.storage.cache_store import CacheStore

    cache = CacheStore.open_for(clone.root or clone.start)
    missing, size = cache.incomplete(), cache.size()
    if missing:
        detail = f"{missing} of {size.trees} outputs are incomplete"
        yield SetupResult("run cache", "problem", detail, "git spacy cache verify")
    else:
        detail = f"{size.trees} outputs; 'git spacy cache verify' reads them all"
        yield SetupResult("run cache", "ok", detail if size.trees else "empty")


CHECKS: dict[str, dict[str, Check]] = {
    "Programs": {"git": _git, "python": _python, "git-spacy": _programs},
    "Repository": {
        "repository": _repository,
        "notes": partial(_init_step, "notes", _configured_notes),
        "merge": partial(_init_step, "merge", _configured_merge),
        "ignore": partial(_init_step, "ignore", _configured_ignore),
        "hooks": _hooks,
        "notes remote": _notes_remote,
        "settings": _settings,
    },
    "Project": {
        "project": _project,
        "project.lock": _lock,
        "scripts": _interpreter,
        "remotes": _remotes,
    },
    "Storage": {"state": _state, "run cache": _run_cache},
}
"""Heading → name → check, in the order in which they are shown."""
