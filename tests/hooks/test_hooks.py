"""The hooks for Git itself, in real commits: what they refuse, what they chain to, and that the
index stays as it is, byte for byte."""

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
from tests.testing.projects import Done, two_steps
from tests.testing.repositories import GIT, commit, git, repository, write

NAMES = ("pre-commit", "pre-merge-commit", "pre-applypatch")
# Keeps the index as it is before our checks, and after them, where the hook's own name is not
# enough: GIT_INDEX_FILE is what Git will commit.
SPY = """#!/bin/sh
index=${GIT_INDEX_FILE:-$(git rev-parse --git-path index)}
cp "$index" "$SPIED/before-$(basename "$0")"
git-spacy-hook.real "$@"
code=$?
cp "$index" "$SPIED/after-$(basename "$0")"
echo "$PWD" >>"$SPIED/ran"
exit $code
"""


@pytest.fixture
def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a git-spacy-hook that keeps the index as it was before and after."""

    folder = tmp_path / "spied"
    folder.mkdir()
    source = Path(hook.__file__).parents[1]
    real = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{sys.executable}' -c 'import sys; from git_spacy.hook import main; sys.exit(main())' \"$@\"\n"
    write(tmp_path, {"bin/git-spacy-hook*": SPY, "bin/git-spacy-hook.real*": real})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SPIED", str(folder))
    return folder


def installed(top: Path) -> Path:
    git(top, "config", "core.hooksPath", str(scripts_folder()))
    return top


def tried(folder: Path, *arguments: str, **environ: str) -> Done:
    done = subprocess.run(
        (GIT, *arguments), cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, **environ},
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def untouched(spied: Path) -> bool:
    """Whether the checks ran, and left the index byte for byte as it was."""

    return (spied / "ran").exists() and (spied / "before-git-spacy-hook").read_bytes() == (
        spied / "after-git-spacy-hook"
    ).read_bytes()


STALE = "one/project.lock:6:7: error: 'prepare': dependency 'scripts/write.py' changed"
GOOD, BAD = "# fine\n", "import os\n"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return installed(two_projects(tmp_path / "r"))


@pytest.mark.parametrize(
    "words", [["-a"], ["one/README.md", "one/scripts/write.py"], ["--only", "one"], ["-i", "one"]]
)
def test_a_commit_of_what_was_not_staged(top: Path, spied: Path, words: list[str]) -> None:
    """`-a` and a path have an index of their own, that will be committed or thrown away."""

    write(top, {"one/README.md": "text"})
    git(top, "add", "-N", "one/README.md")
    assert tried(top, "commit", "-m", "good", *words).code == 0
    assert untouched(spied)
    write(top, {"one/scripts/write.py": BAD, "README.md": "not part of it"})
    head, index = git(top, "rev-parse", "HEAD"), (top / ".git/index").read_bytes()
    done = tried(top, "commit", "-m", "bad", *words)
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert untouched(spied)
    assert git(top, "rev-parse", "HEAD") == head
    assert (top / ".git/index").read_bytes() == index


def test_a_plain_commit_is_judged_by_what_is_staged(top: Path, spied: Path) -> None:
    write(top, {"one/scripts/write.py": BAD, "README.md": "fine"})
    git(top, "add", "README.md")
    assert tried(top, "commit", "-m", "good").code == 0, "the edit is not staged"
    git(top, "add", "-A")
    done = tried(top, "commit", "-m", "bad")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert untouched(spied)
    assert tried(top, "commit", "--no-verify", "-qm", "bad").code == 0


@pytest.mark.parametrize("name", REFUSED)
def test_each_check_refuses_a_real_commit(top: Path, spied: Path, name: str) -> None:
    change, line = REFUSED[name]
    change(top)
    git(top, "add", "-A")
    done = tried(top, "commit", "-m", "bad")
    assert done.code == 1
    assert line in done.out + done.err
    assert untouched(spied)


def test_a_linked_work_tree(top: Path, spied: Path) -> None:
    git(top, "worktree", "add", "-q", "../linked")
    linked = top.parent / "linked"
    own = (top / ".git/index").read_bytes()
    write(linked, {"README.md": "fine"})
    assert tried(linked, "commit", "-am", "good").code == 0
    write(linked, {"one/scripts/write.py": BAD})
    done = tried(linked / "one", "commit", "-am", "bad")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert untouched(spied)
    assert (top / ".git/index").read_bytes() == own
    assert git(top, "status", "--short") == ""


def test_a_submodule(top: Path, spied: Path, tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(top), "inner")
    commit(outer, {})
    inner = installed(outer / "inner")
    write(inner, {"README.md": "fine"})
    assert tried(inner, "commit", "-am", "good").code == 0
    write(inner, {"one/scripts/write.py": BAD})
    done = tried(inner, "commit", "-am", "bad")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert untouched(spied)


def test_a_rebase(top: Path, spied: Path) -> None:
    """Git asks no hook for what it picks by itself; it does where one edits a commit."""

    for number in range(3):
        write(top, {"README.md": f"{number}"})
        assert tried(top, "commit", "-qam", f"{number}").code == 0
    editor = "sed -i 1s/pick/edit/"
    assert tried(top, "rebase", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR=editor).code == 0
    write(top, {"one/scripts/write.py": BAD})
    done = tried(top, "commit", "--amend", "--no-edit", "-a")
    assert (done.code, STALE in done.out + done.err) == (1, True)
    assert untouched(spied)
    git(top, "checkout", "--", "one")
    write(top, {"notes": "fine"})
    git(top, "add", "notes")
    assert tried(top, "commit", "--amend", "--no-edit").code == 0
    assert untouched(spied)
    assert tried(top, "rebase", "--continue").code == 0
    assert git(top, "status", "--short") == ""
    assert git(top, "log", "-1", "--format=%s") == "2"


def test_a_merge(top: Path, spied: Path) -> None:
    git(top, "switch", "-qc", "other")
    write(top, {"one/scripts/write.py": BAD})
    git(top, "commit", "-q", "--no-verify", "-am", "bad")
    git(top, "switch", "-q", "main")
    write(top, {"README.md": "fine"})
    assert tried(top, "commit", "-qam", "good").code == 0
    done = tried(top, "merge", "--no-edit", "other")
    assert done.code != 0
    assert STALE in done.out + done.err
    assert untouched(spied)


def test_a_patch_that_is_applied(top: Path, spied: Path) -> None:
    write(top, {"one/scripts/write.py": BAD})
    git(top, "commit", "-q", "--no-verify", "-am", "bad")
    patch = git(top, "format-patch", "-1", "--stdout") + "\n"
    git(top, "reset", "-q", "--hard", "HEAD~1")
    (top.parent / "patch").write_text(patch)
    done = tried(top, "am", "../patch")
    assert done.code != 0
    assert STALE in done.out + done.err
    assert untouched(spied)


@pytest.mark.parametrize("name", ["pre-commit", "pre-merge-commit"])
def test_a_hook_that_was_here_before_goes_on_running(top: Path, spied: Path, name: str) -> None:
    """With core.hooksPath, what lies in the repository's own folder."""

    write(top, {f".git/hooks/{name}*": '#!/bin/sh\necho "$0 ran" >&2\nexit ${REFUSE:-0}\n'})
    git(top, "switch", "-qc", "other")
    git(top, "commit", "-q", "--no-verify", "--allow-empty", "-m", "other")
    git(top, "switch", "-q", "main")
    words = {"pre-commit": ["commit", "--allow-empty", "-m", "x"]}.get(
        name, ["merge", "--no-ff", "--no-edit", "other"]
    )
    refused = tried(top, *words, REFUSE="1")
    assert refused.code != 0
    assert "ran" in refused.err
    assert not (spied / "ran").exists(), "what was refused is not checked"
    git(top, "reset", "-q", "--hard")
    done = tried(top, *words)
    assert (done.code, done.err.count(f"hooks/{name} ran")) == (0, 1)
    assert (spied / "ran").exists()


