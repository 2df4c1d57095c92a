"""Commands where a repository is damaged or foreign, not committed, or without file locks."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy.cli.main import main
from tests.test_file_locks import remove_locks
from tests.testing.projects import CopyOf, Spacy, two_steps
from tests.testing.repositories import commit, git, repository, write

OUTSIDE = "working as outside of a repository"


def ran_project(folder: Path) -> None:
    repository(two_steps(folder))
    assert main(["-C", str(folder), "run", "all"]) == 0
    commit(folder, {}, "run")


@pytest.fixture
def root(tmp_path: Path, copy_of: CopyOf) -> Path:
    return copy_of(ran_project, tmp_path / "p")


def mounted_alone(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").write_text("gitdir: ../.git/modules/p\n")


def pruned_worktree(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").write_text("gitdir: /nowhere/.git/worktrees/p\n")


def empty_gitfile(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").write_text("")


def empty_head(root: Path) -> None:
    (root / ".git/HEAD").write_text("")


def missing_head(root: Path) -> None:
    (root / ".git/HEAD").unlink()


def junk_in_head(root: Path) -> None:
    (root / ".git/HEAD").write_bytes(b"\0" * 20)


def missing_refs(root: Path) -> None:
    git(root, "pack-refs", "--all")
    shutil.rmtree(root / ".git/refs")


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    function.__name__: (file, function)
    for file, function in (
        (".git", mounted_alone),
        (".git", pruned_worktree),
        (".git", empty_gitfile),
        (".git/HEAD", empty_head),
        (".git/HEAD", missing_head),
        (".git/HEAD", junk_in_head),
        (".git/refs", missing_refs),
    )
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_project_whose_repository_git_does_not_find_runs_with_a_warning(
    root: Path, spacy: Spacy, kind: str
) -> None:
    file, damage = DAMAGE[kind]
    damage(root)
    write(root, {"scripts/copy.py": (root / "scripts/copy.py").read_text() + "# edited\n"})
    for words in ("status", "", "run all", "check", "assets", "config", "status --json"):
        done = spacy(*words.split(), cwd=root)
        assert done.code == 0, (words, done)
        assert done.err.startswith(f"{root / file}: warning: "), (words, done.err)
        assert OUTSIDE in done.err
    assert "up to date" in spacy("status", cwd=root).out
    row = next(
        check
        for check in json.loads(spacy("doctor", "--json", cwd=root).out)["checks"]
        if check["name"] == "repository"
    )
    assert (row["state"], str(root / file) in row["detail"]) == ("problem", True)


@pytest.mark.parametrize("kind", [kind for kind, (file, _) in DAMAGE.items() if file != ".git"])
def test_the_hint_repairs_the_repository(root: Path, spacy: Spacy, kind: str) -> None:
    DAMAGE[kind][1](root)
    hint = spacy("status", cwd=root).err.partition("hint: ")[2]
    subprocess.run(hint, shell=True, cwd=root, check=True)
    assert spacy("status", cwd=root).err == ""
    assert git(root, "log", "--format=%s").splitlines()[0] == "run"


@pytest.mark.parametrize(
    "words", ["log", "show", "restore", "ignore", "init --yes", "notes status"]
)
@pytest.mark.parametrize("kind", ["empty_head", "mounted_alone"])
def test_a_command_that_needs_a_repository_does_not_advise_git_init_if_one_is_damaged(
    root: Path, spacy: Spacy, words: str, kind: str
) -> None:
    """`git init` neither repairs HEAD nor replaces a `.git` file."""

    file, damage = DAMAGE[kind]
    damage(root)
    done = spacy(*words.split(), cwd=root)
    assert done.code == 2
    assert f"{root / file}: error: it " in done.err
    assert "git init" not in done.err


def test_the_repository_around_a_broken_submodule_is_not_taken_for_its_own(
    root: Path, spacy: Spacy
) -> None:
    """Git refuses there, too, instead of searching on."""

    inner = two_steps(root / "inner")
    write(inner, {".git": "gitdir: ../.git/modules/inner\n"})
    assert OUTSIDE in spacy("status", cwd=inner).err
    assert not (root / ".git/spacy/projects").exists()


def test_an_empty_folder_with_the_name_of_gits_is_not_damage(
    tmp_path: Path, root: Path, spacy: Spacy
) -> None:
    alone = two_steps(tmp_path / "alone")
    (alone / ".git").mkdir()
    assert spacy("status", cwd=alone).err == ""
    inner = two_steps(root / "inner")
    (inner / ".git").mkdir()
    assert spacy("status", cwd=inner).err == ""


@pytest.mark.parametrize("words", ["run all", "check", "check --staged", "assets", "config"])
def test_a_syntax_error_in_the_configuration_of_git_has_its_file_and_line(
    root: Path, spacy: Spacy, words: str
) -> None:
    """The settings may name the Python of the scripts, so nothing runs without them."""

    with open(root / ".git/config", "a") as file:
        file.write("[bad\n")
    line = len((root / ".git/config").read_text().splitlines())
    done = spacy(*words.split(), cwd=root)
    assert done.code == 2
    assert done.err == (
        f".git/config:{line}: error: Git's configuration has a syntax error\n"
        "hint: correct that line, or remove it\n"
    )
    assert spacy("status", cwd=root).code == 0  # needs no settings


def test_the_hint_for_a_damaged_index_repairs_it(root: Path, spacy: Spacy) -> None:
    (root / ".git/index").write_bytes(b"junk")
    done = spacy("check", cwd=root)
    assert (done.code, "Git's index is damaged" in done.err) == (2, True)
    assert spacy("run", "all", cwd=root).code == 0
    subprocess.run(done.err.partition("hint: ")[2], shell=True, cwd=root / "scripts", check=True)
    assert spacy("check", cwd=root).code == 0


def test_missing_objects_do_not_stop_a_run_and_are_named_by_the_check(
    root: Path, spacy: Spacy
) -> None:
    for path in (root / ".git/objects").glob("??/*"):
        path.unlink()
    assert spacy("run", "all", "--force", cwd=root).code == 0
    done = spacy("check", "--staged", cwd=root)
    assert done.code == 4
    assert "is missing from the repository, or damaged\nhint: git fsck\n" in done.err


EVERY_COMMAND = (
    "",
    "status",
    "run",
    "run all",
    "run all --dry",
    "run prepare --force",
    "check",
    "assets",
    "document",
    "ignore",
    "dvc",
    "graph",
    "schema",
    "resolved",
    "config",
    "cache status",
    "cache verify",
    "cache gc",
    "push ../remote",
    "pull ../remote",
    "lock record all",
    "init --yes",
)
"""`doctor` has a test of its own."""  # fmt: skip


def test_every_command_works_in_a_project_that_is_not_added_to_git_yet(
    tmp_path: Path, spacy: Spacy
) -> None:
    git(tmp_path, "init", "-q", "r")
    for name in ("a", "b"):  # several projects
        assert spacy("clone", "first_steps", name, cwd=tmp_path / "r").code == 0
        for words in EVERY_COMMAND:
            words = words.replace("prepare", "count")
            done = spacy(*words.split(), cwd=tmp_path / "r" / name)
            assert done.code == 0, (words, done)


def test_every_command_works_on_a_file_system_without_locks(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_locks(monkeypatch)
    more = ("log", "show", "restore", "notes status", "lock rebuild", "run all --restore -j 2")
    for words in (*EVERY_COMMAND, *more):
        done = spacy(*words.split(), cwd=root)
        assert done.code == 0, (words, done)
        assert "No locks available" not in done.err
    assert not list(root.parent.rglob("*.held"))
