"""`git spacy lock` rebuilds project.lock, records existing outputs and resolves conflicts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.cli.commands.test_log import MAKE, SCORE, keep, resize
from tests.testing.projects import Spacy, on_path, project
from tests.testing.repositories import git, repository, write

TWO = """\
vars:
  size: 4
commands:
  - name: prepare
    script: ["python make.py data/x.txt ${vars.size}"]
    deps: [make.py]
    outputs: [data]
  - name: score
    script: ["python score.py"]
    deps: [data, score.py]
    outputs_no_cache: [metrics.json]
  - name: count
    script: ["python count.py"]
    deps: [count.py]
    outputs: [counted.txt]
workflows:
  all: [prepare, score, count]
"""
COUNT = "open('counted.txt', 'w').write('1')\n"
FILES = {"make.py": MAKE, "score.py": SCORE, "count.py": COUNT}
IGNORED = "/data/\nmetrics.json\ncounted.txt\n"


@pytest.fixture
def made(tmp_path: Path, spacy: Spacy) -> Path:
    """A project that has run and is committed with its lock."""

    folder = project(tmp_path / "r", TWO, {**FILES, ".gitignore": IGNORED})
    git(folder, "init", "-q")
    keep(folder, "First")
    spacy("run", "all", cwd=folder)
    keep(folder, "Its lock")
    return folder


def edit(folder: Path, name: str, word: str) -> None:
    path = folder / name
    path.write_text(path.read_text() + f"# {word}\n")


def without_lock(made: Path) -> None:
    """Remove the lock from Git and ignore it, as many teams do."""

    git(made, "rm", "-q", "--cached", "project.lock")
    write(made, {".gitignore": IGNORED + "project.lock\n"})
    keep(made, "No lock any more")


def table(out: str) -> dict[str, str]:
    return {words[0]: words[1] for line in out.splitlines() if (words := line.split())}


# lock rebuild


@pytest.mark.parametrize("revision", ["none", "HEAD~1..HEAD", "HEAD:project.yml"])
def test_an_invalid_revision_is_an_error(made: Path, spacy: Spacy, revision: str) -> None:
    before = (made / "project.lock").read_bytes()
    done = spacy("lock", "rebuild", revision, cwd=made)
    assert done.code == 2
    assert (made / "project.lock").read_bytes() == before


def test_a_commit_without_the_project_is_an_error(tmp_path: Path, spacy: Spacy) -> None:
    top = repository(tmp_path / "r")
    made = project(top / "p", TWO, {**FILES, ".gitignore": IGNORED})
    keep(top, "the project")
    spacy("run", "all", cwd=made)
    done = spacy("lock", "rebuild", "HEAD~1", cwd=made)
    assert done.code == 2
    assert "project.yml: error: not in that commit" in done.err


# lock record


def test_existing_outputs_are_recorded_without_running(made: Path, spacy: Spacy) -> None:
    (made / "counted.txt").write_text("by hand")
    edit(made, "count.py", "and another way")
    assert spacy("run", "count", "--dry", cwd=made).err.count("would run") == 1
    done = spacy("lock", "record", "count", cwd=made)
    assert (done.code, done.err) == (0, "recorded count\n")
    assert (made / "counted.txt").read_text() == "by hand"
    assert "count: up to date" in spacy("run", "count", cwd=made).err
    assert "recorded" in spacy("log", "--all", "--command", "count", cwd=made).out
    keep(made, "Counted by hand")
    assert "recorded by 'lock record'" in spacy("show", cwd=made).out


def test_missing_outputs_are_not_recorded(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    (made / "counted.txt").unlink()
    edit(made, "score.py", "changed")
    done = spacy("lock", "record", "all", cwd=made)
    assert done.code == 1
    assert "cannot record 'count': 'counted.txt' is missing" in done.err
    assert "git spacy run count" in done.err
    assert (made / "project.lock").read_bytes() == before
    assert spacy("lock", "record", "cuont", cwd=made).code == 2


# lock resolve and the merge driver


def diverge(made: Path, spacy: Spacy) -> None:
    """Change and run `score` on branch `side` and `count` on `main`; commit both."""

    git(made, "checkout", "-q", "-b", "side")
    edit(made, "score.py", "on the side")
    spacy("run", "all", cwd=made)
    keep(made, "Score")
    git(made, "checkout", "-q", "main")
    edit(made, "count.py", "on main")
    spacy("run", "all", cwd=made)
    keep(made, "Count")


def with_driver(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(made.parent / "bin", monkeypatch)
    git(made, "config", "merge.spacy-lock.driver", "git spacy lock merge-driver %O %A %B")
    write(made, {".gitattributes": "project.lock merge=spacy-lock\n"})
    keep(made, "Merge locks by entry")


def merge(made: Path, branch: str) -> int:
    done = subprocess.run(
        ("git", "merge", "-q", "-m", "merged", branch), cwd=made, check=False, capture_output=True
    )
    return done.returncode


def both_changed_next_to_each_other(made: Path, spacy: Spacy) -> None:
    """Change adjacent entries on both branches, which Git's own merge cannot do."""

    git(made, "checkout", "-q", "-b", "side")
    edit(made, "score.py", "on the side")
    spacy("run", "score", cwd=made)
    keep(made, "Score")
    git(made, "checkout", "-q", "main")
    edit(made, "count.py", "on main")
    (made / "counted.txt").unlink()
    spacy("run", "count", cwd=made)
    keep(made, "Count")


