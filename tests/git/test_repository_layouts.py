"""Repository discovery finds the same folders as git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.git.repository import Repository
from tests.testing.repositories import git, repository


def _folders_from_git(folder: Path) -> tuple[str, str, str]:
    common = git(folder, "rev-parse", "--git-common-dir")
    return (
        git(folder, "rev-parse", "--show-toplevel"),
        git(folder, "rev-parse", "--absolute-git-dir"),
        os.path.realpath(folder / common),
    )


def _discovered_folders(folder: Path) -> tuple[str, str, str]:
    repository = Repository.discover(folder)
    assert repository is not None
    folders = (repository.top, repository.git_dir, repository.common_dir)
    return tuple(os.path.realpath(str(path)) for path in folders)  # type: ignore[return-value]


@pytest.fixture
def layouts(tmp_path: Path) -> dict[str, Path]:
    """An ordinary repository, a linked worktree, a submodule, and a separate Git folder."""

    main = repository(tmp_path / "main", {"sub/deep/file": "x"})
    git(main, "worktree", "add", "-q", str(tmp_path / "linked"))
    inner = repository(tmp_path / "inner")
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
    assert _discovered_folders(layouts[layout]) == _folders_from_git(layouts[layout])


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
    root = repository(tmp_path / "r")
    assert Repository.discover(root) is not None


def test_hook_in_a_linked_worktree_finds_that_worktree(
    layouts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = layouts["linked"]
    expected = _folders_from_git(linked)
    monkeypatch.setenv("GIT_DIR", expected[1])
    assert _discovered_folders(linked) == expected


def test_GIT_DIR_and_GIT_WORK_TREE_are_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    other = tmp_path / "tree"
    other.mkdir()
    monkeypatch.setenv("GIT_DIR", str(root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    found = Repository.discover(tmp_path)
    assert found is not None
    assert found.top == other
