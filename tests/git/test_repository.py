"""Where the user's repository is, compared with what git says of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput, Refused
from git_spacy.git import settings as configured
from git_spacy.git.repository import Repository
from tests.testing.repositories import commit, git
from tests.testing.repositories import repository as make


def as_git_says(folder: Path) -> tuple[Path, Path, Path]:
    def ask(*arguments: str) -> Path:
        return Path(git(folder, "rev-parse", "--path-format=absolute", *arguments))

    return ask("--git-dir"), ask("--git-common-dir"), ask("--show-toplevel")


def test_a_repository_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    made = make(tmp_path / "r")
    (made / "a/b").mkdir(parents=True)
    for folder in (made, made / "a/b"):
        found = Repository.discover(folder)
        assert found is not None
        assert tuple(found) == as_git_says(folder)
        assert found.git_path("spacy/index") == made / ".git/spacy/index"


def test_a_linked_work_tree_has_its_own_place_and_shares_the_rest(tmp_path: Path) -> None:
    made = make(tmp_path / "r")
    git(made, "worktree", "add", "-q", str(tmp_path / "linked"))
    found = Repository.discover(tmp_path / "linked")
    assert found is not None
    assert tuple(found) == as_git_says(tmp_path / "linked")
    asked = git(tmp_path / "linked", "rev-parse", "--git-path", "spacy/index")
    assert found.git_path("spacy/index") == Path(asked)


def test_a_submodule_has_its_own_place(tmp_path: Path) -> None:
    inner = make(tmp_path / "inner")
    outer = make(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    found = Repository.discover(outer / "sub")
    assert found is not None
    assert tuple(found) == as_git_says(outer / "sub")


def test_a_bare_repository_is_refused_unless_it_is_named_and_a_plain_folder_is_none(
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


def test_git_dir_of_a_hook_in_a_submodule_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = make(tmp_path / "inner", {"a/b": "x"})
    outer = make(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    expected = as_git_says(outer / "sub")
    monkeypatch.setenv("GIT_DIR", str(outer / ".git/modules/sub"))
    monkeypatch.chdir(outer / "sub")
    for folder in (outer / "sub", outer / "sub/a"):
        found = Repository.discover(folder)
        assert found is not None
        assert tuple(found) == expected


def test_git_dir_of_a_hook_in_a_linked_work_tree_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path / "r")
    linked = tmp_path / "linked"
    git(made, "worktree", "add", "-q", str(linked))
    monkeypatch.setenv("GIT_DIR", str(made / ".git/worktrees/linked"))
    found = Repository.discover(linked)
    assert found is not None
    assert found.top == linked
    assert found.common_dir == made / ".git"


@pytest.mark.parametrize("with_git", [True, False])
def test_settings_are_the_users_and_the_repositorys_and_the_nearer_wins(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    made = make(tmp_path / "r")
    git(made, "config", "--global", "spacy.repo", "https://one")
    git(made, "config", "--global", "spacy.allowLocalPath", "yes")
    git(made, "config", "spacy.repo", "https://two")
    git(made, "config", "spacy.remote.Main.url", "s3://x")
    if not with_git:
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    found = configured.settings(made)
    assert found["spacy.repo"] == "https://two"
    assert found["spacy.remote.Main.url"] == "s3://x"
    assert configured.boolean(found, "spacy.allowLocalPath")
    assert "user.name" not in found


def test_settings_are_found_outside_a_repository_too(tmp_path: Path, sealed: Path) -> None:
    git(tmp_path, "config", "--global", "spacy.repo", "https://one")
    assert configured.settings(tmp_path) == {"spacy.repo": "https://one"}


def test_asking_for_the_settings_starts_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    real = subprocess.Popen

    def counted(*arguments: object, **more: object) -> object:
        started.append(arguments)
        return real(*arguments, **more)  # type: ignore[call-overload]

    made = make(tmp_path / "r")
    monkeypatch.setattr(subprocess, "Popen", counted)
    configured.settings(made)
    Repository.discover(made)
    assert len(started) == 1


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("2k", 2048), ("1G", 1 << 30)])
def test_a_number_is_read_as_git_reads_it(text: str, value: int) -> None:
    assert configured.number({"spacy.maxassetsize": text}, "spacy.maxAssetSize") == value


def test_a_setting_that_is_no_such_value_names_its_key() -> None:
    with pytest.raises(InvalidInput, match=r"git config spacy\.allowLocalPath"):
        configured.boolean({"spacy.allowlocalpath": "perhaps"}, "spacy.allowLocalPath")
    with pytest.raises(InvalidInput, match=r"git config spacy\.timeout"):
        configured.number({"spacy.timeout": "soon"}, "spacy.timeout")


def test_commit_helper_keeps_the_tree_clean(tmp_path: Path) -> None:
    made = make(tmp_path / "r")
    commit(made, {"a": "b"})
    assert git(made, "status", "--porcelain") == ""
