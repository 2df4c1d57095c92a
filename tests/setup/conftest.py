"""Repositories with all kinds of existing hooks and settings, for `init`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy import hook
from tests.testing.projects import TWO_STEPS, on_path, two_steps
from tests.testing.repositories import git, repository, write

ECHO_NAME = '#!/bin/sh\necho "$0 ran" >&2\n'
PRE_COMMIT = """\
# what we check
repos:
  - repo: local
    hooks:
      - id: theirs   # a comment
        name: theirs
        entry: "true"
        language: system

# for all
fail_fast: true
"""


def ordinary(folder: Path) -> Path:
    """Create a repository with one project."""

    repository(two_steps(folder))
    return folder


def without_commits(folder: Path) -> Path:
    two_steps(folder)
    git(folder, "init", "-q")
    return folder


def several(folder: Path) -> Path:
    for name in ("one", "deep/two"):
        two_steps(folder / name)
    return repository(folder)


def with_files(folder: Path) -> Path:
    """Create files without a final newline and with CRLF, and settings of the user's own."""

    write(ordinary(folder), {".gitattributes": "*.bin binary", ".gitignore": "a\r\nb\r\n"})
    git(folder, "config", "notes.rewriteMode", "overwrite")
    git(folder, "config", "notes.rewriteRef", "refs/notes/commits")
    with open(folder / ".git/config", "a") as file:
        file.write("; the last line has no newline: [x]")
    return folder


def with_hooks(folder: Path) -> Path:
    write(ordinary(folder), {"tools/check.sh*": ECHO_NAME})
    write(folder / ".git/hooks", {"pre-merge-commit*": ECHO_NAME})
    os.symlink("../../tools/check.sh", folder / ".git/hooks/pre-commit")
    return folder


def with_pre_commit(folder: Path) -> Path:
    write(ordinary(folder), {".pre-commit-config.yaml": PRE_COMMIT})
    return folder


def with_husky_9(folder: Path) -> Path:
    write(ordinary(folder), {
        ".husky/pre-commit": "echo theirs >&2\n",
        ".husky/_/pre-commit*": '#!/bin/sh\n. "$(dirname "$0")/h"\n',
        ".husky/_/h": 'sh -e "$(dirname "$(dirname "$0")")/$(basename "$0")" "$@"\n',
    })  # fmt: skip
    git(folder, "config", "core.hooksPath", ".husky/_")
    return folder


def with_husky_8(folder: Path) -> Path:
    write(ordinary(folder), {
        ".husky/pre-commit*": '#!/usr/bin/env sh\n. "$(dirname -- "$0")/_/husky.sh"\necho theirs >&2\n',
        ".husky/_/husky.sh": "",
    })  # fmt: skip
    git(folder, "config", "core.hooksPath", ".husky")
    return folder


def with_committed_hooks(folder: Path) -> Path:
    write(ordinary(folder), {".githooks/pre-commit*": ECHO_NAME})
    write(folder / ".git/hooks", {"pre-merge-commit*": "#!/bin/sh\nexit 1\n"})
    git(folder, "config", "core.hooksPath", ".githooks")
    return folder


def with_global_hooks(folder: Path) -> Path:
    home = Path(os.environ["HOME"])
    write(home / "my hooks", {"pre-commit*": ECHO_NAME, "commit-msg*": ECHO_NAME, "README": "x"})
    git(home, "config", "--global", "core.hooksPath", "~/my hooks")
    return ordinary(folder)


def linked(folder: Path) -> Path:
    main = ordinary(folder.parent / "main")
    git(main, "worktree", "add", "-q", str(folder))
    return folder


def submodule(folder: Path) -> Path:
    inner = ordinary(folder.parent / "inner")
    outer = repository(folder.parent / "outer")
    git(
        outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), folder.name
    )
    return outer / folder.name


def sha256(folder: Path) -> Path:
    two_steps(folder)
    git(folder, "init", "-q", "--object-format=sha256")
    return folder


KINDS: dict[str, Callable[[Path], Path]] = {
    create.__name__: create
    for create in (
        ordinary, without_commits, several, with_files, with_hooks, with_pre_commit, with_husky_9,
        with_husky_8, with_committed_hooks, with_global_hooks, linked, submodule, sha256,
    )
}  # fmt: skip


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put git-spacy and git-spacy-hook on the PATH, as an installation does."""

    folder = tmp_path_factory.mktemp("bin")
    source = Path(hook.__file__).parents[1]
    run = "import sys; from git_spacy.hook import main; sys.exit(main())"
    text = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{sys.executable}' -c '{run}' \"$@\"\n"
    write(folder, {"git-spacy-hook*": text})
    on_path(folder, monkeypatch)
    return folder


def make_stale(root: Path) -> Path:
    """Make project.lock stale, and stage that."""

    text = TWO_STEPS.replace("hello", "goodbye")
    write(root, {"project.yml": text})
    git(root, "add", "-A")
    return root
