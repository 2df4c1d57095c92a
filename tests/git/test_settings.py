"""The user's settings, compared with what git itself says of them, and the table of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import git_spacy
from git_spacy.errors import InvalidInput
from git_spacy.git.settings import (
    TABLE,
    SettingValue,
    boolean,
    entries,
    known,
    number,
    problems,
    settings,
)
from tests.testing.repositories import git, repository

PACKAGE = Path(git_spacy.__file__).parent


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
    with pytest.raises(InvalidInput, match="config"):
        settings(made)


@pytest.mark.parametrize("text", ["true", "Yes", "ON", "1", "17"])
def test_yes(text: str) -> None:
    assert boolean({"spacy.allowlocalpath": text}, "spacy.allowLocalPath") is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0", ""])
def test_no(text: str) -> None:
    assert boolean({"spacy.notes": text}, "spacy.notes") is False


def test_neither_yes_nor_no_names_the_setting() -> None:
    with pytest.raises(InvalidInput, match="perhaps") as caught:
        boolean({"spacy.allowlocalpath": "perhaps"}, "spacy.allowLocalPath")
    assert str(caught.value).startswith("git config spacy.allowLocalPath: error: ")


def test_numbers_have_gits_suffixes() -> None:
    assert number({"spacy.maxassetsize": "2k"}, "spacy.maxAssetSize") == 2048
    assert number({}, "spacy.timeout") == 30
    assert number({}, "spacy.maxAssetSize") == 0
    with pytest.raises(InvalidInput, match="'many' is not a size") as caught:
        number({"spacy.maxassetsize": "many"}, "spacy.maxAssetSize")
    assert str(caught.value).startswith("git config spacy.maxAssetSize: error: ")


def test_no_command_at_a_time_is_no_number() -> None:
    with pytest.raises(InvalidInput, match="'0' is not a number"):
        number({"spacy.jobs": "0"}, "spacy.jobs")


def test_each_value_is_told_with_its_scope_and_file(tmp_path: Path, sealed: Path) -> None:
    made = repository(tmp_path / "r")
    git(made, "config", "--global", "spacy.jobs", "2")
    git(made, "config", "spacy.jobs", "4")
    assert entries(made) == [
        SettingValue("spacy.jobs", "2", "global", f"file:{sealed}/.gitconfig"),
        SettingValue("spacy.jobs", "4", "local", "file:.git/config"),
    ]


def test_every_setting_that_is_read_is_in_the_table_and_the_other_way_round() -> None:
    read = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "settings.py" or "templates" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read |= set(re.findall(r"^spacy\.[a-z]\w*$", node.value))
    assert read == {setting.name for setting in TABLE if "*" not in setting.name}


def test_a_remote_of_any_name_is_a_setting() -> None:
    found = known("spacy.remote.My.Backup.url")
    assert found is not None
    assert found.name == "spacy.remote.*.url"
    assert known("spacy.remote.url") is None


def test_what_is_wrong_with_them_is_told_at_once_with_a_suggestion() -> None:
    wrong = problems(
        [
            SettingValue("spacy.note", "false"),
            SettingValue("spacy.jobs", "many"),
            SettingValue("spacy.restore", "true"),
            SettingValue("spacy.allowlocalpath", "perhaps"),
        ]
    )
    assert [(one.location, one.message, one.hint) for one in wrong] == [
        ("git config spacy.note", "git-spacy has no such setting", "did you mean 'spacy.notes'?"),
        ("git config spacy.jobs", "'many' is not a number", "git config spacy.jobs 1"),
        (
            "git config spacy.allowLocalPath", "'perhaps' is neither true nor false",
            "git config spacy.allowLocalPath true",
        ),
    ]  # fmt: skip


def test_every_default_can_be_read() -> None:
    assert problems(SettingValue(one.name, one.default) for one in TABLE if one.default) == []
