"""The checks as Git hooks: of what is staged, in every project of the repository.

`git-spacy-hook CHECK [--strict] [--max-size=SIZE] [--allow=PATTERN] [FILE…]`, its own console
script, for pre-commit and hooks/; `git-spacy-hook --path` says where those lie. It reads the index,
and never the network, runs no script, asks nothing and changes nothing; it never imports click,
since it runs on every commit.
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
    ExternalError,
    GitSpacyError,
    InternalError,
    InvalidInput,
    local_failure,
)

_CHECKS = ("project", "assets", "lock", "generated", "outputs")
_USAGE = (
    "git-spacy-hook all|project|assets|lock|generated|outputs"
    " [--strict] [--max-size=10m] [--allow=GLOB]"
)
_SIZE = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)


class _Asked(NamedTuple):
    checks: tuple[str, ...]
    files: tuple[str, ...]
    strict: bool
    max_size: int | None
    allow: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks that `argv` (by default the process's own) names and return the exit code:
    0, 1 if something is wrong, else that of the failure."""

    with interrupts.handled():
        try:
            return _main(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt as stopped:
            interrupted = interrupts.interrupted(getattr(stopped, "number", 2))
            sys.stderr.write(f"{interrupted}\n")
            return interrupted.exit_code


def _main(words: Sequence[str]) -> int:
    failure: GitSpacyError
    try:
        if list(words) == ["--path"]:
            from git_spacy.setup.hook_scripts import scripts

            sys.stdout.write(f"{scripts()}\n")
            return 0
        return _run(_asked(words))
    except GitSpacyError as error:
        failure = error
    except OSError as error:
        failure = local_failure(error)
    except Exception as defect:
        if isinstance(defect.__cause__, KeyboardInterrupt):  # as in cli/__init__.py
            raise defect.__cause__ from None
        if os.environ.get("GIT_SPACY_DEBUG"):
            raise
        failure = InternalError(defect)
    sys.stderr.write(f"{failure}\n")
    return failure.exit_code


def _asked(argv: Sequence[str]) -> _Asked:
    if not argv or argv[0] not in (*_CHECKS, "all"):
        raise InvalidInput(f"'{argv[0]}' is no check" if argv else "no check is named", hint=_USAGE)
    checks = _CHECKS if argv[0] == "all" else (argv[0],)
    files: list[str] = []
    allow: list[str] = []
    strict, max_size = False, None
    for word in argv[1:]:
        name, has_value, value = word.partition("=")
        if word == "--strict":
            strict = True
        elif name == "--max-size" and has_value:
            max_size = _bytes(value)
        elif name == "--allow" and has_value:
            allow.append(value)
        elif word.startswith("--"):
            raise InvalidInput(f"unknown option '{word}'", hint=_USAGE)
        else:
            files.append(word)
    return _Asked(checks, tuple(files), strict, max_size, tuple(allow))


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match:
        raise InvalidInput(f"'{text}' is no size", hint="write --max-size=500k, 10m or 2g")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()]


def _run(asked: _Asked) -> int:
    from git_spacy.check import checks, outputs
    from git_spacy.check.finding import FORMATS
    from git_spacy.git.index import Index
    from git_spacy.git.repository import Repository
    from git_spacy.project.loader import PROJECT_FILE
    from git_spacy.state.project_view import Staged

    repository = Repository.discover(Path.cwd())
    index = Index.open(repository) if repository else None
    if index is None:
        raise ExternalError("this is no Git work tree", hint="use 'git spacy check'")
    here = os.path.relpath(os.getcwd(), os.path.realpath(index.top))
    names = [os.path.normpath(os.path.join(here, file)) for file in asked.files]
    found = []
    of_project = [check for check in asked.checks if check != "outputs"]
    if of_project:
        folders = [outputs.folder(entry.name) for entry in index.named(PROJECT_FILE)]
        if names:
            chosen = {os.path.dirname(name) + "/" if "/" in name else "" for name in names}
            folders = [folder for folder in folders if folder in chosen]
        for folder in folders:
            view = Staged(index.top / folder, index)
            some = checks.run_checks(of_project, view, strict=asked.strict)
            found += [finding.below(folder) for finding in some]
    if "outputs" in asked.checks:
        most = outputs.MAX_SIZE if asked.max_size is None else asked.max_size
        files = names or sorted(index.changed())
        found += outputs.check_outputs(index, files, max_size=most, allow=asked.allow)
    text = FORMATS["text"](found).encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.write(text.decode(sys.stdout.encoding or "utf-8"))
    return 1 if any(finding.severity == "error" for finding in found) else 0
