"""Every command works in every kind of repository, or says what to do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy.cli.main import main
from tests.testing.projects import Done, Spacy, on_path, two_steps
from tests.testing.repositories import GIT, commit, git, repository, write


class Layout(NamedTuple):
    """A folder to run in, environment variables to set, and options."""

    cwd: Path
    environ: dict[str, str] = {}  # noqa: RUF012
    options: tuple[str, ...] = ()


def make_project(folder: Path) -> Path:
    write(two_steps(folder), {".gitignore": "/corpus/\n/model/\n"})
    return folder


def ordinary(folder: Path) -> Layout:
    return Layout(repository(make_project(folder / "p")))


def subfolder(folder: Path) -> Layout:
    return Layout(repository(make_project(folder / "p")) / "scripts")


def below_the_top(folder: Path) -> Layout:
    make_project(folder / "top/deep/p")
    return Layout(repository(folder / "top") / "deep/p")


def another_folder(folder: Path) -> Layout:
    return Layout(folder, {}, ("-C", str(repository(make_project(folder / "p")))))


def linked(folder: Path) -> Layout:
    main = repository(make_project(folder / "main"))
    git(main, "worktree", "add", "-q", str(folder / "linked"))
    return Layout(folder / "linked")


def submodule(folder: Path) -> Layout:
    inner, outer = repository(make_project(folder / "inner")), repository(folder / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "module")
    git(outer / "module", "remote", "remove", "origin")
    return Layout(outer / "module")


def sha256(folder: Path) -> Layout:
    git(make_project(folder / "p"), "init", "-q", "--object-format=sha256")
    commit(folder / "p", {})
    return Layout(folder / "p")


def without_identity(folder: Path) -> Layout:
    """Neither user.name nor user.email is set."""

    return Layout(repository(make_project(folder / "p")), {"GIT_CONFIG_GLOBAL": os.devnull})


def GIT_DIR(folder: Path) -> Layout:
    return Layout(repository(make_project(folder / "p")), {"GIT_DIR": ".git"})


def GIT_WORK_TREE(folder: Path) -> Layout:
    top = repository(make_project(folder / "p"))
    return Layout(top / "scripts", {"GIT_DIR": str(top / ".git"), "GIT_WORK_TREE": str(top)})


def distant_git_dir(folder: Path) -> Layout:
    """The Git directory is in another folder, as people keep their dotfiles."""

    top = repository(make_project(folder / "p"))
    os.rename(top / ".git", folder / "dots.git")
    return Layout(top, {"GIT_DIR": str(folder / "dots.git"), "GIT_WORK_TREE": str(top)})


def separate(folder: Path) -> Layout:
    make_project(folder / "p")
    git(folder, "init", "-q", "--separate-git-dir", str(folder / "p.git"), "p")
    commit(folder / "p", {})
    return Layout(folder / "p")


def symlinked(folder: Path) -> Layout:
    os.symlink(repository(make_project(folder / "p")), folder / "link")
    return Layout(folder / "link")


def detached(folder: Path) -> Layout:
    git(repository(make_project(folder / "p")), "checkout", "-q", "--detach")
    return Layout(folder / "p")


def without_commits(folder: Path) -> Layout:
    git(make_project(folder / "p"), "init", "-q")
    return Layout(folder / "p")


def owned_by_another_user(folder: Path) -> Layout:
    top = repository(make_project(folder / "p"))
    return Layout(top, {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})


def bare(folder: Path) -> Layout:
    top = repository(make_project(folder / "p"))
    assert main(["-C", str(top), "run", "all"]) == 0
    git(folder, "clone", "-q", "--bare", "p", "p.git")
    git(folder / "p.git", "fetch", "-q", "origin", "refs/notes/*:refs/notes/*")
    git(folder / "p.git", "remote", "remove", "origin")
    return Layout(folder / "p.git")


def no_repository(folder: Path) -> Layout:
    return Layout(make_project(folder / "p"))


LAYOUTS: dict[str, Callable[[Path], Layout]] = {
    made.__name__: made
    for made in (
        ordinary, subfolder, below_the_top, another_folder, linked, submodule, sha256, without_identity,
        GIT_DIR, GIT_WORK_TREE, distant_git_dir, separate, symlinked, detached, without_commits,
        owned_by_another_user, bare, no_repository,
    )
}  # fmt: skip
# In this order; {} is a temporary folder.
COMMANDS = (
    "", "assets", "run all", "status", "check", "log", "log --table", "show", "diff HEAD HEAD",
    "lock record all", "lock rebuild", "lock resolve", "notes status", "notes push", "notes pull",
    "ignore", "document", "graph", "dvc", "schema --stdout", "resolved", "push {}/remote",
    "pull {}/remote", "restore", "cache status", "clean --dry-run", "clone first_steps {}/cloned",
    "init --new {}/new", "init --yes", "init --undo --yes",
)  # fmt: skip
NO_REMOTE = dict.fromkeys(("notes push", "notes pull"), "remote add origin URL")
OF_COMMITS = ("log", "log --table", "show", "diff HEAD HEAD", "lock rebuild", "restore")
OF_GIT = (*OF_COMMITS, "check", "lock resolve", "notes status", "notes push", "notes pull",
          "ignore", "dvc", "init --yes", "init --undo --yes")  # fmt: skip
# Commands that fail in a layout, and the message.
REFUSED = {
    "without_commits": dict.fromkeys(OF_COMMITS, "the repository has no commits yet\nhint: git commit"),
    "owned_by_another_user": dict.fromkeys((*OF_GIT, "clean --dry-run"), "git config --global --add safe.directory "),
    "bare": dict.fromkeys(
        [command for command in COMMANDS if not command.startswith(("clone", "init --new"))],
        "is a bare repository whose configuration may run programs\nhint: change to a clone",
    ),
    "no_repository": dict.fromkeys(
        [command for command in OF_GIT if command not in ("check", "lock resolve", "dvc")], "git init"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_command_works_or_says_what_to_do(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout = LAYOUTS[name](tmp_path / "world")
    for variable, value in layout.environ.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(layout.cwd)
    refused = {**NO_REMOTE, **REFUSED.get(name, {})}
    found = {}
    for command in COMMANDS:
        if name == "owned_by_another_user" and command.startswith(("clone", "init --new")):
            continue  # Git would then reject the repository that was just created.
        done = spacy(*layout.options, *[word.format(tmp_path) for word in command.split()])
        message = refused.get(command)
        is_expected = message in done.err and done.code in (2, 3) if message else done.code == 0
        if not is_expected:
            found[command] = (done.code, done.err)
    assert found == {}


@pytest.mark.parametrize("name", ["another_folder", "distant_git_dir", "linked", "sha256"])
def test_commands_work_when_git_starts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    cwd, environ, options = LAYOUTS[name](tmp_path / "world")
    names = {"GIT_DIR": "--git-dir", "GIT_WORK_TREE": "--work-tree"}
    given = [f"{names[variable]}={value}" for variable, value in environ.items()]

    def by_git(*arguments: str) -> Done:
        done = subprocess.run(
            (GIT, *options, *given, "spacy", *arguments), cwd=cwd, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    assert by_git("run", "all").err.endswith("ran 2, skipped 0\n")
    assert by_git("log").out.count("first run") == 2
    assert by_git("check").code == 0


def test_a_run_in_a_repository_of_another_user_says_why_it_is_not_recorded(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = owned_by_another_user(tmp_path).cwd
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    done = spacy("run", "all", cwd=top)
    assert done.code == 0
    assert "safe.directory" in done.err
