"""The work tree and what is staged, seen with the same eyes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.project.paths import ProjectPath
from git_spacy.state import project_view as views
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.hashing import fingerprint as read_in_full
from git_spacy.state.project_view import LFS_POINTER, LINE_ENDINGS, Staged, TrackedFiles, WorkTree
from tests.testing.repositories import git, repository, write

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
def made(tmp_path: Path) -> Path:
    return repository(tmp_path / "r", FILES) / "p"


def test_all_views_say_the_same_of_a_clean_work_tree(made: Path) -> None:
    paths = [path(name) for name in ("a", "d", "d/x", "bin", "kept", "nothing", "kept/in")]
    for algorithm in ("md5", "sha256"):
        disk = WorkTree(made).fingerprints(paths, algorithm)
        assert disk == Staged(made).fingerprints(paths, algorithm)
        assert disk == TrackedFiles(made).fingerprints(paths, algorithm)
        assert disk["d"] == read_in_full(made, "d", algorithm)
        assert [name for name, known in disk.items() if known is None] == [
            "kept",
            "nothing",
            "kept/in",
        ]
    for view in (WorkTree(made), Staged(made)):
        assert (view.project(), view.lock()) == (b"title: x\n", b"{}\n")


@pytest.mark.threat("staged-content")
def test_what_is_staged_counts_and_not_the_work_tree(made: Path) -> None:
    write(made, {"project.yml": "title: edited\n", "a": "edited", "d/untracked": "x", "new": "x"})
    (made / "project.lock").unlink()
    staged = Staged(made)
    assert (staged.project(), staged.lock()) == (b"title: x\n", b"{}\n")
    found = staged.fingerprints([path("a"), path("d"), path("new")])
    assert found["a"] == Fingerprint(md5(b"text\n"), "", 5)
    assert found["d"] is not None
    assert found["d"].digest == md5(b"onetwo")
    assert found["new"] is None
    assert staged.present([path("new"), path("a")])["new"] == Fingerprint(md5(b"x"), "", 1)
    assert staged.present([path("a")])["a"] == found["a"], "what is staged goes before"
    tracked = TrackedFiles(made).fingerprints([path("a"), path("d"), path("new")])
    assert tracked["a"] == Fingerprint(md5(b"edited"), "", 6)
    assert tracked["d"] == found["d"]
    assert tracked["new"] is None


def test_links_are_looked_at_in_the_work_tree(made: Path) -> None:
    os.symlink("a", made / "link")
    git(made, "add", "link")
    assert Staged(made).fingerprints([path("link")])["link"] == Fingerprint(md5(b"text\n"), "", 5)


def test_without_a_repository_nothing_is_staged(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match="is in no Git work tree"):
        Staged(tmp_path)
    write(tmp_path, {"a": "x"})
    assert TrackedFiles(tmp_path).fingerprints([path("a")])["a"] is not None
    assert WorkTree(tmp_path).ignored([path("a")]) == set()


def test_a_project_that_was_never_added_is_not_staged(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    write(made, {"project.yml": "title: x"})
    with pytest.raises(InvalidInput, match="not staged"):
        Staged(made).project()
    assert Staged(made).lock() is None


@pytest.mark.parametrize(
    ("here", "recorded", "words"),
    [
        (b"a\r\nb\r\n", b"a\nb\n", LINE_ENDINGS),
        (b"a\nb\n", b"a\r\nb\r\n", LINE_ENDINGS),
        (b"a\r\nb\n", b"a\nb\n", LINE_ENDINGS),
        (b"a\nb\n", b"a\nc\n", None),
        (b"a\rb", b"a\nb", None),
        (b"\0a\r\n", b"\0a\n", None),
        (POINTER.format("0" * 64, 3).encode(), b"abc", LFS_POINTER),
    ],
)
def test_an_excuse_for_another_content(
    made: Path, here: bytes, recorded: bytes, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(made, {"file": here})
    git(made, "-c", "core.autocrlf=false", "add", "file")
    for view in (WorkTree(made), Staged(made)):
        assert view.benign_difference(path("file"), md5(recorded)) == words
    monkeypatch.setattr(views, "_CHUNK", 1 if words != LFS_POINTER else 64)
    assert WorkTree(made).benign_difference(path("file"), md5(recorded)) == words, (
        "read byte by byte"
    )


def test_an_excuse_for_a_folder(made: Path) -> None:
    write(made, {"d/x/1": "one\r\n", "d/x.2": "two\r\n"})
    assert WorkTree(made).benign_difference(path("d"), md5(b"one\ntwo\n")) == LINE_ENDINGS
    assert WorkTree(made).benign_difference(path("nothing"), md5(b"x")) is None


def test_a_pointer_whose_content_lies_in_the_work_tree_is_as_good_as_that(made: Path) -> None:
    """Without Git LFS itself: a filter that does what it does."""

    (made.parent / ".git/info/attributes").write_text("big filter=large\n")
    git(
        made,
        "config",
        "filter.large.clean",
        "printf 'version https://git-lfs.github.com/spec/v1\\n'; md5sum",
    )
    git(made, "config", "filter.large.smudge", "printf content")
    write(made, {"big": "content"})
    git(made, "add", "big")
    staged = Staged(made)
    assert staged.benign_difference(path("big"), md5(b"content")) == ""
    assert staged.benign_difference(path("big"), md5(b"another")) == LFS_POINTER
    write(made, {"big": "edited!"})
    assert staged.benign_difference(path("big"), md5(b"edited!")) == LFS_POINTER, (
        "not what is staged"
    )


def test_what_is_ignored_on_purpose(made: Path) -> None:
    write(made, {"../.gitignore": "/p/data/\n"})
    asked = [path("data/x"), path("a"), path("other")]
    for view in (WorkTree(made), Staged(made)):
        assert view.ignored(asked) == {asked[0]}


def test_large_contents_are_hashed_once_and_small_ones_leave_no_trace(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = made.parent / ".git/spacy"
    small = Staged(made)
    small.fingerprints([path("d")])
    small.save()
    assert not index.exists(), "a hook that writes on every commit is felt"
    write(made, {"large": os.urandom(5 << 20)})
    git(made, "add", "large")
    first = Staged(made)
    found = first.fingerprints([path("large"), path("a")])
    first.save()
    assert index.exists()
    monkeypatch.setattr(
        Staged, "_hash", lambda self, paths, algorithm: dict.fromkeys(paths, "hashed")
    )
    assert Staged(made).fingerprints([path("large")])["large"] == found["large"]
    write(made, {"large": "another"})
    git(made, "add", "large")
    assert Staged(made).fingerprints([path("large")])["large"] == "hashed"


@pytest.mark.threat("expanding-notes", commands="check")
def test_a_staged_lock_that_is_far_too_large_is_refused_unread(tmp_path: Path) -> None:
    """Issue 17, B12: a hook read all of a committed 400 MB project.lock."""

    import pytest

    from git_spacy.errors import InvalidInput
    from git_spacy.state.project_view import Staged
    from tests.testing.repositories import repository

    root = repository(
        tmp_path / "p", {"project.yml": "title: t\n", "project.lock": bytes(65 << 20)}
    )
    with pytest.raises(InvalidInput, match="the limit is 67,108,864"):
        Staged(root)
