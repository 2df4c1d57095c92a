"""Our hooks beside the real pre-commit, husky and lefthook, in every order of installing and removing.

husky and lefthook are npm packages, which scripts/test installs in CI.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.conftest import make_stale, ordinary
from tests.setup.test_other_hook_managers import (
    COUNT,
    LEFTHOOK,
    ORDERS,
    PRE_COMMIT,
    SHORT_PATH,
    commit,
    runs_of_own_hook,
)
from tests.testing.projects import Spacy
from tests.testing.repositories import git, write

pytestmark = pytest.mark.slow
TOOLS = ("pre-commit", "husky", "lefthook")
NODE_PROGRAMS = Path(os.environ.get("GIT_SPACY_TEST_HOOK_MANAGERS", "/no/such/folder"))
# the orders in which both are there at once; tests/setup has them all
OVERLAPPING = [order for order in ORDERS if order[1] in ("ours", "theirs")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a user's own hook, which counts its runs."""

    made = ordinary(tmp_path / "project")
    write(made, {".git/hooks/pre-commit*": COUNT})
    return made


@pytest.fixture(params=TOOLS)
def tool(
    request: pytest.FixtureRequest, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The name of a hook manager, which is installed and configured, but not active yet."""

    name: str = request.param
    if name == "pre-commit":
        pytest.importorskip("pre_commit")
        monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit-home"))
    else:
        if not (NODE_PROGRAMS / name).exists():
            pytest.skip(f"{name} is not installed")
        monkeypatch.setenv("PATH", f"{NODE_PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    return name


def run(root: Path, *words: str) -> None:
    subprocess.run(words, cwd=root, check=True, capture_output=True)


def install(root: Path, tool: str) -> None:
    if tool == "pre-commit":
        write(root, {".pre-commit-config.yaml": PRE_COMMIT})
        git(root, "add", ".pre-commit-config.yaml")
        run(root, sys.executable, "-m", "pre_commit", "install")
    elif tool == "husky":
        run(root, "husky")
        write(root, {".husky/pre-commit": "true\n"})
    else:
        write(root, {"lefthook.yml": LEFTHOOK})
        run(root, "lefthook", "install")


def remove(root: Path, tool: str) -> None:
    if tool == "pre-commit":
        run(root, sys.executable, "-m", "pre_commit", "uninstall")
    elif tool == "husky":
        git(root, "config", "--unset", "core.hooksPath")
    else:
        run(root, "lefthook", "uninstall")


@pytest.mark.parametrize("order", OVERLAPPING, ids=" ".join)
def test_nothing_that_ran_stops_running_and_no_commit_fails_in_any_order(
    root: Path, spacy: Spacy, tool: str, order: tuple[str, ...]
) -> None:
    installed = False
    for step in order:
        if step == "ours":
            assert spacy("init", "hooks", "--yes", cwd=root).code == 0
        elif step == "-ours":
            done = spacy("init", "--undo", "--yes", cwd=root)
            assert done.code == 0, done.err
        else:
            installed = step == "theirs"
            (install if installed else remove)(root, tool)
        if tool == "pre-commit" and (root / ".pre-commit-config.yaml").exists():
            git(root, "add", ".pre-commit-config.yaml")  # which pre-commit insists on
        expected = 1 if not installed or tool == "pre-commit" else 0
        assert runs_of_own_hook(root) == expected, step
    assert (root / ".git/hooks/pre-commit").read_text() == COUNT
    assert "spacy" not in (root / ".git/config").read_text()


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_stale_lock_is_refused_once_init_says_that_it_is_set_up(
    root: Path, spacy: Spacy, tool: str, first: str
) -> None:
    if first == "ours":
        assert spacy("init", "--yes", cwd=root).code == 0
    install(root, tool)
    assert spacy("init", "--yes", cwd=root).code == 0
    assert spacy("init", "--yes", cwd=root).err == "already set up; nothing to do\n"
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    path = (
        SHORT_PATH if tool == "pre-commit" else f"{os.environ['PATH'].split(':')[0]}:{SHORT_PATH}"
    )
    good = commit(root, PATH=path)
    assert good.code == 0, good.out + good.err
    make_stale(root)
    bad = commit(root, PATH=path)
    assert bad.code == 1
    assert "error: 'prepare': script changed" in bad.out + bad.err
