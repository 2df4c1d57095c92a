"""Objects made without git: the same ids, trees and contents as with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.git.new_objects import NewObjects
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from tests.testing.repositories import git, noise


def repository(folder: Path, format: str = "sha1") -> Repository:
    git(folder, "init", "-q", f"--object-format={format}", ".")
    found = Repository.discover(folder)
    assert found
    return found


def blob(root: Path, text: str) -> str:
    return git(root, "hash-object", "-w", "--stdin", input=text)


def listed(root: Path, tree: str) -> str:
    return git(root, "ls-tree", "-r", "-t", tree)


def tree_with_git(root: Path, files: dict[str, str]) -> str:
    """Return the tree of these blobs, which git makes with an index."""

    git(root, "read-tree", "--empty")
    for path, id in files.items():
        git(root, "update-index", "--add", "--cacheinfo", f"100644,{id},{path}")
    return git(root, "write-tree")


@pytest.mark.parametrize("format", ["sha1", "sha256"])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 2047, 2048, 262143, 262144, 3_000_000])
def test_objects_of_any_size_are_stored_as_they_are(tmp_path: Path, format: str, size: int) -> None:
    stored = repository(tmp_path, format)
    example = blob(tmp_path, "")
    new = NewObjects(example)
    content = noise(size, size)
    id = new.add("blob", content)
    tree = new.add_tree(ObjectReader(stored).read_tree, "", {"a": id})
    new.store(stored)
    (tmp_path / "file").write_bytes(content)
    assert git(tmp_path, "hash-object", "file") == id
    assert git(tmp_path, "rev-parse", f"{tree}:a") == id
    assert git(tmp_path, "cat-file", "-s", id) == str(size)
    git(tmp_path, "fsck", "--strict", "--no-dangling")


@pytest.mark.parametrize("format", ["sha1", "sha256"])
def test_a_changed_tree_is_the_one_that_git_would_make(tmp_path: Path, format: str) -> None:
    stored = repository(tmp_path, format)
    one, two = blob(tmp_path, "1"), blob(tmp_path, "2")
    # Git sorts `a.b` before the folder `a`, and `a0` after it
    names = ["a/b/c", "a/b/d", "a.b", "a0", "b", "c/x", "ä/ö", "d/e/f"]
    old = tree_with_git(tmp_path, dict.fromkeys(names, one))
    changes = {
        "a/b/c": None, "a/b/n": two, "a0": two, "b": None, "c/x": None, "d/e/f": None,
        "d/new/file": two, "e": two, "a-": one, "missing": None, "no/such/file": None,
    }  # fmt: skip
    new = NewObjects(one)
    made = new.add_tree(ObjectReader(stored).read_tree, old, changes)
    new.store(stored)
    expected = dict.fromkeys(names, one) | changes
    kept = {path: id for path, id in expected.items() if id}
    assert listed(tmp_path, made) == listed(tmp_path, tree_with_git(tmp_path, kept))
    assert made == tree_with_git(tmp_path, kept)


def test_entries_of_other_kinds_stay_and_a_file_gives_way_to_a_folder(tmp_path: Path) -> None:
    stored = repository(tmp_path)
    one = blob(tmp_path, "1")
    empty = git(tmp_path, "mktree", input="")
    commit = git(tmp_path, "commit-tree", "-m", "x", empty)
    entries = [f"100755 blob {one}\tx", f"120000 blob {one}\tl", f"160000 commit {commit}\tm"]
    old = git(tmp_path, "mktree", input="\n".join([*entries, f"100644 blob {one}\tf"]))
    new = NewObjects(one)
    made = new.add_tree(ObjectReader(stored).read_tree, old, {"f/g": one})
    new.store(stored)
    inner = git(tmp_path, "mktree", input=f"100644 blob {one}\tg")
    assert made == git(tmp_path, "mktree", input="\n".join([*entries, f"040000 tree {inner}\tf"]))


def test_a_tree_that_loses_its_last_entry_is_removed(tmp_path: Path) -> None:
    stored = repository(tmp_path)
    one = blob(tmp_path, "1")
    old = tree_with_git(tmp_path, {"a/b": one})
    assert NewObjects(one).add_tree(ObjectReader(stored).read_tree, old, {"a/b": None}) == ""


@pytest.mark.parametrize("content", ["100644 a\0too short", "100644 a", "nothing"])
def test_a_damaged_tree_is_refused(tmp_path: Path, content: str) -> None:
    stored = repository(tmp_path)
    options = ("-w", "-t", "tree", "--literally", "--stdin")
    damaged = git(tmp_path, "hash-object", *options, input=content)
    with pytest.raises(ExternalError, match="damaged"):
        NewObjects(damaged).add_tree(ObjectReader(stored).read_tree, damaged, {})
