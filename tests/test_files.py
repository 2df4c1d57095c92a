"""Writing files: the content is the old or the new one after a crash, and stays below its folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy import files
from git_spacy.errors import Refused
from tests.testing.projects import snapshot

PATCHED_CALLS = ("open", "write", "fsync", "rename", "unlink", "fchmod", "stat")


class FailingCalls:
    """Make the N-th of the file-system calls of `os` fail, as with a full disk, or end everything,
    as if the process was killed (an exception that nothing catches)."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
        self.remaining = number
        self.error = error
        for name in PATCHED_CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            self.remaining -= 1
            is_dead = isinstance(self.error, Killed) and self.remaining < 0
            if self.remaining == 0 or is_dead:
                raise self.error
            return real(*arguments, **more)

        return call


class Killed(BaseException):
    """Stands for a SIGKILL: no code handles it."""


@pytest.mark.threat("torn-writes")
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Killed()])
def test_whichever_call_fails_the_content_is_old_or_new(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "project.lock"
    outcomes = set()
    for number in range(1, 100):
        path.write_bytes(b"old")
        with pytest.MonkeyPatch.context() as patch:
            failing = FailingCalls(patch, number, error)
            try:
                files.write_atomic(path, b"new")
            except type(error):
                pass
        outcomes.add(path.read_bytes())
        if failing.remaining > 0:
            break
        files.write_atomic(path, b"whole")
        assert path.read_bytes() == b"whole", "the next write succeeds"
        assert [entry.name for entry in tmp_path.iterdir()] == ["project.lock"]
    else:
        pytest.fail("the write never completed")
    assert number > 5
    assert outcomes == {b"old", b"new"}


def test_temporary_files_are_removed_unless_their_process_is_alive(
    tmp_path: Path,
) -> None:
    dead = subprocess.Popen((sys.executable, "-c", ""))
    dead.wait()
    (tmp_path / f".project.lock.{dead.pid}.tmp").write_text("hal")
    (tmp_path / f".project.lock.{os.getppid()}.tmp").write_text("being written")
    files.write_atomic(tmp_path / "project.lock", b"new")
    left = sorted(entry.name for entry in tmp_path.iterdir())
    assert left == [f".project.lock.{os.getppid()}.tmp", "project.lock"]


def test_a_replaced_file_keeps_its_permissions_and_a_new_one_follows_the_umask(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    files.write_atomic(path, b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    path.chmod(0o640)
    files.write_atomic(path, b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_symlink_to_a_file_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("1")
    (tmp_path / "link").symlink_to("real")
    files.write_atomic(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "2"


def test_what_is_not_a_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """A link to /dev/null in the place of a cache must not end in a /dev/null that is a file."""

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="Not a regular file"):
            files.write_atomic(tmp_path / name, b"2")
        with pytest.raises(OSError, match="Not a regular file"):
            files.write_beneath(tmp_path, name, b"2")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.threat("links-outside")
@pytest.mark.parametrize("relative", ["link/x", "link", "loop/x", "a/link/x", "inside/../link/x"])
def test_a_symlink_that_leads_out_is_refused(tmp_path: Path, relative: str) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "inside").mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "a/link").symlink_to("../../")
    (root / "loop").symlink_to("link")
    with pytest.raises(Refused, match="leads out of the project"):
        files.resolve_beneath(root, relative)
    with pytest.raises(Refused):
        files.make_directory(root, f"{relative}/new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_symlinks_below_the_root_and_to_the_root_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real/data").mkdir(parents=True)
    (tmp_path / "real/link").symlink_to("data")
    (tmp_path / "root").symlink_to("real")
    root = tmp_path / "root"
    assert files.resolve_beneath(root, "link/x") == tmp_path / "real/data/x"
    files.make_directory(root, "link/a/b")
    assert (tmp_path / "real/data/a/b").is_dir()


@pytest.mark.parametrize("old", ["file", "folder", "nothing"])
@pytest.mark.parametrize("new", ["file", "folder"])
def test_commit_replaces_whatever_was_at_the_destination(
    tmp_path: Path, old: str, new: str
) -> None:
    dest = tmp_path / "a/dest"
    dest.parent.mkdir()
    if old == "file":
        dest.write_text("old")
    elif old == "folder":
        dest.mkdir()
        (dest / "old").write_text("old")
    with files.staging(tmp_path, "a/dest") as staged:
        if new == "file":
            with staged.open() as stream:
                stream.write(b"new")
        else:
            staged.path.mkdir()
            (staged.path / "new").write_text("new")
        staged.commit()
    expected = (
        {"a/": "", "a/dest": b"new"}
        if new == "file"
        else {"a/": "", "a/dest/": "", "a/dest/new": b"new"}
    )
    assert snapshot(tmp_path) == expected


def test_a_staging_without_commit_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "dest").write_text("old")
    with files.staging(tmp_path, "dest") as staged, staged.open() as stream:
        stream.write(b"new")
    assert snapshot(tmp_path) == {"dest": b"old"}


@pytest.mark.parametrize("target", [".git", ".git/hooks", "sub/.GIT"])
def test_a_symlink_into_git_s_own_folder_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / target).mkdir(parents=True)
    (tmp_path / "link").symlink_to(target)
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match="Git's own folder"):
        files.write_beneath(tmp_path, "link/pre-commit", b"echo ran")
    with pytest.raises(Refused, match="Git's own folder"):
        files.make_directory(tmp_path, "link/new")
    with pytest.raises(Refused), files.staging(tmp_path, ".git"):
        pass
    assert snapshot(tmp_path) == before


def test_whoever_may_read_an_executable_file_may_execute_it(tmp_path: Path) -> None:
    files.write_beneath(tmp_path, "a/b/hook", b"#!/bin/sh\n", executable=True, parents=True)
    readable = 0o444 & ~_umask()
    mode = stat.S_IMODE((tmp_path / "a/b/hook").stat().st_mode)
    assert mode & 0o111 == readable >> 2
    with pytest.raises(FileNotFoundError):
        files.write_beneath(tmp_path, "missing/file", b"")


def test_write_beneath_follows_only_symlinks_that_stay_below_the_folder(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real/file").write_text("old")
    (root / "link").symlink_to("real/file")
    (tmp_path / "outside").write_text("old")
    (root / "out").symlink_to("../outside")
    files.write_beneath(root, "link", b"new")
    assert (root / "link").is_symlink()
    assert (root / "real/file").read_text() == "new"
    with pytest.raises(Refused, match="leads out"):
        files.write_beneath(root, "out", b"new")
    assert (tmp_path / "outside").read_text() == "old"


def test_a_failed_commit_restores_the_old_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/old").write_text("old")
    rename = os.rename

    def refuse_the_new(source: str, target: str, **descriptors: int) -> None:
        if source.endswith("-new"):
            raise OSError(28, "No space left on device")
        rename(source, target, **descriptors)

    with files.staging(tmp_path, "d") as staged:
        staged.path.mkdir()
        (staged.path / "new").write_text("new")
        monkeypatch.setattr(os, "rename", refuse_the_new)
        with pytest.raises(OSError, match="No space left"):
            staged.commit()
    assert snapshot(tmp_path) == {"d/": "", "d/old": b"old"}


def test_commit_replaces_a_symlink_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/kept").write_text("kept")
    (tmp_path / "d").symlink_to("target")
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("d", "nowhere"):
        with files.staging(tmp_path, name) as staged:
            with staged.open() as stream:
                stream.write(b"new")
            staged.commit()
    assert snapshot(tmp_path) == {
        "d": b"new", "nowhere": b"new", "target/": "", "target/kept": b"kept",
    }  # fmt: skip
