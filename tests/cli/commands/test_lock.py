"""`git spacy lock` rebuilds project.lock, records existing outputs and resolves conflicts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
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


def test_an_ignored_lock_is_rebuilt_from_run_records(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    without_lock(made)
    (made / "project.lock").unlink()
    done = spacy("lock", "rebuild", cwd=made)
    assert done.code == 0, done.err
    assert table(done.out) == {"prepare": "rebuilt", "score": "rebuilt", "count": "rebuilt"}
    assert (made / "project.lock").read_bytes() == before
    assert spacy("run", "all", cwd=made).err.endswith("ran 0, skipped 3\n")


def test_each_commit_gets_its_own_lock(made: Path, spacy: Spacy) -> None:
    """There are several experiments on one commit, whose locks were never committed."""

    without_lock(made)
    locks = {}
    for size in (5, 6, 7):
        resize(made, size)
        spacy("run", "all", cwd=made)
        locks[size] = (made / "project.lock").read_bytes()
    for size in (6, 5, 7):
        resize(made, size)
        keep(made, f"size {size}")
    for revision, size in (("HEAD~2", 6), ("HEAD~1", 5), ("HEAD", 7)):
        assert spacy("lock", "rebuild", revision, cwd=made).code == 0
        assert (made / "project.lock").read_bytes() == locks[size], revision


def test_a_lock_is_rebuilt_from_records_of_a_teammate(
    made: Path, tmp_path: Path, spacy: Spacy
) -> None:
    without_lock(made)
    git(tmp_path, "clone", "-q", str(made), "clone")
    clone = tmp_path / "clone"
    refused = spacy("lock", "rebuild", cwd=clone)
    assert refused.code == 1
    assert "git spacy notes pull" in refused.err
    assert not (clone / "project.lock").exists()
    spacy("notes", "pull", cwd=clone)
    assert spacy("lock", "rebuild", cwd=clone).code == 0
    assert (clone / "project.lock").read_bytes() == (made / "project.lock").read_bytes()
    assert spacy("check", "lock", cwd=clone).code == 0


def test_commands_without_a_matching_run_are_stale_or_unknown(made: Path, spacy: Spacy) -> None:
    git(made, "rm", "-q", "project.lock")
    edit(made, "score.py", "changed")
    text = TWO.replace("workflows:", "  - {name: new, script: [touch n], outputs: [n]}\nworkflows:")
    (made / "project.yml").write_text(text)
    keep(made, "No lock, another score")
    done = spacy("lock", "rebuild", cwd=made)
    assert table(done.out) == {
        "prepare": "rebuilt", "score": "stale", "count": "rebuilt", "new": "unknown"
    }  # fmt: skip
    assert spacy("run", "all", "--dry", cwd=made).err.endswith("would run 1, skipped 2\n")


@pytest.mark.threat("broken-lock", commands="lock")
def test_a_broken_lock_is_rebuilt_and_a_valid_one_is_unchanged(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    for text in (b"", b"<<<<<<< ours\n", b"\x00\xff", b"[]"):
        (made / "project.lock").write_bytes(text)
        assert spacy("lock", "rebuild", cwd=made).code == 0
        assert (made / "project.lock").read_bytes() == before
    git(made, "update-ref", "-d", "refs/notes/spacy")
    done = spacy("lock", "rebuild", cwd=made)
    assert table(done.out) == {"prepare": "unchanged", "score": "unchanged", "count": "unchanged"}
    assert (made / "project.lock").read_bytes() == before


def test_a_lock_is_rebuilt_from_records_of_a_squashed_branch(made: Path, spacy: Spacy) -> None:
    """They belong to commits that are not in the history of the squashed commit."""

    without_lock(made)
    git(made, "checkout", "-q", "-b", "topic")
    resize(made, 9)
    keep(made, "Larger")
    spacy("run", "all", cwd=made)
    before = (made / "project.lock").read_bytes()
    keep(made, "Its results")
    git(made, "checkout", "-q", "main")
    git(made, "merge", "-q", "--squash", "topic")
    keep(made, "Larger, in one commit")
    git(made, "branch", "-qD", "topic")
    (made / "project.lock").unlink(missing_ok=True)
    done = spacy("lock", "rebuild", cwd=made)
    assert done.code == 0, done.err
    assert table(done.out) == {"prepare": "rebuilt", "score": "rebuilt", "count": "rebuilt"}
    assert (made / "project.lock").read_bytes() == before


def test_the_order_of_the_committed_lock_is_kept(made: Path, spacy: Spacy) -> None:
    entries = lock_format.read(made)
    backwards = {name: entries[name] for name in reversed(entries)}
    LockFile(made).replace(backwards)
    keep(made, "Another order")
    LockFile(made).replace(entries)
    assert spacy("lock", "rebuild", cwd=made).code == 0
    assert list(lock_format.read(made)) == list(backwards)


def test_the_dialect_of_the_lock_is_kept(made: Path, spacy: Spacy) -> None:
    old = (
        (made / "project.lock")
        .read_text()
        .replace("python -m weasel run", "python -m spacy project run")
    )
    (made / "project.lock").write_text(old)
    keep(made, "In spaCy's own dialect")
    edit(made, "score.py", "changed")
    spacy("run", "all", cwd=made)
    new = (made / "project.lock").read_bytes()
    keep(made, "Another score")
    git(made, "checkout", "-q", "HEAD~1", "--", "project.lock")
    assert spacy("lock", "rebuild", "HEAD", cwd=made).code == 0
    assert (made / "project.lock").read_bytes() == new
    assert b"python -m spacy project run score" in new


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
    assert "recorded" in spacy("log", "--command", "count", cwd=made).out
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


@pytest.mark.parametrize("fresher", ["ours", "theirs"])
def test_the_side_that_matches_the_project_is_taken(made: Path, spacy: Spacy, fresher: str) -> None:
    for branch, word in (("ours", "one"), ("theirs", "other")):
        git(made, "checkout", "-q", "-b", branch, "main")
        edit(made, "count.py", word)
        spacy("run", "count", cwd=made)
        keep(made, word)
    git(made, "checkout", "-q", "ours")
    assert merge(made, "theirs") == 1
    git(made, "checkout", "-q", f"--{fresher}", "--", "count.py")
    git(made, "add", "count.py")
    done = spacy("lock", "resolve", cwd=made)
    assert done.err.splitlines()[0] == f"count: took {fresher}"
    git(made, "commit", "-q", "-m", "merged")
    (made / "counted.txt").unlink()
    git(made, "stash", "-q", "--include-untracked") if git(made, "status", "--porcelain") else None
    assert spacy("check", "lock", cwd=made).code == 0


def test_a_lock_committed_with_conflict_markers_is_resolved(made: Path, spacy: Spacy) -> None:
    both_changed_next_to_each_other(made, spacy)
    merge(made, "side")
    ours, theirs = (
        lock_format.parse(git(made, "show", f"{side}:project.lock").encode())
        for side in ("main", "side")
    )
    texts = [lock_format.text({"count": side["count"]}).decode() for side in (ours, theirs)]
    marked = f"<<<<<<< HEAD\n{texts[0]}=======\n{texts[1]}>>>>>>> side\n"
    rest = lock_format.text({name: theirs[name] for name in ("prepare", "score")}).decode()
    (made / "project.lock").write_text(rest + marked)
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "merged badly")
    done = spacy("lock", "resolve", cwd=made)
    assert done.err.splitlines() == ["count: took ours"]
    assert spacy("check", "lock", cwd=made).code == 0


def test_without_a_conflict_nothing_is_resolved(made: Path, spacy: Spacy) -> None:
    before = (made / "project.lock").read_bytes()
    done = spacy("lock", "resolve", cwd=made)
    assert (done.code, done.err) == (0, "project.lock has no conflicts\n")
    assert (made / "project.lock").read_bytes() == before


def test_conflicts_in_project_yml_must_be_resolved_first(made: Path, spacy: Spacy) -> None:
    for branch, size in (("ours", 8), ("theirs", 9)):
        git(made, "checkout", "-q", "-b", branch, "main")
        resize(made, size)
        spacy("run", "all", cwd=made)
        keep(made, branch)
    git(made, "checkout", "-q", "ours")
    assert merge(made, "theirs") == 1
    before = (made / "project.lock").read_bytes()
    done = spacy("lock", "resolve", cwd=made)
    assert done.code == 2
    assert "project.yml" in done.err
    assert (made / "project.lock").read_bytes() == before
    git(made, "checkout", "-q", "--theirs", "--", "project.yml")
    assert spacy("lock", "resolve", cwd=made).err.splitlines()[:2] == [
        "prepare: took theirs",
        "score: took theirs",
    ]


def test_a_side_that_removed_the_lock_is_ignored(made: Path, spacy: Spacy) -> None:
    git(made, "checkout", "-q", "-b", "without")
    git(made, "rm", "-q", "project.lock")
    keep(made, "No lock")
    git(made, "checkout", "-q", "main")
    edit(made, "count.py", "changed")
    spacy("run", "count", cwd=made)
    keep(made, "Count")
    expected = (made / "project.lock").read_bytes()
    assert merge(made, "without") == 1
    assert spacy("lock", "resolve", cwd=made).code == 0
    assert (made / "project.lock").read_bytes() == expected
    assert git(made, "status", "--porcelain") == ""


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
