"""The same hostile names and links, fed to everything that writes what somebody else has sent."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy import formats
from git_spacy.containment import TreeNames, is_git_name, link_stays_inside, refuse_name
from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import staging
from git_spacy.git.address import parse_address
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.project import loader
from git_spacy.project.paths import ProjectPath, parse_path
from git_spacy.project.permission import require_writable
from git_spacy.run import workspace_archive
from git_spacy.storage import archive
from tests.storage.hostile import file, link, uncompressed
from tests.testing.projects import project, snapshot
from tests.testing.repositories import git, raw_tree, repository

Tree = dict[str, "str | None"]
"""Target of each link by name, None for a file."""


def check_out(folder: Path, tree: Tree) -> None:
    """Check out a folder of a repository with `tree` in it, as `clone` and `assets` do."""

    root = repository(folder.parent / "source")
    blobs = {
        text: git(root, "hash-object", "-w", "--stdin", input=text)
        for text in {target or "" for target in tree.values()}
    }

    def write(tree: Tree) -> str:
        entries = []
        for first in dict.fromkeys(name.split("/", 1)[0] for name in tree):
            if first in tree:
                mode = "100644" if tree[first] is None else "120000"
                entries.append((mode, os.fsencode(first), blobs[tree[first] or ""]))
            inner = {
                name.split("/", 1)[1]: target
                for name, target in tree.items()
                if name.startswith(first + "/")
            }
            if inner:
                entries.append(("40000", os.fsencode(first), write(inner)))
        return raw_tree(root, entries)

    top = raw_tree(root, [("40000", b"out", write(tree))])
    git(root, "update-ref", "refs/heads/main", git(root, "commit-tree", "-m", "x", top))

    def fail(text: str) -> None:
        raise AssertionError(text)

    with open_remote_tree(parse_address(str(root), None, trusted=True), warn=fail) as remote:
        remote.checkout("out", folder / "out")


def tar_of(tree: Tree) -> bytes:
    return uncompressed(
        file(f"out/{name}") if target is None else link(f"out/{name}", target)
        for name, target in tree.items()
    )


def pull(folder: Path, tree: Tree) -> None:
    """Unpack an archive from a remote, as `pull` and `restore` do."""

    with staging(folder, "out") as staged:
        data = io.BytesIO(gzip.compress(tar_of(tree)))
        archive.unpack(data, ProjectPath("out", "out"), staged, 1 << 20)
        staged.commit()


def receive(folder: Path, tree: Tree) -> None:
    """Unpack the outputs that a worker of a Ray cluster sent."""

    text = "commands: [{name: c, script: [x], outputs: [out]}]"
    command = loader.load(project(folder.parent / "workspace", text)).commands[0]
    workspace_archive.unpack(io.BytesIO(tar_of(tree)), command, folder)


EntryPoint = Callable[[Path, Tree], None]
every_entry_point = pytest.mark.parametrize("write", [check_out, pull, receive])

HOSTILE_NAMES = [
    "..", "../x", "a/../x", "a/..", "..\\x", "a\\..\\x", "\\x", "x\0y", ".git", ".GIT/config",
    "a/.git/hooks/pre-commit", ".git.", ".git ", "git~1", "GIT~2/x", ".g\u200cit/x", "a\\.git",
    ".git::$INDEX_ALLOCATION", "a/" * 100 + "x", "x" * 256, ("x" * 250 + "/") * 12 + "x",
]  # fmt: skip
# a NUL ends a name in a tree of Git and in the header of a tar
NAMES_TO_WRITE = [name for name in HOSTILE_NAMES if "\0" not in name]


@every_entry_point
@pytest.mark.parametrize("name", NAMES_TO_WRITE, ids=lambda name: ascii(name[:30]))
@pytest.mark.threat("archive-members-outside", "reserved-paths", commands="clone pull run")
def test_a_hostile_name_is_refused_by_whatever_writes_it(
    tmp_path: Path, write: EntryPoint, name: str
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    with pytest.raises(Refused):
        write(folder, {"fine": None, name: None})
    assert snapshot(folder) == {}


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name[:30]))
def test_a_hostile_name_is_refused_by_the_rule(name: str) -> None:
    assert refuse_name(name)
    assert link_stays_inside("l", name) is False or len(name) > 200 or name == "x\0y"


SHORT_NAMES = [name for name in HOSTILE_NAMES if len(name) <= 200]


@pytest.mark.parametrize("name", SHORT_NAMES, ids=ascii)
def test_a_hostile_name_is_refused_in_records_and_written_by_no_command(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidInput):
        formats.name(name)
    for role in ("output", "asset destination", "directory"):
        path = parse_path(name, role)
        assert not isinstance(path, ProjectPath) or path.outside
        if isinstance(path, ProjectPath) and name != "a/../x":  # which leads back to the project
            with pytest.raises(Refused):
                require_writable(tmp_path / "project", path)


def test_only_names_that_lead_out_of_the_project_are_paths_in_project_yml() -> None:
    paths = {name for name in SHORT_NAMES if isinstance(parse_path(name, "output"), ProjectPath)}
    assert paths == {"..", "../x", "a/../x", "a/..", "..\\x", "a\\..\\x", "\\x"}


HOSTILE_TREES: dict[str, Tree] = {
    "absolute": {"l": "/etc/passwd"},
    "absolute on Windows": {"l": "\\etc"},
    "the parent": {"l": ".."},
    "above": {"l": "../x"},
    "above from a folder": {"d/l": "../../x"},
    "above after a folder": {"d/x": None, "l": "d/../../x"},
    "above on Windows": {"l": "a\\..\\..\\x"},
    "nothing": {"l": ""},
    "too long": {"l": "a/" * 4000},
    "a part that is too long": {"l": "x" * 256},
    "Git's folder": {"l": ".git/config"},
    "Git's folder from a folder": {"d/l": "../.GIT"},
    "Git's folder on Windows": {"l": "git~1\\config"},
    "through a link": {"l": ".", "m": "l/.."},
    "through a later link": {"a": "z/../x", "z": "d", "d/x": None},
    "through links in a folder": {"d/e/l": "../..", "m": "d/e/l/../x"},
    "through a link in other case": {"l": "d", "m": "L/../x", "d/x": None},
    "a file below a link": {"l": ".", "l/x": None},
    "a file below a link in other case": {"l": ".", "L/x": None},
    "a link in the place of a folder": {"L/x": None, "l": "."},
}


@every_entry_point
@pytest.mark.parametrize("tree", HOSTILE_TREES.values(), ids=HOSTILE_TREES)
@pytest.mark.threat("template-links", "special-archive-members", commands="clone pull run")
def test_a_hostile_link_is_refused_by_whatever_writes_it(
    tmp_path: Path, write: EntryPoint, tree: Tree
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    with pytest.raises(Refused):
        write(folder, {"fine": None, **tree})
    assert snapshot(folder) == {}


@every_entry_point
def test_links_inside_and_unusual_names_are_written(tmp_path: Path, write: EntryPoint) -> None:
    tree: Tree = {
        "d/e/x": None, "d/e/up": "../..", "d/e/x2": "./x", "here": ".", "over": "d/../fine",
        "nowhere": "sub/../plain", "fine": None, "Fine": None, ".github/x": None, "a b\n": None,
        "back\\slash": None, "c:x": None, "...": None, "x" * 255: None,
    }  # fmt: skip
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, tree)
    for name, target in tree.items():
        path = folder / "out" / name
        assert path.is_file() if target is None else os.readlink(path) == target


def test_folders_to_create_are_named_once() -> None:
    names = TreeNames(lambda name, reason: ValueError(f"{name} {reason}"))
    assert names.add("a/b/x", "file") == ["", "a", "a/b"]
    assert names.add("a/b", "folder") == []
    assert names.add("a/c", "folder") == ["a/c"]
    assert names.is_file("a/b/x")
    assert not names.is_file("a/b")
    for name in ("a/b/x", "a", "a/b/x/y"):
        with pytest.raises(ValueError, match="occurs twice"):
            names.add(name, "file")


@pytest.mark.parametrize(
    ("inner", "target", "stays"),
    [
        ("l", "x", True), ("l", "d/x", True), ("l", "./x", True), ("d/l", "../x", True),
        ("d/l", "..", True), ("l", ".", True), ("l", "..", False), ("l", "/x", False),
        ("d/l", "../../x", False), ("l", "a/../b", False), ("d/e/l", "../..", True),
    ],
)  # fmt: skip
def test_links_are_checked_to_stay_inside_their_folder(
    inner: str, target: str, stays: bool
) -> None:
    assert link_stays_inside(inner, target) is stays


@pytest.mark.parametrize(
    "name",
    [".git", ".GIT", ".git.", ".git ", ".git . ", "git~1", "GIT~2", ".git::$INDEX_ALLOCATION",
     ".git:x", ".g\u200cit", "\ufeff.git", ".git\\config", "a\\.git"],
)  # fmt: skip
def test_names_that_some_system_takes_for_dot_git_are_recognized(name: str) -> None:
    assert is_git_name(name)


@pytest.mark.parametrize(
    "name", [".github", ".gitignore", "git", ".git-spacy", "a.git", "git~", ""]
)
def test_names_that_only_resemble_dot_git_are_ordinary(name: str) -> None:
    assert not is_git_name(name)
