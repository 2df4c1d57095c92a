"""The Git hooks in real commits: what they refuse, which hooks they call, and that they leave the
index byte for byte as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy import hook
from git_spacy.setup.hook_scripts import scripts_folder
from tests.testing.hooks import REFUSED, two_projects
from tests.testing.projects import CopyOf, Done, process, two_steps
from tests.testing.repositories import GIT, commit, git, repository, write

NAMES = ("pre-commit", "pre-merge-commit", "pre-applypatch")
# Copies the index before and after our checks. GIT_INDEX_FILE is the one that Git will commit.
SPY = """#!/bin/sh
index=${GIT_INDEX_FILE:-$(git rev-parse --git-path index)}
cp "$index" "$SPY_FOLDER/before-$(basename "$0")"
git-spacy-hook.real "$@"
code=$?
cp "$index" "$SPY_FOLDER/after-$(basename "$0")"
echo "$PWD" >>"$SPY_FOLDER/ran"
exit $code
"""


@pytest.fixture
def spy_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a git-spacy-hook on the PATH that copies the index before and after; return their folder."""

    folder = tmp_path / "spy"
    folder.mkdir()
    source = Path(hook.__file__).parents[1]
    real = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{sys.executable}' -c 'import sys; from git_spacy.hook import main; sys.exit(main())' \"$@\"\n"
    write(tmp_path, {"bin/git-spacy-hook*": SPY, "bin/git-spacy-hook.real*": real})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SPY_FOLDER", str(folder))
    return folder


def install_hooks(top: Path) -> Path:
    git(top, "config", "core.hooksPath", str(scripts_folder()))
    return top


def run_git(folder: Path, *arguments: str, **environ: str) -> Done:
    completed = subprocess.run(
        (GIT, *arguments), cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, **environ},
    )  # fmt: skip
    return Done(completed.returncode, completed.stdout, completed.stderr)


