"""Reading the index: in a plain repository, in a hook, in a linked worktree, without changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, Refused
from git_spacy.git import index
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import FILE, LINK
from git_spacy.git.repository import Repository
from tests.testing.repositories import commit, git, repository, write

NAMES = ["a b", "tüte/ä", "st*r", "[x]", "-dash", "quote'\"", "new\nline", ":(glob)x", "d/e/f"]


def open_index(folder: Path) -> Index:
    repository = Repository.discover(folder)
    assert repository is not None
    index = Index.open(repository)
    assert index is not None
    return index


def staged_contents(index: Index, paths: list[str]) -> dict[str, bytes]:
    entries = index.entries(paths)
    contents = index.contents([entry.id for entry in entries])
    return {
        entry.name: b"".join(content.chunks())
        for entry, (_, content) in zip(entries, contents, strict=True)
    }


def test_entries_have_literal_names(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {name: name for name in NAMES})
    os.symlink("a b", root / "link")
    git(root, "add", "link")
    write(root, {"a b": "edited", "untracked": "x"})
    index = open_index(root)
    assert staged_contents(index, NAMES) == {
        **{name: name.encode() for name in NAMES},
    }
    assert [entry.name for entry in index.entries(["st*r", "d"])] == ["d/e/f", "st*r"]
    assert index.entries([]) == []
    modes = {entry.name: entry.mode for entry in index.entries([""])}
    assert len(modes) == len(NAMES) + 1
    assert (modes["link"], modes["d/e/f"]) == (LINK, FILE)


def test_named_finds_a_file_in_any_folder(tmp_path: Path) -> None:
    files = {
        "project.yml": "",
        "a/b/project.yml": "",
        "a/xproject.yml": "",
        "a/project.yml.bak": "",
    }
    root = repository(tmp_path / "r", dict(files))
    write(root, {"c/project.yml": "untracked"})
    assert [e.name for e in open_index(root).named("project.yml")] == [
        "a/b/project.yml",
        "project.yml",
    ]


def test_small_index_gives_the_same_answers_as_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["d/x.yml", "d/e/x.yml", "de/x.yml", "x.yml", "d.yml/f"]
    root = repository(tmp_path / "r", {name: name for name in (*NAMES, *more)})
    small, large = open_index(root), open_index(root)
    queries = [[""], ["d"], ["d/"], ["d/e", "x.yml", "none"], ["."], ["de", "d/e/f/g"], NAMES, []]
    patterns = [("x.yml", ""), ("*.yml", ""), ("*.yml", "d/"), ("[x]*", "none/"), ("f", "d/e/")]
    from_list = [small.entries(paths) for paths in queries]
    from_list += [small.named(name, folder=folder) for name, folder in patterns]
    monkeypatch.setattr(index, "_SMALL_INDEX", -1)
    from_git = [large.entries(paths) for paths in queries]
    from_git += [large.named(name, folder=folder) for name, folder in patterns]
    assert from_list == from_git
    git(root, "update-index", "--split-index")
    monkeypatch.setattr(index, "_SMALL_INDEX", 1 << 20)
    assert open_index(root).entries([""]) == from_git[0]


def test_changed_edited_ignored_and_sizes(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"a": "12345", "b": "1", ".gitignore": "data/\n*.bin\n"})
    index = open_index(root)
    assert index.changed() == set()
    write(root, {"a": "new", "c": "staged", "b": "1"})
    git(root, "add", "c")
    git(root, "rm", "-q", "--cached", "b")
    assert index.changed() == {"c"}, "removed files are not listed"
    assert index.edited(["a", "c"]) == {"a"}
    assert index.ignored(["data/x", "a", "deep/x.bin", "c"]) == {"data/x", "deep/x.bin"}
    ids = {entry.name: entry.id for entry in index.entries(["a"])}
    assert index.sizes([ids["a"]]) == {ids["a"]: 5}
    with pytest.raises(ExternalError):
        list(index.contents(["0" * 40]))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
def test_repository_of_another_user_is_refused_with_a_hint_to_trust_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"a": "x"})
    for path in [root, *root.rglob("*")]:
        os.chown(path, 12345, 12345)
    with pytest.raises(Refused, match="owned by another user") as caught:
        open_index(root).entries([""])
    assert "safe.directory" in str(caught.value)


def test_before_the_first_commit_every_staged_file_is_new(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "r")
    write(tmp_path / "r", {"a": "x", "b": "y"})
    git(tmp_path / "r", "add", "a")
    assert open_index(tmp_path / "r").changed() == {"a"}


def test_file_in_conflict_has_no_entry(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"a": "1", "b": "1"})
    git(root, "switch", "-qc", "other")
    commit(root, {"a": "2"})
    git(root, "switch", "-q", "main")
    commit(root, {"a": "3"})
    with pytest.raises(Exception, match="merge"):
        git(root, "merge", "other")
    assert [entry.name for entry in open_index(root).entries([""])] == ["b"]


def test_bare_repository_has_no_index(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "r.git")
    found = Repository.discover(tmp_path, {"GIT_DIR": str(tmp_path / "r.git")})
    assert found is not None
    assert Index.open(found) is None


def test_index_of_a_running_hook_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path / "r", {"a": "old"})
    elsewhere = repository(tmp_path / "elsewhere", {"a": "another repository's"})
    write(root, {"a": "new"})
    other = root / ".git/next-index-1.lock"
    other.write_bytes((root / ".git/index").read_bytes())
    git(root, "add", "a", GIT_INDEX_FILE=str(other))
    monkeypatch.chdir(root)
    assert staged_contents(open_index(root), ["a"]) == {"a": b"old"}
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index-1.lock")
    assert staged_contents(open_index(root), ["a"]) == {"a": b"new"}
    assert staged_contents(open_index(elsewhere), ["a"]) == {"a": b"another repository's"}


def test_index_of_a_linked_worktree_is_used_in_its_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r", {"d/a": "main"})
    git(root, "worktree", "add", "-q", "../linked", "-b", "linked")
    linked = tmp_path / "linked"
    write(linked, {"d/a": "linked"})
    git(linked, "add", "d/a")
    monkeypatch.setenv("GIT_DIR", git(linked, "rev-parse", "--absolute-git-dir"))
    monkeypatch.chdir(linked / "d")
    assert staged_contents(open_index(linked / "d"), ["d/a"]) == {"d/a": b"linked"}


def test_reading_does_not_refresh_an_outdated_index(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"a": "1", "b": "2"})
    os.utime(root / "a", (1, 1))
    before = (root / ".git/index").read_bytes()
    index = open_index(root)
    index.entries([""])
    index.edited(["a"])
    index.changed()
    index.named("a")
    index.ignored(["x"])
    assert (root / ".git/index").read_bytes() == before


@pytest.mark.parametrize("layout", ["small", "large", "split", "version 4"])
def test_a_file_that_is_only_intended_to_be_added_has_no_entry(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r", {"a": "x", "empty": "", "d/empty": ""})
    if layout == "large":
        monkeypatch.setattr(index, "_SMALL_INDEX", 0)
    elif layout == "split":
        git(root, "update-index", "--split-index")
    elif layout == "version 4":
        git(root, "update-index", "--index-version", "4")
    write(root, {"new": "x", "d/new": "", "added": ""})
    git(root, "add", "added")
    git(root, "add", "-N", "new", "d/new")
    opened = open_index(root)
    names = {"a", "empty", "d/empty", "added"}
    assert {entry.name for entry in opened.entries([""])} == names
    assert {entry.name for entry in opened.entries(["d", "new", "added"])} == {"d/empty", "added"}
    assert [entry.name for entry in opened.named("new")] == []
    assert opened.special([""]) == {"new": "not added", "d/new": "not added"}
    git(root, "add", "new")
    assert {entry.name for entry in open_index(root).entries([""])} == {*names, "new"}


def test_the_states_of_special_entries(tmp_path: Path) -> None:
    files = {name: name for name in ("assumed", "sparse", "plain", "clash")}
    root = repository(tmp_path / "r", dict(files))
    git(root, "switch", "-qc", "other")
    commit(root, {"clash": "theirs"})
    git(root, "switch", "-q", "main")
    commit(root, {"clash": "ours"})
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "-q", "other")
    git(root, "update-index", "--assume-unchanged", "assumed")
    git(root, "update-index", "--skip-worktree", "sparse")
    assert open_index(root).special(["assumed", "sparse", "plain", "clash"]) == {
        "assumed": "assumed unchanged", "sparse": "sparse", "clash": "in conflict",
    }  # fmt: skip


def test_a_file_that_was_only_touched_or_converted_is_not_edited(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"touched": "x", "crlf": "x\n", "clean": "a\n", "e": "x"})
    git(root, "config", "filter.upper.clean", "tr a-z A-Z")
    write(root, {".gitattributes": "crlf text eol=crlf\nclean filter=upper\n"})
    write(root, {"crlf": "x\r\n", "clean": "a\n"})
    git(root, "add", "-A")
    before = (root / ".git/index").read_bytes()
    os.utime(root / "touched", (1, 1))
    os.utime(root / "crlf", (1, 1))
    os.utime(root / "clean", (1, 1))
    write(root, {"e": "y"})
    assert open_index(root).edited([""]) == {"e"}
    assert (root / ".git/index").read_bytes() == before, "the user's index is not written"
