"""Clones and generated files are never written into `.git` or through a committed link."""

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
    """An empty folder, as the current folder."""

    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.mark.threat("link-destinations", commands="clone")
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a repository"])
@pytest.mark.parametrize("dest", SPELLINGS)
def test_destination_in_any_spelling_of_git_folder_is_refused(
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
def test_unsafe_default_destination_is_refused_with_a_hint(
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
def test_address_that_ends_in_dots_is_refused(empty: Path, spacy: Spacy, address: str) -> None:
    done = spacy("clone", address, cwd=empty)
    assert done.code == 3, done.err
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("name", [".git", "GIT~1"])
def test_template_folder_with_a_name_of_git_is_refused(
    template: Path, empty: Path, spacy: Spacy, name: str
) -> None:
    assert spacy("clone", f"{template}//{name}", cwd=empty).code == 3
    assert spacy("clone", name, "--repo", template, cwd=empty).code == 3
    assert list(empty.iterdir()) == []


def test_empty_destination_is_refused(empty: Path, spacy: Spacy) -> None:
    assert spacy("clone", "ner_fashion", "", cwd=empty).code == 3
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("start", [".git", ".git/hooks", "link", "bare.git", "gitdir"])
def test_clone_inside_a_git_folder_is_refused(
    template: Path, tmp_path: Path, spacy: Spacy, start: str
) -> None:
    root = repository(tmp_path / "root")
    (root / "link").symlink_to(".git/hooks")
    git(tmp_path, "clone", "-q", "--bare", str(template), str(root / "bare.git"))
    git(root, "init", "-q", f"--separate-git-dir={root / 'gitdir'}", "other")
    before = snapshot(root)
    assert spacy("clone", template, "new", cwd=root / start).code == 3
    assert snapshot(root) == before


@pytest.mark.threat("link-destinations", commands="clone")
@pytest.mark.parametrize("target", ["..", "../outside", ".git", ".git/info"])
@pytest.mark.parametrize("dest", ["link/new", "link/a/new", "folder/link/new"])
def test_committed_link_in_the_destination_is_refused(
    template: Path, tmp_path: Path, spacy: Spacy, target: str, dest: str
) -> None:
    root = repository(tmp_path / "world/root")
    write(tmp_path / "world/outside", {"kept": ""})
    folder = root / dest.partition("link")[0]
    folder.mkdir(exist_ok=True)
    (folder / "link").symlink_to(os.path.relpath(root / target, folder))
    before = snapshot(tmp_path / "world")
    done = spacy("clone", template, dest, cwd=root)
    assert done.code == 3, done.err
    assert snapshot(tmp_path / "world") == before
    outer, _, name = dest.rpartition("/")
    if "/a" not in outer:
        done = spacy("-C", root / outer, "clone", template, name)
        assert done.code == 3, done.err
        assert snapshot(tmp_path / "world") == before


@pytest.mark.parametrize("dest", [".github", ".gitlab", ".git-templates", "git", "a.git"])
def test_destination_that_only_resembles_git_folder_is_allowed(
    template: Path, empty: Path, spacy: Spacy, dest: str
) -> None:
    assert spacy("clone", template, dest, cwd=empty).code == 0
    assert (empty / dest / "project.yml").is_file()


def test_link_outside_of_any_worktree_is_followed(
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
def test_generated_file_is_not_written_to_git_folder_or_through_a_link(
    tmp_path: Path, spacy: Spacy, command: tuple[str, ...], to: str
) -> None:
    root = two_steps(repository(tmp_path / "world/root") / "project")
    write(tmp_path / "world", {"profile": "theirs\n", "home/x": "theirs\n"})
    (root / "link").symlink_to("../../profile")
    (root.parent / "top").symlink_to("../profile")
    (root.parent / "folder").symlink_to("../home")
    before = snapshot(tmp_path / "world")
    done = spacy(*command, "-o", to, "--force", cwd=root)
    assert done.code == 3, done.err
    assert snapshot(tmp_path / "world") == before
