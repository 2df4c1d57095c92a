"""`git spacy doctor`: what it finds, how it prints that, and that its hints work."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy.setup import doctor
from tests.setup.conftest import KINDS, programs
from tests.test_file_locks import remove_locks
from tests.testing.projects import Spacy, snapshot, two_steps
from tests.testing.repositories import git, repository, write

__all__ = ["programs"]
Rows = dict[str, dict[str, str]]


@pytest.fixture
def root(tmp_path: Path, programs: Path, spacy: Spacy) -> Path:
    """A clone in which everything is set up, and committed."""

    root = KINDS["ordinary"](tmp_path / "p")
    assert spacy("init", "--yes", cwd=root).code == 0
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "set up")
    return root


def examined(spacy: Spacy, folder: Path, *options: str) -> tuple[int, Rows]:
    done = spacy("doctor", "--json", *options, cwd=folder)
    assert done.err == ""
    return done.code, {check["name"]: check for check in json.loads(done.out)["checks"]}


def problems(spacy: Spacy, folder: Path, *options: str) -> Rows:
    """Return the problems, and check that they decide the exit code."""

    code, rows = examined(spacy, folder, *options)
    found = {name: row for name, row in rows.items() if row["state"] == "problem"}
    assert code == (1 if found else 0)
    return found


def test_a_clone_that_is_set_up_has_no_problem_and_nothing_changes(
    root: Path, spacy: Spacy
) -> None:
    before = snapshot(root)
    code, rows = examined(spacy, root)
    assert code == 0, rows
    assert {row["state"] for row in rows.values()} == {"ok"}
    assert {*rows} == {
        "git", "python", "git-spacy", "git-spacy-hook", "repository", "notes", "merge", "ignore",
        "hooks", "settings", "project", "project.lock", "scripts", "state", "file locks",
        "run cache",
    }  # fmt: skip
    assert snapshot(root) == before
    assert git(root, "status", "--porcelain") == ""
    done = spacy("doctor", cwd=root / "scripts")
    assert done.err == "everything is set up\n"
    assert max(map(len, done.out.splitlines())) <= 80


def unset_driver(root: Path) -> None:
    git(root, "config", "--unset", "merge.spacy-lock.driver")


def other_driver(root: Path) -> None:
    git(root, "config", "merge.spacy-lock.driver", "/nowhere/git-spacy lock merge-driver %O %A %B")


def no_attribute(root: Path) -> None:
    git(root, "rm", "-q", ".gitattributes")


def no_rewrite(root: Path) -> None:
    git(root, "config", "--unset-all", "notes.rewriteRef")


def no_ignore(root: Path) -> None:
    (root / ".gitignore").unlink()


def removed_hook(root: Path) -> None:
    (root / ".git/hooks/pre-commit").unlink()


def unexecutable_hook(root: Path) -> None:
    (root / ".git/hooks/pre-commit").chmod(0o644)


def other_hooks_path(root: Path) -> None:
    git(root, "config", "core.hooksPath", ".githooks")


def incomplete_cache(root: Path) -> None:
    store = root / ".git/spacy/store"
    next(path for path in (store / "objects").rglob("*") if path.is_file()).unlink()


BREAKERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    function.__name__: (name, function)
    for name, function in (
        ("merge", unset_driver),
        ("merge", other_driver),
        ("merge", no_attribute),
        ("notes", no_rewrite),
        ("ignore", no_ignore),
        ("hooks", removed_hook),
        ("hooks", unexecutable_hook),
        ("hooks", other_hooks_path),
        ("run cache", incomplete_cache),
    )
}


@pytest.mark.parametrize("broken", BREAKERS)
def test_the_hint_of_a_problem_works_when_typed(root: Path, spacy: Spacy, broken: str) -> None:
    """The hint is typed where the user stands: in a subfolder."""

    name, break_it = BREAKERS[broken]
    assert spacy("run", "all", "--force", "--restore", cwd=root).code == 0  # fills the cache
    break_it(root)
    here = root / "scripts"
    found = problems(spacy, here)
    assert set(found) == {name}, found
    for line in found[name]["hint"].splitlines():
        done = subprocess.run(line, shell=True, cwd=here, check=False, capture_output=True)
        assert done.returncode in (0, 1), done.stderr  # `cache verify` says what it has removed
    assert problems(spacy, here) == {}


def test_hooks_of_pre_commit_must_be_installed_in_each_clone(
    tmp_path: Path, spacy: Spacy, programs: Path
) -> None:
    root = KINDS["with_pre_commit"](tmp_path / "p")
    assert spacy("init", "--yes", cwd=root).code == 0
    found = problems(spacy, root)
    assert found["hooks"]["hint"] == "pre-commit install"
    write(root / ".git/hooks", {"pre-commit*": "#!/bin/sh\nexec something-else\n"})
    found = problems(spacy, root)
    assert found["hooks"]["detail"].startswith("'.git/hooks/pre-commit' does not run pre-commit")
    assert found["hooks"]["hint"] == "pre-commit install"
    write(root / ".git/hooks", {"pre-commit*": "#!/bin/sh\nexec pre-commit hook-impl\n"})
    assert problems(spacy, root) == {}


def test_programs_that_are_not_found_are_problems(
    root: Path, spacy: Spacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join(("/usr/bin", "/bin")))
    found = problems(spacy, root)  # hooks and merge driver know where git-spacy-hook is
    assert set(found) == {"git-spacy"}
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere/python"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "elsewhere/git-spacy")])
    assert {"git-spacy", "git-spacy-hook", "merge"} <= set(problems(spacy, root))


def test_without_git_the_rest_is_examined(tmp_path: Path, spacy: Spacy, no_git: Path) -> None:
    found = problems(spacy, two_steps(tmp_path / "p"))
    assert found["git"]["detail"] == "git not found on the PATH"
    assert found["git"]["hint"] == "install git"
    assert "project" not in found


@pytest.mark.parametrize(
    ("version", "state"),
    [("2.29.9", "problem"), ("2.30.0", "ok"), ("3.0.1.windows.1", "ok"), ("1.99", "problem")],
)
def test_the_version_of_git_must_be_recent_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    write(tmp_path / "bin", {"git*": f"#!/bin/sh\necho 'git version {version} (Vendor Git-1)'\n"})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (result,) = doctor._git(doctor.Clone(tmp_path, None, None, os.environ, network=False))
    assert result.state == state
    assert result.detail.startswith(version)


def test_outside_a_repository_and_a_project_it_says_so_and_examines_the_rest(
    tmp_path: Path, spacy: Spacy, programs: Path
) -> None:
    code, rows = examined(spacy, tmp_path)
    assert code == 0
    assert {name for name, row in rows.items() if row["state"] == "warning"} == {
        "repository", "project",
    }  # fmt: skip
    assert rows["repository"]["hint"] == "git init"
    assert {"git", "settings", "state", "run cache"} <= set(rows)


def test_in_a_repository_with_several_projects_the_steps_of_all_are_examined(
    tmp_path: Path, spacy: Spacy, programs: Path
) -> None:
    root = KINDS["several"](tmp_path / "r")
    assert set(problems(spacy, root)) == {"notes", "merge", "ignore", "hooks"}
    assert spacy("init", "--yes", cwd=root).code == 0
    assert problems(spacy, root) == {}
    assert problems(spacy, root / "deep/two") == {}


@pytest.mark.parametrize(
    ("file", "content", "name"),
    [
        ("project.lock", "<<<<<<< ours\n", "project.lock"),
        ("project.lock", "- 1\n", "project.lock"),
        ("project.yml", "commands: 1\n", "project"),
        ("project.yml", "\tx", "project"),
    ],
)
def test_invalid_files_are_problems_with_their_place(
    root: Path, spacy: Spacy, file: str, content: str, name: str
) -> None:
    write(root, {file: content})
    found = problems(spacy, root)
    assert file in found[name]["detail"]


def test_remotes_are_examined_without_the_network(root: Path, spacy: Spacy, tmp_path: Path) -> None:
    git(root, "remote", "add", "origin", "https://127.0.0.1:9/nowhere.git")
    for name, url in {
        "default": str(tmp_path / "new"), "far": "s3://bucket/x", "odd": "gopher://x/y",
    }.items():  # fmt: skip
        git(root, "config", f"spacy.remote.{name}.url", url)
    _, rows = examined(spacy, root)
    assert rows["remote 'default'"]["state"] == "warning"
    assert rows["remote 'odd'"]["state"] == "problem"
    assert "unsupported" in rows["remote 'odd'"]["detail"]
    assert rows["remote 'far'"]["detail"] == "s3://bucket/x, not contacted (that needs --network)"
    assert rows["notes remote"]["state"] == "ok"
    hint = shlex.split(rows["remote 'default'"]["hint"])
    assert spacy(*hint[2:], cwd=root).code == 0
    _, rows = examined(spacy, root)
    assert rows["remote 'default'"]["state"] == "ok"


def test_with_network_an_unreachable_remote_is_a_problem(root: Path, spacy: Spacy) -> None:
    git(root, "remote", "add", "origin", str(root.parent / "gone"))
    assert problems(spacy, root) == {}
    assert set(problems(spacy, root, "--network")) == {"notes remote"}
    repository(root.parent / "gone")
    assert problems(spacy, root, "--network") == {}


def test_a_python_that_does_not_exist_and_unknown_settings_are_reported(
    root: Path, spacy: Spacy
) -> None:
    git(root, "config", "spacy.python", "/nowhere/python")
    git(root, "config", "spacy.pythn", "x")
    _, rows = examined(spacy, root)
    assert rows["scripts"]["state"] == "problem"
    assert rows["settings"]["state"] == "warning"
    subprocess.run(rows["scripts"]["hint"].splitlines()[0], shell=True, cwd=root, check=True)
    assert problems(spacy, root) == {}


def test_a_file_system_without_locks_is_a_warning(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_locks(monkeypatch, errno.ENOLCK)
    code, rows = examined(spacy, root)
    assert (code, rows["file locks"]["state"]) == (0, "warning")


def test_one_cause_is_reported_once(root: Path, spacy: Spacy) -> None:
    (root / ".git/index").write_bytes(b"junk")
    done = spacy("doctor", cwd=root)
    assert done.out.count("index is damaged") == 1
    (hint,) = [line for line in done.out.splitlines() if "hint: " in line]
    subprocess.run(hint.partition("hint: ")[2], shell=True, cwd=root, check=True)
    assert problems(spacy, root) == {}


def test_the_text_has_headings_states_and_hints_on_lines_of_their_own(
    tmp_path: Path, spacy: Spacy, programs: Path
) -> None:
    root = KINDS["ordinary"](tmp_path / "p")
    done = spacy("doctor", cwd=root)
    assert done.code == 1
    lines = done.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "Programs", "Repository", "Project", "Storage",
    ]  # fmt: skip
    assert "    hint: git spacy init hooks --yes" in lines
    assert done.err == "4 problems\n"


def test_what_the_project_says_cannot_control_the_terminal(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    git(root, "config", "spacy.python", "/no\x1b[31m/python")
    done = spacy("doctor", cwd=root)
    assert done.code == 1
    assert "\x1b" not in done.out + done.err


def test_missing_objects_are_a_problem(root: Path, spacy: Spacy) -> None:
    for path in (root / ".git/objects").glob("??/*"):
        path.unlink()
    found = problems(spacy, root)
    assert found["repository"]["hint"] == "git fsck"
