"""Where a repository is, compared with what git itself says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.git.repository import Repository
from tests.testing.repositories import git, repository


def _as_git_says(folder: Path) -> tuple[str, str, str]:
    common = git(folder, "rev-parse", "--git-common-dir")
    return (
        git(folder, "rev-parse", "--show-toplevel"),
        git(folder, "rev-parse", "--absolute-git-dir"),
        os.path.realpath(folder / common),
    )


def _as_we_say(folder: Path) -> tuple[str, str, str]:
    found = Repository.discover(folder)
    assert found is not None
    return tuple(
        os.path.realpath(str(path)) for path in (found.top, found.git_dir, found.common_dir)
    )  # type: ignore[return-value]


@pytest.fixture
def layouts(tmp_path: Path) -> dict[str, Path]:
    """An ordinary repository, a linked work tree, a submodule, a separate Git folder."""

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
def test_discover_finds_what_git_finds(layouts: dict[str, Path], layout: str) -> None:
    assert _as_we_say(layouts[layout]) == _as_git_says(layouts[layout])


@pytest.mark.parametrize("layout", ["ordinary", "linked", "submodule", "separate"])
def test_git_path_is_where_git_would_keep_it(layouts: dict[str, Path], layout: str) -> None:
    folder = layouts[layout]
    found = Repository.discover(folder)
    assert found is not None
    told = git(folder, "rev-parse", "--git-path", "spacy/index")
    assert os.path.realpath(found.git_path("spacy/index")) == os.path.realpath(folder / told)


def test_outside_of_any_repository_there_is_none(tmp_path: Path) -> None:
    assert Repository.discover(tmp_path) is None


@pytest.mark.usefixtures("no_git")
def test_discover_starts_no_process(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    assert Repository.discover(made) is not None


def test_a_hook_in_a_linked_work_tree_finds_that_tree(
    layouts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = layouts["linked"]
    expected = _as_git_says(linked)
    monkeypatch.setenv("GIT_DIR", expected[1])
    assert _as_we_say(linked) == expected


def test_GIT_DIR_and_GIT_WORK_TREE_are_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    other = tmp_path / "tree"
    other.mkdir()
    monkeypatch.setenv("GIT_DIR", str(made / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    found = Repository.discover(tmp_path)
    assert found is not None
    assert found.top == other
