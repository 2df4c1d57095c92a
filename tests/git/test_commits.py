"""Where a project was before its folder was renamed, also if Git does not see project.yml renamed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_spacy.git.commits import former_folders
from git_spacy.git.repository import Repository
from tests.testing.repositories import commit, git, repository, write

SCRIPT = "".join(f"print({number})\n" for number in range(20))
FILES = {
    "project.yml": "title: a\n", "scripts/run.py": SCRIPT, "data/in.txt": SCRIPT.upper(),
    "data/.gitkeep": "",
}  # fmt: skip


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return repository(tmp_path / "r", {f"p/{name}": text for name, text in FILES.items()})


def move(top: Path, old: str, new: str, title: str = "other: b\n", stage: bool = False) -> None:
    """Move the files of a project, and edit project.yml so much that Git sees no rename of it."""

    (top / new).mkdir(parents=True, exist_ok=True)
    for path in (top / old).iterdir():
        if path.name not in (".git", new.partition("/")[0]):
            shutil.move(path, top / new)
    write(top / new, {"project.yml": title})
    git(top, "add", "-A")
    if not stage:
        git(top, "commit", "-qm", f"move {old} to {new}")


def former(top: Path, folder: str) -> list[str]:
    file = f"{folder}/project.yml" if folder else "project.yml"
    return former_folders(Repository.require(top), file)


def test_a_folder_is_known_by_its_other_files_if_git_sees_no_rename_of_project_yml(
    top: Path,
) -> None:
    move(top, "p", "q", stage=True)
    assert former(top, "q") == ["p"], "not committed yet"
    git(top, "commit", "-qm", "rename")
    assert former(top, "q") == ["p"]
    move(top, "q", "deep/er", "third: c\n")
    git(top, "mv", "deep", "deeper")  # which Git sees
    git(top, "commit", "-qm", "rename the parent")
    commit(top, {"deeper/er/scripts/run.py": "other"})
    assert former(top, "deeper/er") == ["deep/er", "q", "p"]
    move(top, "deeper", "p", "fourth: d\n")
    assert former(top, "p/er") == ["deeper/er", "deep/er", "q", "p"]


def test_a_project_that_is_moved_from_or_to_the_top_is_known(top: Path) -> None:
    move(top, "p", "")
    assert former(top, "") == ["p"]
    move(top, "", "q", "third: c\n")
    assert former(top, "q") == ["", "p"]


def test_a_project_that_moves_back_is_not_its_own_former_folder(top: Path) -> None:
    move(top, "p", "q")
    move(top, "q", "p", "third: c\n")
    assert former(top, "p") == ["q", "p"]
    write(top, {f"q/{name}": text for name, text in FILES.items()})
    git(top, "add", "-A")
    git(top, "commit", "-qm", "a new project in the old folder")
    assert former(top, "p") == ["q", "p"]
    assert former(top, "q") == []


def test_a_project_in_the_old_folder_of_another_one_has_its_own_past(top: Path) -> None:
    git(top, "mv", "p", "q")  # which Git sees
    git(top, "commit", "-qm", "rename")
    write(top, {f"x/{name}": f"{text}# 2\n" for name, text in FILES.items()})
    git(top, "add", "-A")
    git(top, "commit", "-qm", "another project")
    move(top, "x", "p", "of x\n")
    assert former(top, "p") == ["x"]
    assert former(top, "q") == ["p"]


def test_nothing_is_claimed_of_a_copy_a_rewrite_or_unrelated_projects(top: Path) -> None:
    shutil.copytree(top / "p", top / "copy")
    commit(top, {"copy/project.yml": "other: b\n"})
    assert former(top, "copy") == []
    shutil.rmtree(top / "copy")
    rewritten = {name: "all new\n" for name in FILES if name != "data/.gitkeep"}
    commit(top, {f"copy/{name}": text for name, text in rewritten.items()} | {"copy/.gitkeep": ""})
    git(top, "mv", "copy/.gitkeep", "copy/data/.gitkeep")
    git(top, "rm", "-rq", "p")
    git(top, "commit", "-qm", "one project is removed")
    assert former(top, "copy") == []
    move(top, "copy", "next")
    write(top, {"next/scripts/run.py": "another\n", "next/data/in.txt": "another\n"})
    git(top, "add", "-A")
    git(top, "commit", "-q", "--amend", "-m", "moved, and all files but an empty one edited")
    assert former(top, "next") == []


def test_of_a_project_that_is_split_only_the_larger_part_was_the_whole(top: Path) -> None:
    commit(top, {"p/scripts/more.py": SCRIPT.title()})
    for name, old in (("a/scripts/run.py", "p/scripts/run.py"), ("b/data/in.txt", "p/data/in.txt")):
        (top / name).parent.mkdir(parents=True)
        git(top, "mv", old, name)
    git(top, "mv", "p/scripts/more.py", "a/scripts/more.py")
    git(top, "rm", "-rq", "p")
    write(top, {"a/project.yml": "name: 1\n", "b/project.yml": "part: 2\n"})
    git(top, "add", "-A")
    git(top, "commit", "-qm", "split")
    assert former(top, "a") == ["p"]
    assert former(top, "b") == []