def test_copied_into_the_repository_they_run_what_was_renamed(tmp_path: Path, spied: Path) -> None:
    top = two_projects(tmp_path / "r")
    hooks = top / ".git/hooks"
    write(top, {".git/hooks/pre-commit.before-git-spacy*": "#!/bin/sh\necho first >&2\n"})
    for file in scripts_folder().iterdir():
        shutil.copy(file, hooks)
    done = tried(top, "commit", "--allow-empty", "-m", "good")
    assert (done.code, done.err.count("first")) == (0, 1)
    write(top, {"one/scripts/write.py": BAD})
    assert STALE in "".join(map(str, tried(top, "commit", "-am", "bad")))


def test_without_git_spacy_it_says_what_to_do(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("git", "sh", "dirname", "basename"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    done = tried(top, "commit", "--allow-empty", "-m", "x", PATH=str(tools))
    assert done.code == 1
    assert "git-spacy-hook is not on the PATH" in done.err
    assert "--no-verify" in done.err


@pytest.mark.threat("git-environment", commands="run")
def test_a_run_in_a_hook_leaves_its_scripts_out_of_gits_business(
    tmp_path: Path, spied: Path
) -> None:
    """Case 44, the other way round: a script of a project that a hook runs."""

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
    done = tried(top, "commit", "-a", "-m", "x")
    assert done.code == 0, done.err
    assert (top / "elsewhere/.git/config").read_text().endswith("[a]\n\tb = c\n")
    assert "b = c" not in (top / ".git/config").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_they_are_posix(name: str) -> None:
    shipped = scripts_folder()
    for shell in filter(None, map(shutil.which, ("dash", "bash", "busybox"))):
        words = [shell, "sh"] if shell.endswith("busybox") else [shell]
        subprocess.run([*words, "-n", str(shipped / name)], check=True)
        subprocess.run([*words, "-n", str(shipped / "git-spacy-chain")], check=True)
