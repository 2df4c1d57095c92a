"""The user's settings agree with git, and the table of settings is complete."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import git_spacy
from git_spacy.errors import InvalidInput
from git_spacy.git.repository import Repository
from git_spacy.git.settings import (
    ALL_SETTINGS,
    SettingValue,
    boolean,
    find_problems,
    find_setting,
    number,
    read_entries,
    read_settings,
)
from tests.testing.repositories import git, repository

PACKAGE = Path(git_spacy.__file__).parent


@pytest.mark.usefixtures("backend")
def test_settings_from_all_configuration_files_are_read(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    git(root, "config", "--global", "spacy.Repo", "https://example.com/global")
    git(root, "config", "--global", "spacy.idleTimeout", "5")
    git(root, "config", "spacy.repo", "https://example.com/local")
    git(root, "config", "spacy.one.URL", "s3://Bucket")
    with open(root / ".git/config", "a") as file:
        file.write("[spacy]\n\tbare\n")
    assert read_settings(root) == {
        "spacy.repo": "https://example.com/local",
        "spacy.idletimeout": "5",
        "spacy.one.url": "s3://Bucket",
        "spacy.bare": "true",
    }
    assert read_settings(tmp_path) == {
        "spacy.repo": "https://example.com/global",
        "spacy.idletimeout": "5",
    }


def test_settings_on_the_command_line_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'spacy.repo'='https://example.com/once'")
    assert read_settings(tmp_path) == {"spacy.repo": "https://example.com/once"}


def test_settings_in_a_hook_are_those_of_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r", {"sub/file": ""})
    git(root, "config", "spacy.repo", "mine")
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_DIR", ".git")
    assert read_settings(root / "sub") == {"spacy.repo": "mine"}


def test_invalid_configuration_file_is_reported(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    (root / ".git/config").write_text("[spacy\n")
    with pytest.raises(InvalidInput, match="config"):
        read_settings(root)


@pytest.mark.parametrize("text", ["true", "Yes", "ON", "1", "17"])
def test_words_for_true(text: str) -> None:
    assert boolean({"spacy.allowlocalpath": text}, "spacy.allowLocalPath") is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0", ""])
def test_words_for_false(text: str) -> None:
    assert boolean({"spacy.notes": text}, "spacy.notes") is False


def test_error_for_an_invalid_boolean_names_the_setting() -> None:
    with pytest.raises(InvalidInput, match="perhaps") as caught:
        boolean({"spacy.allowlocalpath": "perhaps"}, "spacy.allowLocalPath")
    assert str(caught.value).startswith("git config spacy.allowLocalPath: error: ")


def test_sizes_have_the_suffixes_of_git() -> None:
    assert number({"spacy.maxassetsize": "2k"}, "spacy.maxAssetSize") == 2048
    assert number({}, "spacy.timeout") == 30
    assert number({}, "spacy.maxAssetSize") == 0
    with pytest.raises(InvalidInput, match="'many' is not a size") as caught:
        number({"spacy.maxassetsize": "many"}, "spacy.maxAssetSize")
    assert str(caught.value).startswith("git config spacy.maxAssetSize: error: ")


def test_zero_jobs_is_invalid() -> None:
    with pytest.raises(InvalidInput, match="'0' is not a number"):
        number({"spacy.jobs": "0"}, "spacy.jobs")


def test_entries_have_their_scope_and_file(tmp_path: Path, sealed: Path) -> None:
    root = repository(tmp_path / "r")
    git(root, "config", "--global", "spacy.jobs", "2")
    git(root, "config", "spacy.jobs", "4")
    assert read_entries(root) == [
        SettingValue("spacy.jobs", "2", "global", f"file:{sealed}/.gitconfig"),
        SettingValue("spacy.jobs", "4", "local", "file:.git/config"),
    ]


def test_table_lists_exactly_the_settings_that_are_read() -> None:
    read = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "settings.py" or "templates" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read |= set(re.findall(r"^spacy\.[a-z]\w*$", node.value))
    assert read == {setting.name for setting in ALL_SETTINGS if "*" not in setting.name}


def test_remote_with_any_name_is_a_setting() -> None:
    found = find_setting("spacy.remote.My.Backup.url")
    assert found is not None
    assert found.name == "spacy.remote.*.url"
    assert find_setting("spacy.remote.url") is None


def test_all_problems_are_reported_with_a_hint() -> None:
    problems = find_problems(
        [
            SettingValue("spacy.note", "false"),
            SettingValue("spacy.jobs", "many"),
            SettingValue("spacy.restore", "true"),
            SettingValue("spacy.allowlocalpath", "perhaps"),
        ]
    )
    assert list(map(str, problems)) == [
        "git config spacy.note: warning: unknown setting\nhint: did you mean 'spacy.notes'?",
        "git config spacy.jobs: warning: 'many' is not a number\nhint: git config spacy.jobs 1",
        "git config spacy.allowLocalPath: warning: 'perhaps' is neither true nor false\n"
        "hint: git config spacy.allowLocalPath true",
    ]


def test_every_default_is_a_valid_value() -> None:
    assert (
        find_problems(SettingValue(one.name, one.default) for one in ALL_SETTINGS if one.default)
        == []
    )


@pytest.mark.parametrize("with_git", [True, False])
def test_settings_of_the_repository_override_those_of_the_user(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    root = repository(tmp_path / "r")
    git(root, "config", "--global", "spacy.repo", "https://one")
    git(root, "config", "--global", "spacy.allowLocalPath", "yes")
    git(root, "config", "spacy.repo", "https://two")
    git(root, "config", "spacy.remote.Main.url", "s3://x")
    if not with_git:
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    found = read_settings(root)
    assert found["spacy.repo"] == "https://two"
    assert found["spacy.remote.Main.url"] == "s3://x"
    assert boolean(found, "spacy.allowLocalPath")
    assert "user.name" not in found


def test_global_settings_apply_outside_a_repository(tmp_path: Path, sealed: Path) -> None:
    git(tmp_path, "config", "--global", "spacy.repo", "https://one")
    assert read_settings(tmp_path) == {"spacy.repo": "https://one"}


def test_reading_settings_starts_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    real = subprocess.Popen

    def counted(*arguments: object, **more: object) -> object:
        started.append(arguments)
        return real(*arguments, **more)  # type: ignore[call-overload]

    root = repository(tmp_path / "r")
    monkeypatch.setattr(subprocess, "Popen", counted)
    read_settings(root)
    Repository.discover(root)
    assert len(started) == 1


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("2k", 2048), ("1G", 1 << 30)])
def test_numbers_have_the_suffixes_of_git(text: str, value: int) -> None:
    assert number({"spacy.maxassetsize": text}, "spacy.maxAssetSize") == value


def test_error_for_an_invalid_value_names_the_setting() -> None:
    with pytest.raises(InvalidInput, match=r"git config spacy\.allowLocalPath"):
        boolean({"spacy.allowlocalpath": "perhaps"}, "spacy.allowLocalPath")
    with pytest.raises(InvalidInput, match=r"git config spacy\.timeout"):
        number({"spacy.timeout": "soon"}, "spacy.timeout")
