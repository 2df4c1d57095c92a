"""The views of a project: worktree, tracked files and index."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.hashing import fingerprint as read_in_full
from git_spacy.state.project_view import LFS_POINTER, Staged, TrackedFiles, WorkTree
from tests.testing.repositories import commit, git, repository, write

FILES: dict[str, str | bytes] = {
    "p/project.yml": "title: x\n", "p/project.lock": "{}\n", "p/a": "text\n", "p/d/x/1": "one",
    "p/d/x.2": "two", "p/d/.gitkeep": "", "p/kept/.gitkeep": "", "p/kept/in/.gitignore": "*\n",
    "p/bin": b"\0\1\r\n", "outside": "x",
}  # fmt: skip
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


def path(text: str) -> ProjectPath:
    return ProjectPath(text, text)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "r", FILES) / "p"


def test_all_views_agree_on_a_clean_worktree(root: Path) -> None:
    paths = [path(name) for name in ("a", "d", "d/x", "bin", "kept", "nothing", "kept/in")]
    for algorithm in ("md5", "sha256"):
        disk = WorkTree(root).fingerprints(paths, algorithm)
        assert disk == Staged(root).fingerprints(paths, algorithm)
        assert disk == TrackedFiles(root).fingerprints(paths, algorithm)
        assert disk["d"] == read_in_full(root, "d", algorithm)
        assert [name for name, fingerprint in disk.items() if fingerprint is None] == [
            "kept",
            "nothing",
            "kept/in",
        ]
    for view in (WorkTree(root), Staged(root)):
        assert (view.project(), view.lock()) == (b"title: x\n", b"{}\n")


@pytest.mark.threat("staged-content")
def test_staged_files_are_read_instead_of_the_worktree(root: Path) -> None:
    write(root, {"project.yml": "title: edited\n", "a": "edited", "d/untracked": "x", "new": "x"})
    (root / "project.lock").unlink()
    staged = Staged(root)
    assert (staged.project(), staged.lock()) == (b"title: x\n", b"{}\n")
    found = staged.fingerprints([path("a"), path("d"), path("new")])
    assert found["a"] == Fingerprint(md5(b"text\n"), "", 5)
    assert found["d"] is not None
    assert found["d"].digest == md5(b"onetwo")
    assert found["new"] is None
    assert staged.present([path("new"), path("a")])["new"] == Fingerprint(md5(b"x"), "", 1)
    assert staged.present([path("a")])["a"] == found["a"], "a staged file takes precedence"
    tracked = TrackedFiles(root).fingerprints([path("a"), path("d"), path("new")])
    assert tracked["a"] == Fingerprint(md5(b"edited"), "", 6)
    assert tracked["d"] == found["d"]
    assert tracked["new"] is None


def test_links_are_followed_in_the_worktree(root: Path) -> None:
    os.symlink("a", root / "link")
    git(root, "add", "link")
    assert Staged(root).fingerprints([path("link")])["link"] == Fingerprint(md5(b"text\n"), "", 5)


def test_there_is_no_index_outside_a_repository(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a Git repository"):
        Staged(tmp_path)
    write(tmp_path, {"a": "x"})
    assert TrackedFiles(tmp_path).fingerprints([path("a")])["a"] is not None
    assert WorkTree(tmp_path).ignored([path("a")]) == set()


def test_a_project_that_was_never_added_is_an_error(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    write(root, {"project.yml": "title: x"})
    with pytest.raises(InvalidInput, match="not staged"):
        Staged(root).project()
    assert Staged(root).lock() is None


@pytest.mark.parametrize(
    ("staged", "recorded", "message"),
    [
        (b"a\nb\n", b"a\r\nb\r\n", ""),
        (b"a\r\nb\r\n", b"a\nb\n", None),
        (b"a\nb\n", b"a\nc\n", None),
        (b"a\rb", b"a\nb", None),
        (b"\0a\n", b"\0a\r\n", None),
        (POINTER.format("0" * 64, 3).encode(), b"abc", LFS_POINTER),
    ],
)
def test_a_benign_difference_of_a_file_is_recognized(
    root: Path, staged: bytes, recorded: bytes, message: str | None
) -> None:
    """Only text that Git has with LF is checked out with other line endings."""

    write(root, {"file": staged})
    git(root, "-c", "core.autocrlf=false", "add", "file")
    for view in (WorkTree(root), Staged(root)):
        assert view.benign_difference(path("file"), md5(recorded)) == message


def test_a_benign_difference_of_a_folder_is_recognized(root: Path) -> None:
    git(root, "config", "core.autocrlf", "true")
    for name in ("d/x/1", "d/x.2"):
        write(root, {name: f"{name}\n"})
        git(root, "add", name)
        (root / name).unlink()
    git(root, "checkout", "-q", ".")
    assert (root / "d/x/1").read_bytes() == b"d/x/1\r\n"
    assert WorkTree(root).benign_difference(path("d"), md5(b"d/x/1\nd/x.2\n")) == ""
    assert WorkTree(root).benign_difference(path("d"), md5(b"d/x/1\r\nd/x.2\n")) is None
    assert WorkTree(root).benign_difference(path("nothing"), md5(b"x")) is None


def test_an_lfs_pointer_matches_if_its_file_is_unmodified_in_the_worktree(root: Path) -> None:
    """A filter stands in for Git LFS."""

    (root.parent / ".git/info/attributes").write_text("big filter=large\n")
    git(
        root,
        "config",
        "filter.large.clean",
        "printf 'version https://git-lfs.github.com/spec/v1\\n'; md5sum",
    )
    git(root, "config", "filter.large.smudge", "printf content")
    write(root, {"big": "content"})
    git(root, "add", "big")
    staged = Staged(root)
    assert staged.benign_difference(path("big"), md5(b"content")) == ""
    assert staged.benign_difference(path("big"), md5(b"another")) is None, "the file is here"
    write(root, {"big": "edited!"})
    assert Staged(root).benign_difference(path("big"), md5(b"edited!")) is None, (
        "not what is staged"
    )


def test_ignored_paths_are_those_that_git_ignores(root: Path) -> None:
    write(root, {"../.gitignore": "/p/data/\n"})
    paths = [path("data/x"), path("a"), path("other")]
    for view in (WorkTree(root), Staged(root)):
        assert view.ignored(paths) == {paths[0]}


def test_only_fingerprints_of_large_contents_are_saved(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = root.parent / ".git/spacy"
    small = Staged(root)
    small.fingerprints([path("d")])
    small.save()
    assert not index.exists(), "a hook should not write on every commit"
    write(root, {"large": os.urandom(5 << 20)})
    git(root, "add", "large")
    first = Staged(root)
    found = first.fingerprints([path("large"), path("a")])
    first.save()
    assert index.exists()
    monkeypatch.setattr(
        Staged, "_hash", lambda self, paths, algorithm: dict.fromkeys(paths, "hashed")
    )
    assert Staged(root).fingerprints([path("large")])["large"] == found["large"]
    write(root, {"large": "another"})
    git(root, "add", "large")
    assert Staged(root).fingerprints([path("large")])["large"] == "hashed"


@pytest.mark.threat("expanding-notes", commands="check")
def test_a_staged_lock_that_is_too_large_is_refused_without_reading_it(tmp_path: Path) -> None:
    """A hook once read all of a committed project.lock of 400 MB."""

    root = repository(
        tmp_path / "p", {"project.yml": "title: t\n", "project.lock": bytes(65 << 20)}
    )
    with pytest.raises(InvalidInput, match="the limit is 67,108,864"):
        Staged(root)


def test_a_project_file_that_is_only_intended_to_be_added_is_not_staged(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    write(root, {"project.yml": "title: x", "project.lock": "{}\n", "a": "x", "d/b": "x"})
    git(root, "add", "-N", ".")
    staged = Staged(root)
    with pytest.raises(InvalidInput, match="not staged"):
        staged.project()
    assert staged.lock() is None
    assert staged.fingerprints([path("a"), path("d")]) == {"a": None, "d": None}


def test_project_files_in_conflict_are_reported_with_a_way_out(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"project.yml": "title: x\n", "project.lock": "{}\n"})
    git(root, "switch", "-qc", "other")
    commit(root, {"project.yml": "title: y\n", "project.lock": "y: {cmd: y}\n"})
    git(root, "switch", "-q", "main")
    commit(root, {"project.yml": "title: z\n", "project.lock": "z: {cmd: z}\n"})
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "-q", "other")
    with pytest.raises(
        InvalidInput, match=r"in conflict\nhint: edit it, then: git add project\.yml"
    ):
        Staged(root).project()
    with pytest.raises(InvalidInput, match=r"in conflict\nhint: git spacy lock resolve"):
        Staged(root).lock()
