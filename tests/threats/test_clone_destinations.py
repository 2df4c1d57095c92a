"""A template lands nowhere that Git reads as its own, and nowhere that a committed link chooses
(issue 17, A3)."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.testing.projects import Spacy, snapshot, two_steps
from tests.testing.repositories import git, repository, write

TEMPLATE = {"project.yml": "title: t\n", "config": "[core]\n\tfsmonitor = touch ran\n", "HEAD": "x"}
SPELLINGS = [
    ".git", ".GIT", ".git.", ".git ", "git~1", "GIT~2", ".git::$INDEX_ALLOCATION", ".g\u200cit",
    ".git/hooks", "new/.git/hooks", "new/.GIT", ".git/../.git/x", ".git\\hooks",
]  # fmt: skip


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return repository(tmp_path / "template", TEMPLATE)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Where the user stands: an empty folder."""

    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.mark.threat("link-destinations", commands="clone")
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a repository"])
@pytest.mark.parametrize("dest", SPELLINGS)
def test_a_destination_in_any_spelling_of_git_s_folder_is_refused(
    template: Path, empty: Path, spacy: Spacy, dest: str, inside: bool
) -> None:
    if inside:
        repository(empty)
    before = snapshot(empty)
    done = spacy("clone", template, dest, cwd=empty)
    assert done.code == 3, done.err
    assert done.err.startswith("error: ")
    assert "another" in done.err.splitlines()[1]
    assert snapshot(empty) == before


@pytest.mark.parametrize(
    "name", [".git.git", ".GIT.git", ".git..git", "git~1.git", "..git", "...git", ".git"]
)
def test_a_name_derived_from_an_address_is_refused_where_it_is_not_an_ordinary_one(
    template: Path, empty: Path, spacy: Spacy, name: str
) -> None:
    served = template.parent / "served" / name
    git(template.parent, "clone", "-q", "--bare", str(template), str(served))
    done = spacy("clone", served, cwd=empty)
    assert done.code == 3, done.err
    assert f"git spacy clone {shlex.quote(str(served))} DEST" in done.err
    assert list(empty.iterdir()) == []
    assert not (empty.parent / "project.yml").exists()
    assert spacy("clone", served, "dest", cwd=empty).code == 0
    assert (empty / "dest/project.yml").is_file()


@pytest.mark.parametrize(
    "address",
    [
        "https://host.invalid/owner/.git", "https://host.invalid/owner/..git",
        "https://host.invalid/owner/.", "https://host.invalid/owner/..",
        "https://host.invalid/owner/name//.", "https://host.invalid/owner/name//a/..",
        "git@host.invalid:.git",
    ],
)  # fmt: skip
def test_an_address_that_ends_in_dots_names_no_folder(
    empty: Path, spacy: Spacy, address: str
) -> None:
    done = spacy("clone", address, cwd=empty)
    assert done.code == 3, done.err
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("name", [".git", "GIT~1"])
def test_a_folder_of_a_repository_that_is_called_like_git_s_own_is_refused(
    template: Path, empty: Path, spacy: Spacy, name: str
) -> None:
    assert spacy("clone", f"{template}//{name}", cwd=empty).code == 3
    assert spacy("clone", name, "--repo", template, cwd=empty).code == 3
    assert list(empty.iterdir()) == []


def test_an_empty_destination_is_refused(empty: Path, spacy: Spacy) -> None:
    assert spacy("clone", "ner_fashion", "", cwd=empty).code == 3
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("start", [".git", ".git/hooks", "link", "bare.git", "gitdir"])
def test_nothing_is_cloned_into_a_repository_s_own_folder_that_one_stands_in(
    template: Path, tmp_path: Path, spacy: Spacy, start: str
) -> None:
    made = repository(tmp_path / "made")
    (made / "link").symlink_to(".git/hooks")
    git(tmp_path, "clone", "-q", "--bare", str(template), str(made / "bare.git"))
    git(made, "init", "-q", f"--separate-git-dir={made / 'gitdir'}", "other")
    before = snapshot(made)
    assert spacy("clone", template, "new", cwd=made / start).code == 3
    assert snapshot(made) == before


@pytest.mark.threat("link-destinations", commands="clone")
@pytest.mark.parametrize("target", ["..", "../outside", ".git", ".git/info"])
@pytest.mark.parametrize("dest", ["link/new", "link/a/new", "folder/link/new"])
def test_a_link_in_a_work_tree_does_not_choose_where_a_template_lands(
    template: Path, tmp_path: Path, spacy: Spacy, target: str, dest: str
) -> None:
    made = repository(tmp_path / "world/made")
    write(tmp_path / "world/outside", {"kept": ""})
    where = made / dest.partition("link")[0]
    where.mkdir(exist_ok=True)
    (where / "link").symlink_to(os.path.relpath(made / target, where))
    before = snapshot(tmp_path / "world")
    done = spacy("clone", template, dest, cwd=made)
    assert done.code == 3, done.err
    assert snapshot(tmp_path / "world") == before
    outer, _, name = dest.rpartition("/")
    if "/a" not in outer:
        done = spacy("clone", template, name, cwd=made / outer)
        assert done.code == 3, done.err
        assert snapshot(tmp_path / "world") == before


@pytest.mark.parametrize("dest", [".github", ".gitlab", ".git-templates", "git", "a.git"])
def test_a_folder_that_only_looks_like_git_s_own_is_fine(
    template: Path, empty: Path, spacy: Spacy, dest: str
) -> None:
    assert spacy("clone", template, dest, cwd=empty).code == 0
    assert (empty / dest / "project.yml").is_file()


def test_the_user_s_own_link_outside_of_any_work_tree_may_be_followed(
    template: Path, tmp_path: Path, empty: Path, spacy: Spacy
) -> None:
    (tmp_path / "disk").mkdir()
    (empty / "link").symlink_to(tmp_path / "disk")
    assert spacy("clone", template, "link/new", cwd=empty).code == 0
    assert (tmp_path / "disk/new/project.yml").is_file()


@pytest.mark.threat("link-destinations", commands="document graph schema")
@pytest.mark.parametrize("command", [("graph", "--format", "dot"), ("schema",), ("document",)])
@pytest.mark.parametrize(
    "to", [".git/hooks/pre-commit", "../.git/x", "link", "../top", "git~1", "../folder/x"]
)
def test_a_generated_file_is_not_written_where_git_or_a_committed_link_leads(
    tmp_path: Path, spacy: Spacy, command: tuple[str, ...], to: str
) -> None:
    made = two_steps(repository(tmp_path / "world/made") / "project")
    write(tmp_path / "world", {"profile": "theirs\n", "home/x": "theirs\n"})
    (made / "link").symlink_to("../../profile")
    (made.parent / "top").symlink_to("../profile")
    (made.parent / "folder").symlink_to("../home")
    before = snapshot(tmp_path / "world")
    done = spacy(*command, "-o", to, "--force", cwd=made)
    assert done.code == 3, done.err
    assert snapshot(tmp_path / "world") == before
