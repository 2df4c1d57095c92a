"""Run the checks as a Git hook, on what is staged, in every project of the repository.

`git-spacy-hook CHECK [--strict] [--max-size=SIZE] [--allow=PATTERN] [FILE…]` is a console script of
its own, for pre-commit and for the scripts in hooks/; `git-spacy-hook --path` prints the folder of
the latter. It reads the index, uses no network, runs no scripts, never prompts and changes nothing.
It does not import click, since it runs at every commit. `git-spacy-hook merge-driver BASE OURS
THEIRS` is what Git starts to merge project.lock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from git_spacy import garbage, interrupts
from git_spacy.errors import (
    GitSpacyError,
    InternalError,
    InvalidInput,
    local_failure,
)
from git_spacy.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git_spacy.check.projects import CheckRequest

_CHECKS = ("project", "assets", "lock", "generated", "outputs")
_USAGE = (
    "usage: git-spacy-hook all|project|assets|lock|generated|outputs"
    " [--strict] [--max-size=10m] [--allow=GLOB]"
)
_REMEDY = "commit it anyway: git commit --no-verify (with pre-commit, raise --max-size)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks that `argv` (by default `sys.argv[1:]`) names, and return the exit code.

    It is 0 on success, 1 if a check found an error, or the exit code of the exception.
    """

    if argv is None:  # a process of its own
        garbage.collect_rarely()
    with interrupts.handling():
        try:
            return _main(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt as error:
            interrupted = interrupts.interrupted(getattr(error, "number", 2))
            sys.stderr.write(f"{interrupted}\n")
            return interrupted.exit_code


def _main(argv: Sequence[str]) -> int:
    failure: GitSpacyError
    try:
        if list(argv) == ["--path"]:
            from git_spacy.setup.hook_scripts import scripts_folder

            sys.stdout.write(f"{scripts_folder()}\n")
            return 0
        if len(argv) == 4 and argv[0] == "merge-driver":
            from git_spacy.history import lock_repair

            return 0 if lock_repair.merge_driver(*map(Path, argv[1:])) else 1
        if os.environ.get("GIT_SPACY_TRY_HOOK"):  # see setup/hook_status.py
            sys.stdout.write("git-spacy-hook is ready\n")
            return 0
        return _run(_parse_arguments(argv))
    except GitSpacyError as error:
        failure = error
    except OSError as error:
        failure = local_failure(error)
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # as in cli/main.py
            raise error.__cause__ from None
        if os.environ.get("GIT_SPACY_DEBUG"):
            raise
        failure = InternalError(error)
    sys.stderr.write(f"{failure}\n")
    return failure.exit_code


def _parse_arguments(argv: Sequence[str]) -> CheckRequest:
    """Return what to check; `files` are as given, relative to the current folder."""

    from git_spacy.check.outputs import OutputLimits, parse_size
    from git_spacy.check.projects import CheckRequest

    if not argv or argv[0] not in (*_CHECKS, "all"):
        message = f"unknown check '{argv[0]}'" if argv else "no check given"
        raise InvalidInput(message, hint=_USAGE)
    checks = _CHECKS if argv[0] == "all" else (argv[0],)
    files: list[str] = []
    allow: list[str] = []
    strict, max_size = False, OutputLimits().max_size
    for word in argv[1:]:
        name, has_value, value = word.partition("=")
        if word == "--strict":
            strict = True
        elif name == "--max-size" and has_value:
            max_size = parse_size(value)
        elif name == "--allow" and has_value:
            allow.append(value)
        elif word.startswith("--"):
            raise InvalidInput(f"unknown option '{word}'", hint=_USAGE)
        else:
            files.append(word)
    limits = OutputLimits(max_size, tuple(allow), _REMEDY)
    return CheckRequest(checks, True, strict, limits=limits, files=tuple(files))


def _start_folder() -> Path:
    """Return the folder in which the user typed `git commit`: Git runs hooks at the top."""

    return Path(os.path.realpath(os.path.join(os.getcwd(), os.environ.get("GIT_PREFIX", ""))))


def _run(request: CheckRequest) -> int:
    from git_spacy.check.finding import FORMATS
    from git_spacy.check.projects import check_projects, tracked_projects
    from git_spacy.git.index import Index
    from git_spacy.git.repository import Repository

    index = Index.require(Repository.require(Path.cwd(), hint="git spacy check"))
    if request.checks != ("outputs",):  # the only check that rarely reads any
        index.prepare()
    cwd = os.path.relpath(os.getcwd(), os.path.realpath(index.top))
    files = tuple(os.path.normpath(os.path.join(cwd, file)) for file in request.files)
    request = request._replace(files=files)
    findings = check_projects(request, tracked_projects(index), _start_folder(), index)
    text = FORMATS["text"](findings).encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.write(text.decode(sys.stdout.encoding or "utf-8"))
    return 1 if any(finding.severity == "error" for finding in findings) else 0
