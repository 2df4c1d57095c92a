"""`git spacy` without a command summarizes the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.projects import Spacy, project, seeds, two_steps
from tests.testing.repositories import commit, git, repository

HELP = "For details: git spacy status; for all commands: git spacy -h\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = two_steps(repository(tmp_path / "p", {".gitignore": "/corpus/\n/model/\n"}))
    commit(made, {})
    return made


def test_it_shows_states_and_the_next_step(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert spacy(cwd=root / "scripts") == (
        0,
        "Two steps\n  commands   2 not run\n  workflows  all\nNext: git spacy run all\n" + HELP,
        "",
    )
    spacy("run", "prepare", cwd=root)
    assert "  commands   1 up to date, 1 not run\n" in spacy(cwd=root).out
    spacy("run", "all", cwd=root)
    printed = spacy(cwd=root).out
    assert "  commands   2 up to date\n" in printed
    assert "Next: git add project.lock && git commit\n" in printed
    monkeypatch.chdir(root / "scripts")
    assert "Next: git add ../project.lock && git commit\n" in spacy().out
    monkeypatch.chdir(root)
    commit(root, {})
    assert "Next:" not in spacy(cwd=root).out
    for name in ("project.lock", "project.yml"):
        (root / name).write_text((root / name).read_text() + "\n")
    assert "Next: git add project.yml project.lock && git commit\n" in spacy(cwd=root).out


def test_assets_are_fetched_before_commands_that_depend_on_them(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = project(
        tmp_path,
        "assets: [{dest: a, url: 'https://example.com/a'}, {dest: b}]\n"
        "commands: [{name: c, script: [x], deps: [a], outputs: [y]}]\nworkflows: {all: [c]}\n",
        {"b": "b"},
    )
    assert spacy(cwd=made).out.splitlines() == [
        tmp_path.name,
        "  commands   1 not run",
        "  assets     1 missing, 1 unverified",
        "  workflows  all",
        "Next: git spacy assets && git spacy run all",
        *HELP.splitlines(),
    ]


def test_private_assets_are_added_by_hand_before_the_next_step(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = project(
        tmp_path,
        "assets: [{dest: a}, {dest: b}, {dest: c}, {dest: d}, {dest: e, extra: true}]\n"
        "commands: [{name: use, script: [cp a y], deps: [a], outputs: [y]}]\n"
        "workflows: {all: [use]}\n",
        {"b": "b"},
    )
    for arguments in ([], ["status"]):
        assert "by hand: a, c, d\nNext: git spacy run all\n" in spacy(*arguments, cwd=made).out
    for name in "cd":
        (made / name).write_text(name)
    assert "First, add the private assets by hand: a\n" in spacy(cwd=made).out
    (made / "a").write_text("a")
    assert "by hand" not in spacy(cwd=made).out
    assert spacy("run", "all", cwd=made).code == 0  # what "Next" says
    (made / "c").unlink()
    assert "by hand: c\nFor details" in spacy(cwd=made).out
    text = (made / "project.yml").read_text().replace("{dest: b}", "{dest: b, url: nowhere}")
    (made / "project.yml").write_text(text.replace("e, extra", "f, url: x, extra"))
    (made / "b").unlink()
    assert "by hand: c\nNext: git spacy assets\n" in spacy(cwd=made).out


def test_it_fits_on_one_screen_for_large_projects(tmp_path: Path, spacy: Spacy) -> None:
    names = [f"workflow-number-{number}" for number in range(30)]
    flows = "".join(f"  {name}: [c]\n" for name in names)
    made = project(tmp_path, f"commands: [{{name: c, script: [x]}}]\nworkflows:\n{flows}")
    lines = spacy(cwd=made).out.splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines)


def test_an_empty_project_says_so(tmp_path: Path, spacy: Spacy) -> None:
    assert "project.yml defines nothing yet" in spacy(cwd=project(tmp_path, "title: T\n")).out


def test_above_several_projects_it_lists_them(tmp_path: Path, spacy: Spacy) -> None:
    top = repository(tmp_path / "r")
    seeds(top / "one")
    two_steps(top / "deep/two")
    git(top, "add", "-A")
    assert spacy(cwd=top).out == (
        "2 projects below this folder:\n  deep/two\n  one\nNext: cd deep/two && git spacy\n"
    )


def test_an_invalid_project_yml_is_an_error(tmp_path: Path, spacy: Spacy) -> None:
    done = spacy(cwd=project(tmp_path, "commands: 3\n"))
    assert done.code == 2
    assert done.err.startswith("project.yml:1:1: error: ")


def test_outside_projects_it_prints_the_help(tmp_path: Path, spacy: Spacy) -> None:
    assert spacy(cwd=tmp_path).out == spacy("-h", cwd=tmp_path).out
    assert spacy(cwd=repository(tmp_path / "r")).out.startswith("Usage: git spacy ")