def test_branches_that_ran_different_commands_merge_by_the_driver(
    made: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_driver(made, monkeypatch)
    diverge(made, spacy)
    assert merge(made, "side") == 0
    assert spacy("check", "lock", cwd=made).code == 0
    spacy("run", "all", cwd=made)
    assert git(made, "status", "--porcelain") == ""
    entries = lock_format.read(made)
    sides = [
        lock_format.parse(git(made, "show", f"{side}:project.lock").encode())
        for side in ("HEAD^1", "HEAD^2")
    ]
    assert (
        entries["count"].fingerprint_key
        == sides[0]["count"].fingerprint_key
        != sides[1]["count"].fingerprint_key
    )
    assert (
        entries["score"].fingerprint_key
        == sides[1]["score"].fingerprint_key
        != sides[0]["score"].fingerprint_key
    )


def test_new_commands_of_two_branches_merge_only_with_the_driver(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for driven in (False, True):
        folder = project(tmp_path / f"r{driven}", TWO, {**FILES, ".gitignore": IGNORED})
        git(folder, "init", "-q")
        keep(folder, "First")
        if driven:
            with_driver(folder, monkeypatch)
        for branch, name in (("one", "count"), ("two", "prepare")):
            git(folder, "checkout", "-q", "-b", branch, "main")
            spacy("run", name, cwd=folder)
            keep(folder, name)
        assert merge(folder, "one") == (0 if driven else 1)
        if not driven:
            assert spacy("lock", "resolve", cwd=folder).code == 0
            git(folder, "commit", "-q", "-m", "resolved")
        assert list(lock_format.read(folder)) == ["prepare", "count"]
        assert spacy("check", "lock", cwd=folder).code == 0


def test_a_command_run_on_both_sides_is_a_conflict_that_resolve_settles(
    made: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_driver(made, monkeypatch)
    git(made, "checkout", "-q", "-b", "side")
    resize(made, 6)
    spacy("run", "all", cwd=made)
    keep(made, "Six")
    git(made, "checkout", "-q", "main")
    edit(made, "score.py", "on main")
    spacy("run", "all", cwd=made)
    keep(made, "Score")
    assert merge(made, "side") == 1
    assert git(made, "diff", "--name-only", "--diff-filter=U") == "project.lock"
    text = (made / "project.lock").read_text()
    assert text.count("<<<<<<< ") == text.count(">>>>>>> ") == 1
    refused = spacy("run", "all", cwd=made)
    assert refused.code == 2
    assert "git spacy lock resolve" in refused.err
    done = spacy("lock", "resolve", cwd=made)
    assert done.code == 0, done.err
    assert done.err.splitlines() == [
        "score: took ours (both are stale)",
        "Next: git spacy run score && git add project.lock",
    ]
    assert git(made, "diff", "--name-only", "--diff-filter=U") == ""
    spacy("run", "all", cwd=made)
    git(made, "commit", "-qam", "merged")
    assert spacy("check", "lock", "--strict", cwd=made).code == 0


def test_the_driver_merges_other_files_by_line(tmp_path: Path, spacy: Spacy) -> None:
    texts = {"base": "a\nb\nc\nd\n", "ours": "A\nb\nc\nd\n", "theirs": "a\nb\nc\nD\n"}
    write(tmp_path, dict(texts))
    paths = [tmp_path / name for name in texts]
    assert spacy("lock", "merge-driver", *paths, "project.lock").code == 0
    assert (tmp_path / "ours").read_text() == "A\nb\nc\nD\n"
    write(tmp_path, {"ours": "one\nb\n", "theirs": "two\nb\n"})
    assert spacy("lock", "merge-driver", *paths).code == 1
    assert "<<<<<<< ours" in (tmp_path / "ours").read_text()


def test_the_help_explains_the_merge_driver(spacy: Spacy) -> None:
    done = spacy("lock", "-h")
    assert done.code == 0
    assert "merge-driver %O %A %B" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.threat("link-destinations", commands="lock")
def test_the_merge_driver_does_not_write_through_a_link_out_of_the_project(
    tmp_path: Path, spacy: Spacy
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("base", "theirs"):
        (folder / name).write_text("")
    (tmp_path / "outside").write_text("")
    (folder / "ours").symlink_to("../outside")
    done = spacy("lock", "merge-driver", *(folder / name for name in ("base", "ours", "theirs")))
    assert done.code == 3, done.err
    assert (tmp_path / "outside").read_text() == ""
