"""Repository discovery and settings agree with git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput, Refused
from git_spacy.git import settings as configured
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


def test_repository_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    root = make(tmp_path / "r")
    (root / "a/b").mkdir(parents=True)
    for folder in (root, root / "a/b"):
        found = Repository.discover(folder)
        assert found is not None
        assert tuple(found) == folders_from_git(folder)
        assert found.git_path("spacy/index") == root / ".git/spacy/index"


def test_linked_worktree_has_its_own_git_path(tmp_path: Path) -> None:
    root = make(tmp_path / "r")
    git(root, "worktree", "add", "-q", str(tmp_path / "linked"))
    found = Repository.discover(tmp_path / "linked")
    assert found is not None
    assert tuple(found) == folders_from_git(tmp_path / "linked")
    expected = git(tmp_path / "linked", "rev-parse", "--git-path", "spacy/index")
    assert found.git_path("spacy/index") == Path(expected)


def test_submodule_has_its_own_git_dir(tmp_path: Path) -> None:
    inner = make(tmp_path / "inner")
    outer = make(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    found = Repository.discover(outer / "sub")
    assert found is not None
    assert tuple(found) == folders_from_git(outer / "sub")


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


def test_GIT_DIR_of_a_hook_in_a_linked_worktree_is_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "r")
    linked = tmp_path / "linked"
    git(root, "worktree", "add", "-q", str(linked))
    monkeypatch.setenv("GIT_DIR", str(root / ".git/worktrees/linked"))
    found = Repository.discover(linked)
    assert found is not None
    assert found.top == linked
    assert found.common_dir == root / ".git"


@pytest.mark.parametrize("with_git", [True, False])
def test_settings_of_the_repository_override_those_of_the_user(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    root = make(tmp_path / "r")
    git(root, "config", "--global", "spacy.repo", "https://one")
    git(root, "config", "--global", "spacy.allowLocalPath", "yes")
    git(root, "config", "spacy.repo", "https://two")
    git(root, "config", "spacy.remote.Main.url", "s3://x")
    if not with_git:
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    found = configured.read_settings(root)
    assert found["spacy.repo"] == "https://two"
    assert found["spacy.remote.Main.url"] == "s3://x"
    assert configured.boolean(found, "spacy.allowLocalPath")
    assert "user.name" not in found


def test_global_settings_apply_outside_a_repository(tmp_path: Path, sealed: Path) -> None:
    git(tmp_path, "config", "--global", "spacy.repo", "https://one")
    assert configured.read_settings(tmp_path) == {"spacy.repo": "https://one"}


def test_reading_settings_starts_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    real = subprocess.Popen

    def counted(*arguments: object, **more: object) -> object:
        started.append(arguments)
        return real(*arguments, **more)  # type: ignore[call-overload]

    root = make(tmp_path / "r")
    monkeypatch.setattr(subprocess, "Popen", counted)
    configured.read_settings(root)
    Repository.discover(root)
    assert len(started) == 1


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("2k", 2048), ("1G", 1 << 30)])
def test_numbers_have_the_suffixes_of_git(text: str, value: int) -> None:
    assert configured.number({"spacy.maxassetsize": text}, "spacy.maxAssetSize") == value


def test_error_for_an_invalid_value_names_the_setting() -> None:
    with pytest.raises(InvalidInput, match=r"git config spacy\.allowLocalPath"):
        configured.boolean({"spacy.allowlocalpath": "perhaps"}, "spacy.allowLocalPath")
    with pytest.raises(InvalidInput, match=r"git config spacy\.timeout"):
        configured.number({"spacy.timeout": "soon"}, "spacy.timeout")


def test_commit_helper_keeps_the_tree_clean(tmp_path: Path) -> None:
    root = make(tmp_path / "r")
    commit(root, {"a": "b"})
    assert git(root, "status", "--porcelain") == ""
