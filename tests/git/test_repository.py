"""Repository discovery finds the same folders as git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import Refused
from git_spacy.git.repository import Repository
from tests.testing.repositories import commit, git
from tests.testing.repositories import repository as make


def folders_from_git(folder: Path) -> tuple[Path, Path, Path]:
    def absolute_path(*arguments: str) -> Path:
        return Path(git(folder, "rev-parse", "--path-format=absolute", *arguments))

    return (
        absolute_path("--git-dir"),
        absolute_path("--git-common-dir"),
        absolute_path("--show-toplevel"),
    )


@pytest.fixture
def layouts(tmp_path: Path) -> dict[str, Path]:
    """An ordinary repository, a linked worktree, a submodule, and a separate Git folder."""

    main = make(tmp_path / "main", {"sub/deep/file": "x"})
    git(main, "worktree", "add", "-q", str(tmp_path / "linked"))
    inner = make(tmp_path / "inner")
    git(main, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "module")
    git(tmp_path, "init", "-q", "--separate-git-dir", "elsewhere.git", "apart")
    return {
        "ordinary": main,
        "subfolder": main / "sub/deep",
        "linked": tmp_path / "linked",
        "submodule": main / "module",
        "separate": tmp_path / "apart",
    }


@pytest.mark.parametrize("layout", ["ordinary", "subfolder", "linked", "submodule", "separate"])
def test_discover_finds_the_same_folders_as_git(layouts: dict[str, Path], layout: str) -> None:
    found = Repository.discover(layouts[layout])
    assert found is not None
    assert tuple(found) == folders_from_git(layouts[layout])


@pytest.mark.parametrize("layout", ["ordinary", "linked", "submodule", "separate"])
def test_git_path_is_the_same_as_in_git(layouts: dict[str, Path], layout: str) -> None:
    folder = layouts[layout]
    found = Repository.discover(folder)
    assert found is not None
    expected = git(folder, "rev-parse", "--git-path", "spacy/index")
    assert os.path.realpath(found.git_path("spacy/index")) == os.path.realpath(folder / expected)


def test_discover_returns_none_outside_a_repository(tmp_path: Path) -> None:
    assert Repository.discover(tmp_path) is None


@pytest.mark.usefixtures("no_git")
def test_discover_starts_no_process(tmp_path: Path) -> None:
    root = make(tmp_path / "r")
    assert Repository.discover(root) is not None


def test_hook_in_a_linked_worktree_finds_that_worktree(
    layouts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = layouts["linked"]
    expected = folders_from_git(linked)
    monkeypatch.setenv("GIT_DIR", str(expected[0]))
    found = Repository.discover(linked)
    assert found is not None
    assert tuple(found) == expected


def test_GIT_DIR_and_GIT_WORK_TREE_are_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "r")
    other = tmp_path / "tree"
    other.mkdir()
    monkeypatch.setenv("GIT_DIR", str(root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    found = Repository.discover(tmp_path)
    assert found is not None
    assert found.top == other


def test_bare_repository_is_refused_unless_GIT_DIR_names_it(
    tmp_path: Path,
) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    (tmp_path / "bare.git/below").mkdir()
    for folder in (tmp_path / "bare.git", tmp_path / "bare.git/below"):
        with pytest.raises(Refused, match="bare repository"):
            Repository.discover(folder)
        with pytest.raises(subprocess.CalledProcessError):
            git(folder, "-c", "safe.bareRepository=explicit", "rev-parse", "--git-dir")
    named = {"GIT_DIR": str(tmp_path / "bare.git")}
    found = Repository.discover(tmp_path, named)
    assert found is not None
    assert (found.git_dir, found.top) == (tmp_path / "bare.git", None)
    (tmp_path / "plain").mkdir()
    assert Repository.discover(tmp_path / "plain") is None


def test_GIT_DIR_of_a_hook_in_a_submodule_is_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = make(tmp_path / "inner", {"a/b": "x"})
    outer = make(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    expected = folders_from_git(outer / "sub")
    monkeypatch.setenv("GIT_DIR", str(outer / ".git/modules/sub"))
    monkeypatch.chdir(outer / "sub")
    for folder in (outer / "sub", outer / "sub/a"):
        found = Repository.discover(folder)
        assert found is not None
        assert tuple(found) == expected


def test_commit_helper_keeps_the_tree_clean(tmp_path: Path) -> None:
    root = make(tmp_path / "r")
    commit(root, {"a": "b"})
    assert git(root, "status", "--porcelain") == ""
