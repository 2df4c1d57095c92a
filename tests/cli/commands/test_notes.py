"""`git spacy notes` shares run records between two clones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.testing.projects import Spacy, two_steps
from tests.testing.repositories import commit, git, repository


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of a project and, beside them, their bare remote."""

    seed = two_steps(tmp_path / "seed")
    repository(seed, {".gitignore": "corpus/\nmodel/\nproject.lock\n"})
    git(tmp_path, "clone", "-q", "--bare", "seed", "remote.git")
    for name in ("ann", "bob"):
        git(tmp_path, "clone", "-q", "remote.git", name)
    return tmp_path / "ann", tmp_path / "bob"


def commands(spacy: Spacy, folder: Path) -> list[str]:
    found = json.loads(spacy("log", "--json", cwd=folder).out)
    return sorted(run["command"] for entry in found for run in entry["runs"])


def test_run_records_are_shared_between_clones(clones: tuple[Path, Path], spacy: Spacy) -> None:
    ann, bob = clones
    spacy("run", "all", cwd=ann)
    done = spacy("notes", "push", cwd=ann)
    assert (done.code, done.out) == (0, "")
    assert done.err == "pushed 2 records to origin\n"
    spacy("run", "prepare", "--vars.word", "bob", cwd=bob)
    assert commands(spacy, bob) == ["prepare"]
    assert spacy("notes", "pull", cwd=bob).err == "pulled 2 records from origin\n"
    assert commands(spacy, bob) == ["prepare", "prepare", "train"]
    assert spacy("notes", "push", "origin", cwd=bob).err == "pushed 1 record to origin\n"
    assert spacy("notes", "push", cwd=bob).err == "nothing to push: origin is up to date\n"
    spacy("notes", "pull", cwd=ann)
    assert (
        spacy("notes", "pull", cwd=ann).err == "nothing to pull: already up to date with origin\n"
    )
    assert commands(spacy, ann) == ["prepare", "prepare", "train"]


def test_the_status_names_the_commands_to_run(clones: tuple[Path, Path], spacy: Spacy) -> None:
    ann, bob = clones
    spacy("run", "all", cwd=ann)
    spacy("notes", "push", cwd=ann)
    spacy("run", "prepare", cwd=bob)
    done = spacy("notes", "status", cwd=bob)
    assert done.out.splitlines() == [
        "1 record on 1 commit",
        "1 to push to origin: git spacy notes push",
        "2 to pull from origin: git spacy notes pull",
        "records do not follow amended and rebased commits: git spacy init notes",
    ]
    found = json.loads(spacy("notes", "status", "--json", cwd=bob).out)
    assert (found["remote"], found["ahead"], found["behind"]) == ("origin", 1, 2)
    git(bob, "config", "notes.rewriteRef", "refs/notes/spacy")
    for command in ("pull", "push"):
        spacy("notes", command, cwd=bob)
    assert spacy("notes", "status", cwd=bob).out.splitlines() == [
        "3 records on 1 commit", "up to date with origin"
    ]  # fmt: skip


def test_an_unreachable_remote_is_compared_as_of_the_last_fetch(
    clones: tuple[Path, Path], spacy: Spacy
) -> None:
    ann, _ = clones
    spacy("run", "all", cwd=ann)
    (ann.parent / "remote.git").rename(ann.parent / "gone.git")
    done = spacy("notes", "status", cwd=ann)
    assert done.code == 0
    assert "warning: git fetch origin: " in done.err
    assert "2 to push to origin: git spacy notes push" in done.out
    assert spacy("notes", "status", "--no-fetch", cwd=ann).err == ""
    failed = spacy("notes", "push", cwd=ann)
    assert failed.code == 4
    assert "git fetch origin: " in failed.err


def test_the_status_names_commits_that_no_branch_reaches(
    clones: tuple[Path, Path], spacy: Spacy
) -> None:
    ann, _ = clones
    git(ann, "checkout", "-q", "-b", "work")
    gone = commit(ann, {"README.md": "work"})
    spacy("run", "prepare", cwd=ann)
    git(ann, "checkout", "-q", "main")
    git(ann, "branch", "-q", "-D", "work")
    printed = spacy("notes", "status", cwd=ann).out
    assert "records on 1 commit that no branch or tag reaches" in printed
    assert gone[:7] in printed


@pytest.mark.parametrize("command", ["push", "pull"])
def test_without_a_remote_the_error_says_how_to_add_one(
    tmp_path: Path, spacy: Spacy, command: str
) -> None:
    made = two_steps(tmp_path / "r")
    repository(made)
    done = spacy("notes", command, cwd=made)
    assert done.code == 2
    assert "git remote add origin URL" in done.err
    assert "no remote to share them with" in spacy("notes", "status", cwd=made).out


def test_it_works_in_a_bare_repository_named_by_git_dir(
    clones: tuple[Path, Path], spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = clones
    spacy("run", "prepare", cwd=ann)
    spacy("notes", "push", cwd=ann)
    bare = ann.parent / "remote.git"
    assert spacy("notes", "status", cwd=bare).code == 3
    monkeypatch.setenv("GIT_DIR", str(bare))  # as git --git-dir sets it
    assert spacy("notes", "status", cwd=bare).out.splitlines()[0] == "1 record on 1 commit"
    assert "prepare" in spacy("log", cwd=bare).out
    assert "prepare" in spacy("show", cwd=bare).out


def test_a_misspelt_subcommand_is_an_error(clones: tuple[Path, Path], spacy: Spacy) -> None:
    done = spacy("notes", "psuh", cwd=clones[0])
    assert done.code == 2
    assert "psuh" in done.err
