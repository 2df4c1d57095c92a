"""Where a repository is, and its settings, compared with what git itself says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.errors import Malformed
from git_spacy.git.repository import Repository, boolean, number, settings
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


@pytest.mark.usefixtures("backend")
def test_settings_of_all_files_in_one_answer(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    git(made, "config", "--global", "spacy.Repo", "https://example.com/global")
    git(made, "config", "--global", "spacy.idleTimeout", "5")
    git(made, "config", "spacy.repo", "https://example.com/local")
    git(made, "config", "spacy.one.URL", "s3://Bucket")
    with open(made / ".git/config", "a") as file:
        file.write("[spacy]\n\tbare\n")
    assert settings(made) == {
        "spacy.repo": "https://example.com/local",
        "spacy.idletimeout": "5",
        "spacy.one.url": "s3://Bucket",
        "spacy.bare": "true",
    }
    assert settings(tmp_path) == {
        "spacy.repo": "https://example.com/global",
        "spacy.idletimeout": "5",
    }


def test_settings_hold_those_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'spacy.repo'='https://example.com/once'")
    assert settings(tmp_path) == {"spacy.repo": "https://example.com/once"}


def test_settings_in_a_hook_are_those_of_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r", {"sub/file": ""})
    git(made, "config", "spacy.repo", "mine")
    monkeypatch.chdir(made)
    monkeypatch.setenv("GIT_DIR", ".git")
    assert settings(made / "sub") == {"spacy.repo": "mine"}


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    (made / ".git/config").write_text("[spacy\n")
    with pytest.raises(Malformed, match="config"):
        settings(made)


@pytest.mark.parametrize("text", ["true", "Yes", "ON", "1", "17"])
def test_yes(text: str) -> None:
    assert boolean({"spacy.x": text}, "spacy.X") is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0", ""])
def test_no(text: str) -> None:
    assert boolean({"spacy.x": text}, "spacy.x", True) is False


def test_neither_yes_nor_no_names_the_setting() -> None:
    with pytest.raises(Malformed, match=r"spacy\.allowX") as caught:
        boolean({"spacy.allowx": "perhaps"}, "spacy.allowX")
    assert "perhaps" in str(caught.value)


def test_numbers_have_gits_suffixes() -> None:
    assert number({"spacy.n": "2k"}, "spacy.n", 0) == 2048
    assert number({}, "spacy.n", 7) == 7
    with pytest.raises(Malformed, match=r"spacy\.n"):
        number({"spacy.n": "many"}, "spacy.n", 0)
