"""`init` writes where the plan says and nowhere else: not through a link that somebody committed
(issue 17, A4)."""

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
OF_THE_TEAM = {".githooks/commit-msg": "", "core.hooksPath": ".githooks"}
# the link, and what the repository has beside it
LINKS: list[tuple[str, dict[str, str]]] = [
    (".githooks/git-spacy-chain", OF_THE_TEAM),
    (".husky/pre-commit", HUSKY_9),
    (".husky/pre-merge-commit", HUSKY_8),
    (".husky", {"core.hooksPath": ".husky/_"}),
    (".pre-commit-config.yaml", {}),
    (".gitattributes", {}),
    (".gitignore", {}),
]


def made_with(folder: Path, beside: dict[str, str]) -> Path:
    made = two_steps(folder)
    git(repository(made), "branch", "-m", "main")
    write(made, {name: text for name, text in beside.items() if name != "core.hooksPath"})
    if path := beside.get("core.hooksPath"):
        git(made, "config", "core.hooksPath", path)
    return made


def link(made: Path, name: str, target: Path) -> None:
    """Commit a link."""

    (made / name).parent.mkdir(exist_ok=True)
    os.symlink(os.path.relpath(target, (made / name).parent), made / name)
    commit(made, {})


@pytest.mark.threat("link-destinations", commands="init")
@pytest.mark.parametrize("target", ["profile", "new", "made/.git/config", "made/.git/info/new"])
@pytest.mark.parametrize(("name", "beside"), LINKS)
def test_init_does_not_write_through_a_committed_link(
    tmp_path: Path, spacy: Spacy, name: str, beside: dict[str, str], target: str
) -> None:
    world = tmp_path / "world"
    made = made_with(world / "made", beside)
    write(world, {"profile": "repos:\n- repo: theirs\n"})
    if name == ".husky":
        target = f"{target}-folder"
        (world / target / "_").mkdir(parents=True)
    link(made, name, world / target)
    before = snapshot(world)
    done = spacy("init", "--yes", cwd=made)
    if name == ".husky" and "/.git/" not in target:
        # what lies elsewhere goes on running and is called, as any global folder of hooks
        assert done.code == 0
        assert snapshot(world / target) == {"_/": ""}
        return
    assert done.code == 3, done.err
    assert snapshot(world) == before
    assert spacy("init", "--dry", cwd=made).code == 3


def test_a_link_that_stays_in_the_work_tree_is_followed_and_shown_as_what_it_leads_to(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = made_with(tmp_path / "made", {"shared/attributes": "*.bin binary\n"})
    link(made, ".gitattributes", made / "shared/attributes")
    before = snapshot(made)
    shown = spacy("init", "merge", "--yes", cwd=made)
    assert shown.code == 0
    assert "  shared/attributes\n" in shown.out
    assert ".gitattributes" not in shown.out
    assert "git add shared/attributes" in shown.err
    assert (made / ".gitattributes").is_symlink()
    text = (made / "shared/attributes").read_text()
    assert text == "*.bin binary\nproject.lock merge=spacy-lock\n"
    assert spacy("init", "--undo", "--yes", cwd=made).code == 0
    assert snapshot(made) == before


def test_a_hooks_folder_that_the_user_linked_into_the_work_tree_is_written_to(
    tmp_path: Path, spacy: Spacy
) -> None:
    """The link lies in .git, where nobody can commit one."""

    made = made_with(tmp_path / "made", {"team/hooks/commit-msg": ""})
    shutil.rmtree(made / ".git/hooks")
    os.symlink("../team/hooks", made / ".git/hooks")
    done = spacy("init", "hooks", "--yes", cwd=made)
    assert done.code == 0
    assert "  team/hooks/pre-commit (new, 3 lines)\n" in done.out
    assert os.access(made / "team/hooks/pre-commit", os.X_OK)


def test_hooks_that_the_user_keeps_elsewhere_go_on_running_and_are_not_changed(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = made_with(tmp_path / "made", {})
    write(tmp_path / "own", {"pre-commit*": "#!/bin/sh\n"})
    git(made, "config", "core.hooksPath", str(tmp_path / "own"))
    before = snapshot(tmp_path / "own")
    assert spacy("init", "hooks", "--yes", cwd=made).code == 0
    assert snapshot(tmp_path / "own") == before
    assert (
        str(tmp_path / "own") in (made / ".git/spacy/hooks/pre-commit.before-git-spacy").read_text()
    )


@pytest.mark.threat("link-destinations", commands="init")
@pytest.mark.parametrize("name", [".gitattributes", ".gitignore"])
def test_undo_does_not_write_through_a_link_that_came_since(
    tmp_path: Path, spacy: Spacy, name: str
) -> None:
    world = tmp_path / "world"
    made = made_with(world / "made", {})
    assert spacy("init", "--yes", cwd=made).code == 0
    os.rename(made / name, world / "outside")
    link(made, name, world / "outside")
    before = snapshot(world)
    assert spacy("init", "--undo", "--yes", cwd=made).code == 3
    assert snapshot(world) == before


def test_undo_removes_nothing_through_a_folder_that_became_a_link(
    tmp_path: Path, spacy: Spacy
) -> None:
    world = tmp_path / "world"
    made = made_with(world / "made", OF_THE_TEAM)
    assert spacy("init", "hooks", "--yes", cwd=made).code == 0
    os.rename(made / ".githooks", world / "outside")
    link(made, ".githooks", world / "outside")
    before = snapshot(world)
    assert spacy("init", "--undo", "--yes", cwd=made).code == 3
    assert snapshot(world) == before


@pytest.mark.parametrize("name", [".gitattributes", ".githooks/git-spacy-chain", ".githooks"])
def test_a_link_that_comes_between_plan_and_deed_is_not_followed(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world = tmp_path / "world"
    made = made_with(world / "made", {})
    git(made, "config", "core.hooksPath", ".githooks")
    (made / ".githooks").mkdir()
    (world / "outside").mkdir()
    real = apply.apply

    def late(*arguments: object) -> None:
        if name == ".githooks":
            (made / name).rmdir()
        os.symlink(world / "outside" / ("" if name == ".githooks" else "new"), made / name)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(apply, "apply", late)
    assert spacy("init", "--yes", cwd=made).code == 3
    assert list((world / "outside").iterdir()) == []


def test_a_committed_link_to_an_endless_device_is_not_read(tmp_path: Path, spacy: Spacy) -> None:
    made = made_with(tmp_path / "made", OF_THE_TEAM)
    os.symlink("/dev/zero", made / ".githooks/pre-commit")
    commit(made, {})
    assert spacy("init", "hooks", "--yes", cwd=made).code == 0
    assert os.readlink(made / ".githooks/pre-commit.before-git-spacy") == "/dev/zero"
