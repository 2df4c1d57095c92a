"""`git spacy update` as a user runs it: from a template's old version to a newer one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.git_server import GitServer
from tests.testing.projects import Spacy, snapshot
from tests.testing.repositories import commit, git, noise, serve, write

PROJECT = """\
title: Fashion
vars:
  lang: en
  seed: 0
directories: [corpus, assets]
commands:
  - name: prepare
    help: Prepare the corpus
    script:
      - "python scripts/prepare.py"
    deps: [scripts/prepare.py]
    outputs: [corpus/train.txt]
workflows:
  all: [prepare]
"""
LINES = "".join(f"line {number}\n" for number in range(1, 31))
FOLDER = "tutorials/fashion"
TRAILER = "--format=%(trailers:key=Template-Commit,valueonly)"


def template(folder: Path, *options: str) -> Path:
    """Create a template repository, in which only one of two folders is the template."""

    folder.mkdir()
    git(folder, "init", "-q", *options)
    files = {"project.yml": PROJECT, "scripts/prepare.py": LINES, "README.md": "# Fashion\n"}
    write(folder, {"other/big.bin": noise(200_000), "other/x.txt": "x\n"})
    commit(folder, {f"{FOLDER}/{name}": text for name, text in files.items()}, "Add the template")
    return folder


def revise(source: Path, subject: str = "Write two files", **files: str) -> str:
    """Commit a new version of the template, by default one that changes several files."""

    changed = {
        "project.yml": PROJECT.replace("[corpus/train.txt]", "[corpus/train.txt, corpus/dev.txt]"),
        "scripts/prepare.py": LINES.replace("line 20\n", "line twenty\n"),
        "scripts/new.py": "new\n",
    }
    changed = files or changed
    return commit(source, {f"{FOLDER}/{name}": text for name, text in changed.items()}, subject)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return template(tmp_path / "source")


@pytest.fixture
def mine(tmp_path: Path, source: Path, spacy: Spacy) -> Path:
    """A project that was cloned from `source`, and has edits of its own."""

    assert spacy("clone", "fashion", "mine", "--repo", source, cwd=tmp_path).code == 0
    edit(tmp_path / "mine", "project.yml", "lang: en", "lang: de")
    return tmp_path / "mine"


def edit(folder: Path, name: str, before: str, after: str) -> str:
    """Replace a text of a file, and commit that."""

    text = (folder / name).read_text()
    assert before in text
    return commit(folder, {name: text.replace(before, after)}, f"Edit {name}")


def state(folder: Path) -> tuple[object, ...]:
    """Return everything that an update that changes nothing must not change."""

    return (
        snapshot(folder),
        git(folder, "for-each-ref"),
        git(folder, "status", "--porcelain", "--ignored"),
        git(folder, "count-objects", "-v"),
    )


def test_the_changes_of_both_sides_are_merged_and_the_version_is_recorded(
    source: Path, mine: Path, spacy: Spacy
) -> None:
    old = git(source, "rev-parse", "HEAD")
    assert spacy("update", cwd=mine).out == f"Up to date with {source}//{FOLDER} at {old[:12]}\n"
    first = revise(source)
    new = commit(source, {"other/x.txt": "y\n"}, "Change something else")
    before = state(mine)

    checked = spacy("update", "--check", cwd=mine)
    assert checked.code == 1
    assert f"Update from {old[:12]} to {new[:12]}: 1 commit of the template" in checked.out
    assert f"\n  {first[:7]} " in checked.out
    assert checked.out.endswith(" Write two files\n")
    shown = spacy("update", "--dry-run", cwd=mine)
    assert shown.code == 0
    assert " scripts/new.py     | 1 +\n" in shown.out
    assert "without conflicts" in shown.err
    assert state(mine) == before

    done = spacy("update", cwd=mine)
    assert done.code == 0, done.err
    assert git(mine, "log", "-1", "--format=%B").rstrip("\n") == (
        "Update from the template fashion\n\n"
        f"1 commit of the template, {old[:12]}..{new[:12]}:\n- Write two files\n\n"
        f"Template: {source}\nTemplate-Commit: {new}\nTemplate-Path: {FOLDER}"
    )
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert git(mine, "log", "-1", "--format=%an %P") == "A U Thor " + git(
        mine, "rev-parse", "HEAD^"
    )
    assert git(mine, "status", "--porcelain") == ""
    text = (mine / "project.yml").read_text()
    assert "lang: de" in text
    assert "corpus/dev.txt" in text
    assert "line twenty" in (mine / "scripts/prepare.py").read_text()
    assert not (mine / "other").exists()
    # the block in .gitignore follows the new project.yml, as `git spacy ignore` would write it
    assert "/corpus/dev.txt\n" in (mine / ".gitignore").read_text()
    assert spacy("ignore", "--check", cwd=mine).code == 0
    assert spacy("update", "--check", cwd=mine).code == 0


@pytest.mark.parametrize("format", ["sha1", "sha256"])
def test_only_the_two_versions_of_the_folder_travel(
    tmp_path: Path, git_server: GitServer, spacy: Spacy, format: str
) -> None:
    source = template(tmp_path / "source", f"--object-format={format}")
    url = git_server.url + serve(source, tmp_path / "served")
    assert spacy("clone", "fashion", "--repo", url, cwd=tmp_path).code == 0
    mine = tmp_path / "fashion"
    revise(source)
    new = commit(source, {"other/more.bin": noise(200_000, 1)}, "Add something else")
    git(source, "push", "-q", str(tmp_path / "served/templates.git"), "HEAD")

    def sent(*arguments: str) -> tuple[int, str]:
        before, git_server.requests = git_server.sent, []
        done = spacy(*arguments, cwd=mine)
        assert "corrupt" not in done.err
        return done.code, f"{git_server.sent - before:09}"

    code, size = sent("update", "--check")
    assert code == 1
    assert int(size) < 10_000
    assert "Write two files" in spacy("update", "--check", cwd=mine).out
    code, size = sent("update")
    assert code == 0
    assert int(size) < 20_000
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert (mine / "scripts/new.py").read_text() == "new\n"
    git(source, "push", "-q", "-f", str(tmp_path / "served/templates.git"), "HEAD~2:main")
    assert spacy("update", "--check", cwd=mine).code == 1  # an older version is another one


def test_a_conflict_is_one_of_git_that_its_own_tools_resolve(
    source: Path, mine: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git mergetool`, `git rerere`, `git cherry-pick --abort` and `--continue` show."""

    git(mine, "config", "rerere.enabled", "true")
    git(mine, "config", "merge.tool", "mine")
    git(mine, "config", "mergetool.mine.cmd", 'cat "$BASE" "$LOCAL" "$REMOTE" > "$MERGED"')
    git(mine, "config", "mergetool.mine.trustExitCode", "true")
    git(mine, "config", "mergetool.keepBackup", "false")
    ours = edit(mine, "scripts/prepare.py", "line 20\n", "line XX\n")
    new = revise(source)
    assert "conflict: scripts/prepare.py\n" in spacy("update", "--dry-run", cwd=mine).out

    def update() -> None:
        done = spacy("update", cwd=mine)
        assert done.code == 1
        assert "CONFLICT (content): Merge conflict in scripts/prepare.py" in done.out
        assert "error: conflicts in scripts/prepare.py\nhint: " in done.err
        assert "cherry-pick" in git(mine, "status")
        assert (mine / "scripts/new.py").exists()
        again = spacy("update", cwd=mine)
        assert again.code == 3
        assert "error: a cherry-pick is in progress" in again.err

    update()
    monkeypatch.setenv("GIT_EDITOR", "true")
    for hint in ("git cherry-pick --abort", "git cherry-pick --continue"):
        assert hint in spacy("update", cwd=mine).err
    git(mine, "cherry-pick", "--abort")
    assert git(mine, "rev-parse", "HEAD") == ours
    assert git(mine, "status", "--porcelain") == ""

    update()
    git(mine, "mergetool", "--no-prompt")
    resolved = (mine / "scripts/prepare.py").read_text()
    assert resolved.count("line XX") == resolved.count("line twenty") == 1
    git(mine, "add", "-u")
    git(mine, "cherry-pick", "--continue")
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert git(mine, "log", "-1", "--format=%s") == "Update from the template fashion"
    assert spacy("update", "--check", cwd=mine).code == 0

    git(mine, "reset", "-q", "--hard", ours)
    update()
    assert (mine / "scripts/prepare.py").read_text() == resolved  # by rerere
    git(mine, "cherry-pick", "--abort")


