"""`git spacy config` shows every setting, its value and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_spacy.git.settings import ALL_SETTINGS
from tests.testing.projects import Spacy
from tests.testing.repositories import git, repository

DOCUMENT = Path(__file__).parents[3] / "docs/reference/settings.md"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = repository(tmp_path / "r")
    git(folder, "config", "--global", "spacy.jobs", "2")
    git(folder, "config", "spacy.jobs", "4")
    git(folder, "config", "--global", "spacy.restore", "yes")
    git(folder, "config", "spacy.remote.Backup.url", "https://me:s3cret@example.com/x")
    return folder


def test_every_setting_is_shown_with_where_its_value_comes_from(
    made: Path, sealed: Path, spacy: Spacy
) -> None:
    done = spacy("config", cwd=made)
    assert (done.code, done.err) == (0, "")
    assert all(len(line) <= 80 for line in done.out.splitlines() if str(sealed) not in line)
    shown = dict(line.split(maxsplit=1) for line in done.out.splitlines() if line[2:3].strip())
    assert shown["spacy.jobs"] == "4 (local .git/config)"
    assert shown["spacy.notes"] == "true (default)"
    assert shown["spacy.repo"] == "(not set)"
    assert shown["spacy.restore"].startswith("yes (global")
    assert shown["spacy.remote.Backup.url"].startswith("https://***@example.com/x")
    assert len(shown) == len(ALL_SETTINGS)


@pytest.mark.usefixtures("backend")
def test_json_has_values_and_descriptions(made: Path, spacy: Spacy) -> None:
    rows = {row["name"]: row for row in json.loads(spacy("config", "--json", cwd=made).out)}
    assert rows["spacy.jobs"]["value"] == "4"
    assert rows["spacy.jobs"]["default"] == "1"
    assert rows["spacy.notes"]["scope"] == "default"
    assert "s3cret" not in str(rows)
    assert all(row["description"] for row in rows.values())


def test_unknown_names_and_bad_values_are_warned_about(made: Path, spacy: Spacy) -> None:
    git(made, "config", "spacy.alowLocalPath", "true")
    git(made, "config", "spacy.timeout", "soon")
    done = spacy("config", cwd=made)
    assert done.code == 0
    assert done.err.splitlines() == [
        "git config spacy.alowlocalpath: warning: unknown setting",
        "hint: did you mean 'spacy.allowLocalPath'?",
        "git config spacy.timeout: warning: 'soon' is not a number",
        "hint: git config spacy.timeout 30",
    ]


def test_an_invalid_value_is_an_error_that_names_the_setting(made: Path, spacy: Spacy) -> None:
    (made / "project.yml").write_text("commands: [{name: c, script: []}]")
    git(made, "config", "spacy.jobs", "many")
    done = spacy("run", "c", cwd=made)
    assert done.code == 2
    assert done.err.startswith("git config spacy.jobs: error: 'many' is not a number\n")


def test_the_reference_lists_every_setting() -> None:
    text = DOCUMENT.read_text()
    missing = [
        setting.name
        for setting in ALL_SETTINGS
        if f"`{setting.name.replace('*', 'NAME')}`" not in text
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("spacy.jobs 3", "to set one: git config spacy.jobs 3"),
        ("--global spacy.jobs 3", "to set one: git config --global spacy.jobs 3"),
        ("spacy.jobs 3 --global", "to set one: git config --global spacy.jobs 3"),
        ("spacy.jobs", "to read one: git config spacy.jobs"),
        ("--global", "to set one: git config --global spacy.NAME VALUE"),
    ],
)
def test_who_wants_to_change_a_setting_is_told_how(
    made: Path, spacy: Spacy, typed: str, hint: str
) -> None:
    done = spacy("config", *typed.split(), cwd=made)
    message = "error: 'git spacy config' only shows the settings"
    assert (done.code, done.out, done.err) == (2, "", f"{message}\nhint: {hint}\n")
    command = hint.partition(": ")[2]
    if "NAME" not in command:
        git(made, *command.split()[1:])
