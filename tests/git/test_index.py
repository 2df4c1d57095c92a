"""What is staged, as Git sees it: plain, in a hook, in a linked work tree; and it stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, Refused
from git_spacy.git import index
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import FILE, LINK
from git_spacy.git.repository import Repository
from tests.testing.repositories import commit, git, repository, write

NAMES = ["a b", "tüte/ä", "st*r", "[x]", "-dash", "quote'\"", "new\nline", ":(glob)x", "d/e/f"]


def opened(folder: Path) -> Index:
    found = Repository.discover(folder)
    assert found is not None
    index = Index.open(found)
    assert index is not None
    return index


def texts(index: Index, paths: list[str]) -> dict[str, bytes]:
    entries = index.entries(paths)
    contents = index.contents([entry.id for entry in entries])
    return {
        entry.name: b"".join(content.chunks())
        for entry, (_, content) in zip(entries, contents, strict=True)
    }


def test_entries_are_what_is_staged_by_their_very_names(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {name: name for name in NAMES})
    os.symlink("a b", made / "link")
    git(made, "add", "link")
    write(made, {"a b": "edited", "untracked": "x"})
    index = opened(made)
    assert texts(index, NAMES) == {
        **{name: name.encode() for name in NAMES},
    }
    assert [entry.name for entry in index.entries(["st*r", "d"])] == ["d/e/f", "st*r"]
    assert index.entries([]) == []
    modes = {entry.name: entry.mode for entry in index.entries([""])}
    assert len(modes) == len(NAMES) + 1
    assert (modes["link"], modes["d/e/f"]) == (LINK, FILE)


def test_a_name_is_found_in_any_folder(tmp_path: Path) -> None:
    files = {
        "project.yml": "",
        "a/b/project.yml": "",
        "a/xproject.yml": "",
        "a/project.yml.bak": "",
    }
    made = repository(tmp_path / "r", dict(files))
    write(made, {"c/project.yml": "untracked"})
    assert [e.name for e in opened(made).named("project.yml")] == ["a/b/project.yml", "project.yml"]


def test_a_small_index_is_asked_once_and_answers_as_git_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["d/x.yml", "d/e/x.yml", "de/x.yml", "x.yml", "d.yml/f"]
    made = repository(tmp_path / "r", {name: name for name in (*NAMES, *more)})
    small, large = opened(made), opened(made)
    questions = [[""], ["d"], ["d/"], ["d/e", "x.yml", "none"], ["."], ["de", "d/e/f/g"], NAMES, []]
    patterns = [("x.yml", ""), ("*.yml", ""), ("*.yml", "d/"), ("[x]*", "none/"), ("f", "d/e/")]
    mine = [small.entries(asked) for asked in questions]
    mine += [small.named(name, folder=folder) for name, folder in patterns]
    monkeypatch.setattr(index, "_SMALL", -1)
    gits = [large.entries(asked) for asked in questions]
    gits += [large.named(name, folder=folder) for name, folder in patterns]
    assert mine == gits
    git(made, "update-index", "--split-index")
    monkeypatch.setattr(index, "_SMALL", 1 << 20)
    assert opened(made).entries([""]) == gits[0]


def test_small_questions(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"a": "12345", "b": "1", ".gitignore": "data/\n*.bin\n"})
    index = opened(made)
    assert index.changed() == set()
    write(made, {"a": "new", "c": "staged", "b": "1"})
    git(made, "add", "c")
    git(made, "rm", "-q", "--cached", "b")
    assert index.changed() == {"c"}, "what is removed is not committed"
    assert index.edited(["a", "c"]) == {"a"}
    assert index.ignored(["data/x", "a", "deep/x.bin", "c"]) == {"data/x", "deep/x.bin"}
    ids = {entry.name: entry.id for entry in index.entries(["a"])}
    assert index.sizes([ids["a"]]) == {ids["a"]: 5}
    with pytest.raises(ExternalError):
        list(index.contents(["0" * 40]))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_repository_of_somebody_else_is_refused_with_the_way_to_trust_it(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"a": "x"})
    for path in [made, *made.rglob("*")]:
        os.chown(path, 12345, 12345)
    with pytest.raises(Refused, match="belongs to somebody else") as caught:
        opened(made).entries([""])
    assert "safe.directory" in str(caught.value)


def test_before_the_first_commit_everything_staged_is_new(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "r")
    write(tmp_path / "r", {"a": "x", "b": "y"})
    git(tmp_path / "r", "add", "a")
    assert opened(tmp_path / "r").changed() == {"a"}


def test_of_a_file_in_conflict_there_is_no_entry(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"a": "1", "b": "1"})
    git(made, "switch", "-qc", "other")
    commit(made, {"a": "2"})
    git(made, "switch", "-q", "main")
    commit(made, {"a": "3"})
    with pytest.raises(Exception, match="merge"):
        git(made, "merge", "other")
    assert [entry.name for entry in opened(made).entries([""])] == ["b"]


def test_a_bare_repository_has_no_index(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "r.git")
    found = Repository.discover(tmp_path, {"GIT_DIR": str(tmp_path / "r.git")})
    assert found is not None
    assert Index.open(found) is None


def test_a_hooks_index_is_the_one_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r", {"a": "old"})
    elsewhere = repository(tmp_path / "elsewhere", {"a": "another repository's"})
    write(made, {"a": "new"})
    other = made / ".git/next-index-1.lock"
    other.write_bytes((made / ".git/index").read_bytes())
    git(made, "add", "a", GIT_INDEX_FILE=str(other))
    monkeypatch.chdir(made)
    assert texts(opened(made), ["a"]) == {"a": b"old"}
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index-1.lock")
    assert texts(opened(made), ["a"]) == {"a": b"new"}
    assert texts(opened(elsewhere), ["a"]) == {"a": b"another repository's"}


def test_in_a_linked_work_tree_git_names_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r", {"d/a": "main"})
    git(made, "worktree", "add", "-q", "../linked", "-b", "linked")
    linked = tmp_path / "linked"
    write(linked, {"d/a": "linked"})
    git(linked, "add", "d/a")
    monkeypatch.setenv("GIT_DIR", git(linked, "rev-parse", "--absolute-git-dir"))
    monkeypatch.chdir(linked / "d")
    assert texts(opened(linked / "d"), ["d/a"]) == {"d/a": b"linked"}


def test_reading_leaves_the_index_as_it_is_even_where_it_is_out_of_date(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"a": "1", "b": "2"})
    os.utime(made / "a", (1, 1))
    before = (made / ".git/index").read_bytes()
    index = opened(made)
    index.entries([""])
    index.edited(["a"])
    index.changed()
    index.named("a")
    index.ignored(["x"])
    assert (made / ".git/index").read_bytes() == before