def test_an_unclean_worktree_is_refused_as_git_does(source: Path, mine: Path, spacy: Spacy) -> None:
    revise(source)
    before = git(mine, "rev-parse", "HEAD")

    def refused() -> str:
        kept = snapshot(mine), git(mine, "status", "--porcelain", "--ignored")
        done = spacy("update", cwd=mine)
        assert done.code == 3, done
        assert "hint: " in done.err
        assert (snapshot(mine), git(mine, "status", "--porcelain", "--ignored")) == kept
        assert git(mine, "rev-parse", "HEAD") == before
        return done.err

    write(mine, {"scripts/prepare.py": "edited\n"})
    assert "would be overwritten by merge: scripts/prepare.py" in refused()
    git(mine, "add", "-u")
    assert "error: there are staged changes: scripts/prepare.py" in refused()
    git(mine, "reset", "-q", "--hard")
    write(mine, {"scripts/new.py": "untracked\n"})
    assert "error: untracked files would be overwritten: scripts/new.py" in refused()
    (mine / ".git/info").mkdir(exist_ok=True)
    write(mine, {".git/info/exclude": "new.py\n"})
    assert "error: untracked files would be overwritten: scripts/new.py" in refused()
    (mine / "scripts/new.py").unlink()
    write(mine, {"scripts/new.py/data.txt": "in a folder of that name\n"})
    write(mine, {".git/info/exclude": "data.txt\n"})
    assert "error: untracked files would be overwritten: scripts/new.py/data.txt" in refused()
    (mine / "scripts/new.py/data.txt").unlink()
    write(mine, {"README.md": "edited, but not by the template\n", "notes.txt": "mine\n"})
    assert spacy("update", cwd=mine).code == 0
    assert (mine / "README.md").read_text().startswith("edited")
    assert git(mine, "status", "--porcelain").split() == ["M", "README.md", "??", "notes.txt"]
