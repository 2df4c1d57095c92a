"""Run the checks as a Git hook, on what is staged, in every project of the repository.

`git-spacy-hook CHECK [--strict] [--max-size=SIZE] [--allow=PATTERN] [FILE…]` is a console script of
its own, for pre-commit and for the scripts in hooks/; `git-spacy-hook --path` prints the folder of
the latter. It reads the index, uses no network, runs no scripts, never prompts and changes nothing.
It does not import click, since it runs at every commit.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy import interrupts
from git_spacy.errors import (
    GitSpacyError,
    InternalError,
    InvalidInput,
    local_failure,
)

_CHECKS = ("project", "assets", "lock", "generated", "outputs")
_USAGE = (
    "usage: git-spacy-hook all|project|assets|lock|generated|outputs"
    " [--strict] [--max-size=10m] [--allow=GLOB]"
)
_SIZE = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)


class _HookOptions(NamedTuple):
    checks: tuple[str, ...]
    files: tuple[str, ...]
    strict: bool
    max_size: int | None
    allow: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks that `argv` (by default `sys.argv[1:]`) names, and return the exit code.

    It is 0 on success, 1 if a check found an error, or the exit code of the exception.
    """

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


def _parse_arguments(argv: Sequence[str]) -> _HookOptions:
    if not argv or argv[0] not in (*_CHECKS, "all"):
        message = f"unknown check '{argv[0]}'" if argv else "no check given"
        raise InvalidInput(message, hint=_USAGE)
    checks = _CHECKS if argv[0] == "all" else (argv[0],)
    files: list[str] = []
    allow: list[str] = []
    strict, max_size = False, None
    for word in argv[1:]:
        name, has_value, value = word.partition("=")
        if word == "--strict":
            strict = True
        elif name == "--max-size" and has_value:
            max_size = _parse_size(value)
        elif name == "--allow" and has_value:
            allow.append(value)
        elif word.startswith("--"):
            raise InvalidInput(f"unknown option '{word}'", hint=_USAGE)
        else:
            files.append(word)
    return _HookOptions(checks, tuple(files), strict, max_size, tuple(allow))


def _parse_size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match:
        raise InvalidInput(f"invalid size '{text}'", hint="write --max-size=500k, 10m or 2g")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()]


def _run(options: _HookOptions) -> int:
    from git_spacy.check import checks, outputs
    from git_spacy.check.finding import FORMATS
    from git_spacy.git.index import Index
    from git_spacy.git.repository import Repository
    from git_spacy.project.loader import PROJECT_FILE
    from git_spacy.state.project_view import Staged

    index = Index.require(Repository.require(Path.cwd(), hint="git spacy check"))
    cwd = os.path.relpath(os.getcwd(), os.path.realpath(index.top))
    names = [os.path.normpath(os.path.join(cwd, file)) for file in options.files]
    findings = []
    project_checks = [check for check in options.checks if check != "outputs"]
    if project_checks:
        folders = [outputs.project_folder(entry.name) for entry in index.named(PROJECT_FILE)]
        if names:
            named_folders = {os.path.dirname(name) + "/" if "/" in name else "" for name in names}
            folders = [folder for folder in folders if folder in named_folders]
        for folder in folders:
            view = Staged(index.top / folder, index)
            in_folder = checks.run_checks(project_checks, view, strict=options.strict)
            findings += [finding.below(folder) for finding in in_folder]
    if "outputs" in options.checks:
        max_size = outputs.MAX_SIZE if options.max_size is None else options.max_size
        files = names or sorted(index.changed())
        findings += outputs.check_outputs(index, files, max_size=max_size, allow=options.allow)
    text = FORMATS["text"](findings).encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.write(text.decode(sys.stdout.encoding or "utf-8"))
    return 1 if any(finding.severity == "error" for finding in findings) else 0