def short_path(tmp_path: Path) -> str:
    """Return a PATH with git and a few tools, but not git-spacy, like that of a GUI."""

    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("git", "sh", "dirname", "basename", "grep"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    return str(tools)


def index_unchanged(spy_folder: Path) -> bool:
    """Return whether the checks ran and left the index byte for byte as it was."""

    return (spy_folder / "ran").exists() and (
        spy_folder / "before-git-spacy-hook"
    ).read_bytes() == (spy_folder / "after-git-spacy-hook").read_bytes()


STALE = "one/project.lock:6:7: error: 'prepare': dependency 'scripts/write.py' changed"
BAD = "import os\n"


@pytest.fixture
def top(tmp_path: Path, copy_of: CopyOf) -> Path:
    return install_hooks(copy_of(two_projects, tmp_path / "r"))


@pytest.mark.parametrize(
    "arguments",
    [["-a"], ["one/README.md", "one/scripts/write.py"], ["--only", "one"], ["-i", "one"]],
)
def test_a_commit_of_unstaged_files_is_checked(
    top: Path, spy_folder: Path, arguments: list[str]
) -> None:
    """With `-a` or a path, Git uses a temporary index."""

    write(top, {"one/README.md": "text"})
    git(top, "add", "-N", "one/README.md")
    assert run_git(top, "commit", "-m", "good", *arguments).code == 0
    assert index_unchanged(spy_folder)
    write(top, {"one/scripts/write.py": BAD, "README.md": "not part of it"})
    head, index = git(top, "rev-parse", "HEAD"), (top / ".git/index").read_bytes()
    done = run_git(top, "commit", "-m", "bad", *arguments)
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert index_unchanged(spy_folder)
    assert git(top, "rev-parse", "HEAD") == head
    assert (top / ".git/index").read_bytes() == index


def test_a_refused_commit_goes_through_after_its_hint(top: Path, spy_folder: Path) -> None:
    """`git commit FILE` leaves out what was added before; the hint says so."""

    text = (top / "one/project.yml").read_text()
    write(top, {"one/project.yml": text.replace("word: hello", "word: bye")})
    assert process("run", "all", cwd=top / "one").code == 0
    refused = run_git(top / "one", "commit", "-m", "bad", "project.yml")
    assert (refused.code, index_unchanged(spy_folder)) == (1, True)
    assert (refused.out + refused.err).endswith(
        "hint: git add project.lock\n"
        "hint: and commit these together: 'git commit FILE' leaves out other files\n"
    )
    git(top / "one", "add", "project.yml", "project.lock")
    assert run_git(top, "commit", "-m", "good").code == 0


def test_a_plain_commit_is_checked_as_staged(top: Path, spy_folder: Path) -> None:
    write(top, {"one/scripts/write.py": BAD, "README.md": "fine"})
    git(top, "add", "README.md")
    assert run_git(top, "commit", "-m", "good").code == 0, "the edit is not staged"
    git(top, "add", "-A")
    done = run_git(top, "commit", "-m", "bad")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert index_unchanged(spy_folder)
    assert run_git(top, "commit", "--no-verify", "-qm", "bad").code == 0


@pytest.mark.parametrize("name", REFUSED)
def test_each_check_refuses_a_real_commit(top: Path, spy_folder: Path, name: str) -> None:
    change, line = REFUSED[name]
    change(top)
    git(top, "add", "-A")
    done = run_git(top, "commit", "-m", "bad")
    assert done.code == 1
    assert line in done.out + done.err
    assert index_unchanged(spy_folder)


def test_commits_in_a_linked_worktree_are_checked(top: Path, spy_folder: Path) -> None:
    git(top, "worktree", "add", "-q", "../linked")
    linked = top.parent / "linked"
    own = (top / ".git/index").read_bytes()
    write(linked, {"README.md": "fine"})
    assert run_git(linked, "commit", "-am", "good").code == 0
    write(linked, {"one/scripts/write.py": BAD})
    done = run_git(linked / "one", "commit", "-am", "bad")
    assert (done.code, STALE.removeprefix("one/") in done.out + done.err) == (1, True)
    assert index_unchanged(spy_folder)
    assert (top / ".git/index").read_bytes() == own
    assert git(top, "status", "--short") == ""


def test_commits_in_a_submodule_are_checked(top: Path, spy_folder: Path, tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(top), "inner")
    commit(outer, {})
    inner = install_hooks(outer / "inner")
    write(inner, {"README.md": "fine"})
    assert run_git(inner, "commit", "-am", "good").code == 0
    write(inner, {"one/scripts/write.py": BAD})
    done = run_git(inner, "commit", "-am", "bad")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert index_unchanged(spy_folder)


def test_commits_edited_in_a_rebase_are_checked(top: Path, spy_folder: Path) -> None:
    """Git runs no hooks for the commits that it picks, but for those that the user edits."""

    for number in range(3):
        write(top, {"README.md": f"{number}"})
        assert run_git(top, "commit", "-qam", f"{number}").code == 0
    editor = "sed -i 1s/pick/edit/"
    assert run_git(top, "rebase", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR=editor).code == 0
    write(top, {"one/scripts/write.py": BAD})
    done = run_git(top, "commit", "--amend", "--no-edit", "-a")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert index_unchanged(spy_folder)
    git(top, "checkout", "--", "one")
    write(top, {"notes": "fine"})
    git(top, "add", "notes")
    assert run_git(top, "commit", "--amend", "--no-edit").code == 0
    assert index_unchanged(spy_folder)
    assert run_git(top, "rebase", "--continue").code == 0
    assert git(top, "status", "--short") == ""
    assert git(top, "log", "-1", "--format=%s") == "2"


def test_a_merge_is_checked(top: Path, spy_folder: Path) -> None:
    git(top, "switch", "-qc", "other")
    write(top, {"one/scripts/write.py": BAD})
    git(top, "commit", "-q", "--no-verify", "-am", "bad")
    git(top, "switch", "-q", "main")
    write(top, {"README.md": "fine"})
    assert run_git(top, "commit", "-qam", "good").code == 0
    done = run_git(top, "merge", "--no-edit", "other")
    assert done.code != 0
    assert STALE in done.out + done.err
    assert index_unchanged(spy_folder)


def test_a_patch_applied_by_git_am_is_checked(top: Path, spy_folder: Path) -> None:
    write(top, {"one/scripts/write.py": BAD})
    git(top, "commit", "-q", "--no-verify", "-am", "bad")
    patch = git(top, "format-patch", "-1", "--stdout") + "\n"
    git(top, "reset", "-q", "--hard", "HEAD~1")
    (top.parent / "patch").write_text(patch)
    done = run_git(top, "am", "../patch")
    assert done.code != 0
    assert STALE in done.out + done.err
    assert index_unchanged(spy_folder)


@pytest.mark.parametrize("name", ["pre-commit", "pre-merge-commit"])
def test_earlier_hooks_still_run_and_can_refuse(top: Path, spy_folder: Path, name: str) -> None:
    """With core.hooksPath, these are the hooks in the repository's own folder."""

    write(top, {f".git/hooks/{name}*": '#!/bin/sh\necho "$0 ran" >&2\nexit ${REFUSE:-0}\n'})
    git(top, "switch", "-qc", "other")
    git(top, "commit", "-q", "--no-verify", "--allow-empty", "-m", "other")
    git(top, "switch", "-q", "main")
    arguments = {"pre-commit": ["commit", "--allow-empty", "-m", "x"]}.get(
        name, ["merge", "--no-ff", "--no-edit", "other"]
    )
    refused = run_git(top, *arguments, REFUSE="1")
    assert refused.code != 0
    assert "ran" in refused.err
    assert not (spy_folder / "ran").exists(), "what an earlier hook refuses is not checked"
    git(top, "reset", "-q", "--hard")
    done = run_git(top, *arguments)
    assert (done.code, done.err.count(f"hooks/{name} ran")) == (0, 1)
    assert (spy_folder / "ran").exists()


def test_hooks_copied_into_the_repository_run_the_renamed_ones(
    tmp_path: Path, spy_folder: Path, copy_of: CopyOf
) -> None:
    top = copy_of(two_projects, tmp_path / "r")
    hooks = top / ".git/hooks"
    write(top, {".git/hooks/pre-commit.before-git-spacy*": "#!/bin/sh\necho first >&2\n"})
    for file in scripts_folder().iterdir():
        shutil.copy(file, hooks)
    done = run_git(top, "commit", "--allow-empty", "-m", "good")
    assert (done.code, done.err.count("first")) == (0, 1)
    write(top, {"one/scripts/write.py": BAD})
    assert STALE in "".join(map(str, run_git(top, "commit", "-am", "bad")))


def test_without_git_spacy_a_commit_is_made_with_a_warning(top: Path, tmp_path: Path) -> None:
    write(top, {".git/hooks/pre-commit*": "#!/bin/sh\necho theirs >&2\n"})
    done = run_git(top, "commit", "--allow-empty", "-m", "x", PATH=short_path(tmp_path))
    assert done.code == 0
    assert done.err == (
        "theirs\nhint: in the environment of git-spacy, run: git spacy init hooks\n"
        "warning: git-spacy was not found: this commit is not checked\n"
    )


def test_a_program_whose_python_is_gone_is_one_that_was_not_found(
    top: Path, tmp_path: Path
) -> None:
    write(tmp_path, {"venv/git-spacy-hook*": "#!/no/such/python\n"})
    path = f"{tmp_path / 'venv'}:{short_path(tmp_path)}"
    done = run_git(top, "commit", "--allow-empty", "-m", "x", PATH=path)
    assert (done.code, "this commit is not checked" in done.err) == (0, True)


def test_an_interrupted_check_refuses_the_commit(top: Path, tmp_path: Path) -> None:
    write(tmp_path, {"venv/git-spacy-hook*": "#!/bin/sh\nkill -INT $$\n"})
    path = f"{tmp_path / 'venv'}:{short_path(tmp_path)}"
    assert run_git(top, "commit", "--allow-empty", "-m", "x", PATH=path).code != 0


@pytest.mark.threat("git-environment", commands="run")
def test_scripts_run_by_a_hook_do_not_inherit_the_git_environment(
    tmp_path: Path, spy_folder: Path
) -> None:
    top = two_steps(repository(tmp_path / "r"))
    text = (
        (top / "project.yml")
        .read_text()
        .replace(
            '- "python scripts/write.py',
            '- "git init -q elsewhere"\n      - "git -C elsewhere config a.b c"\n      - "python scripts/write.py',
        )
    )
    write(top, {"project.yml": text})
    git(top, "add", "-A")
    source = Path(hook.__file__).parents[1]
    run = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{sys.executable}' -m git_spacy run prepare\n"
    write(top, {".git/hooks/pre-commit*": run})
    done = run_git(top, "commit", "-a", "-m", "x")
    assert done.code == 0, done.err
    assert (top / "elsewhere/.git/config").read_text().endswith("[a]\n\tb = c\n")
    assert "b = c" not in (top / ".git/config").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_hooks_are_posix_shell(name: str) -> None:
    folder = scripts_folder()
    for shell in filter(None, map(shutil.which, ("dash", "bash", "busybox"))):
        command = [shell, "sh"] if shell.endswith("busybox") else [shell]
        subprocess.run([*command, "-n", str(folder / name)], check=True)
