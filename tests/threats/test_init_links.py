"""`init` only writes where its plan says, and not through committed links."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_spacy.setup import apply
from tests.testing.projects import Spacy, snapshot, two_steps
from tests.testing.repositories import commit, git, repository, write

HUSKY_9 = {".husky/_/pre-commit": "", "core.hooksPath": ".husky/_"}
HUSKY_8 = {".husky/_/husky.sh": "", "core.hooksPath": ".husky"}
TEAM_HOOKS = {".githooks/commit-msg": "", "core.hooksPath": ".githooks"}
# the link, and other files and settings of the repository
LINKS: list[tuple[str, dict[str, str]]] = [
    (".husky/pre-commit", HUSKY_9),
    (".husky/pre-merge-commit", HUSKY_8),
    (".husky", {"core.hooksPath": ".husky/_"}),
    (".pre-commit-config.yaml", {}),
    (".gitattributes", {}),
    (".gitignore", {}),
]


def repository_with(folder: Path, files: dict[str, str]) -> Path:
    root = two_steps(folder)
    git(repository(root), "branch", "-m", "main")
    write(root, {name: text for name, text in files.items() if name != "core.hooksPath"})
    if path := files.get("core.hooksPath"):
        git(root, "config", "core.hooksPath", path)
    return root


def commit_link(root: Path, name: str, target: Path) -> None:
    """Commit a link to `target`."""

    (root / name).parent.mkdir(exist_ok=True)
    os.symlink(os.path.relpath(target, (root / name).parent), root / name)
    commit(root, {})


@pytest.mark.threat("link-destinations", commands="init")
@pytest.mark.parametrize("target", ["profile", "new", "made/.git/config", "made/.git/info/new"])
@pytest.mark.parametrize(("name", "files"), LINKS)
def test_init_does_not_write_through_a_committed_link(
    tmp_path: Path, spacy: Spacy, name: str, files: dict[str, str], target: str
) -> None:
    world = tmp_path / "world"
    root = repository_with(world / "made", files)
    write(world, {"profile": "repos:\n- repo: theirs\n"})
    if name == ".husky":
        target = f"{target}-folder"
        (world / target / "_").mkdir(parents=True)
    commit_link(root, name, world / target)
    before = snapshot(world)
    done = spacy("init", "--yes", cwd=root)
    if name == ".husky" and "/.git/" not in target:
        # hooks outside the repository are still called, like a global folder of hooks
        assert done.code == 0
        assert snapshot(world / target) == {"_/": ""}
        return
    assert done.code == 3, done.err
    assert snapshot(world) == before
    assert spacy("init", "--dry", cwd=root).code == 3


def test_a_link_inside_the_worktree_is_followed_and_shown_as_its_target(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = repository_with(tmp_path / "made", {"shared/attributes": "*.bin binary\n"})
    commit_link(root, ".gitattributes", root / "shared/attributes")
    before = snapshot(root)
    shown = spacy("init", "merge", "--yes", cwd=root)
    assert shown.code == 0
    assert "  shared/attributes\n" in shown.out
    assert ".gitattributes" not in shown.out
    assert "git add shared/attributes" in shown.err
    assert (root / ".gitattributes").is_symlink()
    text = (root / "shared/attributes").read_text()
    assert text == "*.bin binary\nproject.lock merge=spacy-lock\n"
    assert spacy("init", "--undo", "--yes", cwd=root).code == 0
    assert snapshot(root) == before


def test_hooks_are_written_to_a_folder_that_the_user_linked_into_the_worktree(
    tmp_path: Path, spacy: Spacy
) -> None:
    """The link is in .git, so it cannot have been committed."""

    root = repository_with(tmp_path / "made", {"team/hooks/commit-msg": ""})
    shutil.rmtree(root / ".git/hooks")
    os.symlink("../team/hooks", root / ".git/hooks")
    done = spacy("init", "hooks", "--yes", cwd=root)
    assert done.code == 0
    assert "  team/hooks/pre-commit (new, 31 lines)\n" in done.out
    assert os.access(root / "team/hooks/pre-commit", os.X_OK)


def test_hooks_outside_the_repository_still_run_and_are_not_changed(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = repository_with(tmp_path / "made", {})
    write(tmp_path / "own", {"pre-commit*": "#!/bin/sh\n"})
    git(root, "config", "core.hooksPath", str(tmp_path / "own"))
    before = snapshot(tmp_path / "own")
    assert spacy("init", "hooks", "--yes", cwd=root).code == 0
    assert snapshot(tmp_path / "own") == before
    assert (
        str(tmp_path / "own") in (root / ".git/spacy/hooks/pre-commit.before-git-spacy").read_text()
    )


@pytest.mark.threat("link-destinations", commands="init")
@pytest.mark.parametrize("name", [".gitattributes", ".gitignore"])
def test_undo_does_not_write_through_a_new_link(tmp_path: Path, spacy: Spacy, name: str) -> None:
    world = tmp_path / "world"
    root = repository_with(world / "made", {})
    assert spacy("init", "--yes", cwd=root).code == 0
    os.rename(root / name, world / "outside")
    commit_link(root, name, world / "outside")
    before = snapshot(world)
    assert spacy("init", "--undo", "--yes", cwd=root).code == 3
    assert snapshot(world) == before


def test_undo_does_not_remove_files_through_a_folder_that_became_a_link(
    tmp_path: Path, spacy: Spacy
) -> None:
    world = tmp_path / "world"
    root = repository_with(world / "made", TEAM_HOOKS)
    assert spacy("init", "hooks", "--yes", cwd=root).code == 0
    os.rename(root / ".githooks", world / "outside")
    commit_link(root, ".githooks", world / "outside")
    before = snapshot(world)
    assert spacy("init", "--undo", "--yes", cwd=root).code == 3
    assert snapshot(world) == before


@pytest.mark.parametrize("name", [".gitattributes", ".githooks/pre-commit", ".githooks"])
def test_a_link_created_between_plan_and_execution_is_not_followed(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world = tmp_path / "world"
    root = repository_with(world / "made", {})
    git(root, "config", "core.hooksPath", ".githooks")
    (root / ".githooks").mkdir()
    (world / "outside").mkdir()
    real = apply.apply

    def apply_after_link(*arguments: object) -> None:
        if name == ".githooks":
            (root / name).rmdir()
        os.symlink(world / "outside" / ("" if name == ".githooks" else "new"), root / name)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(apply, "apply", apply_after_link)
    assert spacy("init", "--yes", cwd=root).code == 3
    assert list((world / "outside").iterdir()) == []


def test_a_committed_link_to_an_endless_device_is_not_read(tmp_path: Path, spacy: Spacy) -> None:
    root = repository_with(tmp_path / "made", TEAM_HOOKS)
    os.symlink("/dev/zero", root / ".githooks/pre-commit")
    commit(root, {})
    assert spacy("init", "hooks", "--yes", cwd=root).code == 0
    assert os.readlink(root / ".githooks/pre-commit.before-git-spacy") == "/dev/zero"
