"""The one writer: old or new, never torn, and never outside."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy import files, git_names
from git_spacy.errors import Busy, Refused
from tests.testing.projects import snapshot

CALLS = ("open", "write", "fsync", "rename", "unlink", "fchmod", "stat")


class Failing:
    """Makes the N-th of the file-system calls of `os` fail as a full disk does, or stop the
    process as a kill does (an exception that nothing here catches)."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
        self.left = number
        self.error = error
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            self.left -= 1
            dead = isinstance(self.error, Killed) and self.left < 0
            if self.left == 0 or dead:
                raise self.error
            return real(*arguments, **more)

        return call


class Killed(BaseException):
    """What a kill is to the code that runs: nothing that it could handle."""


@pytest.mark.threat("torn-writes")
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Killed()])
def test_whatever_call_fails_the_file_is_old_or_new(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "project.lock"
    outcomes = set()
    for number in range(1, 100):
        path.write_bytes(b"old")
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, number, error)
            try:
                files.write_atomic(path, b"new")
            except type(error):
                pass
        outcomes.add(path.read_bytes())
        if failing.left > 0:
            break
        files.write_atomic(path, b"whole")
        assert path.read_bytes() == b"whole", "a plain rerun heals"
        assert [entry.name for entry in tmp_path.iterdir()] == ["project.lock"]
    else:
        pytest.fail("it never ran to its end")
    assert number > 5
    assert outcomes == {b"old", b"new"}


def test_what_a_killed_process_left_is_swept_away_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    dead = subprocess.Popen((sys.executable, "-c", ""))
    dead.wait()
    (tmp_path / f".project.lock.{dead.pid}.tmp").write_text("hal")
    (tmp_path / f".project.lock.{os.getppid()}.tmp").write_text("being written")
    files.write_atomic(tmp_path / "project.lock", b"new")
    left = sorted(entry.name for entry in tmp_path.iterdir())
    assert left == [f".project.lock.{os.getppid()}.tmp", "project.lock"]


def test_a_replaced_file_keeps_its_permissions_and_a_new_one_gets_the_umasks(
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


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("1")
    (tmp_path / "link").symlink_to("real")
    files.write_atomic(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "2"


def test_a_lock_is_for_one_and_is_given_back_by_the_dead(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    code = (
        "import sys; from pathlib import Path; from git_spacy.files import file_lock\n"
        "with file_lock(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        (sys.executable, "-c", code, str(lock)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[1])},
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(Busy) as caught, files.file_lock(lock, wait=False, hint="wait"):
        pass
    assert caught.value.exit_code == 75
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        child.kill()

    with files.file_lock(lock, waiting=waiting):
        assert waited == [True]
    child.wait()
    child.stdin.close()
    child.stdout.close()


@pytest.mark.threat("links-outside")
@pytest.mark.parametrize("relative", ["link/x", "link", "loop/x", "a/link/x", "inside/../link/x"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, relative: str) -> None:
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


def test_links_inside_and_a_root_behind_a_link_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real/data").mkdir(parents=True)
    (tmp_path / "real/link").symlink_to("data")
    (tmp_path / "root").symlink_to("real")
    root = tmp_path / "root"
    assert files.resolve_beneath(root, "link/x") == tmp_path / "real/data/x"
    files.make_directory(root, "link/a/b")
    assert (tmp_path / "real/data/a/b").is_dir()


@pytest.mark.parametrize("old", ["file", "folder", "nothing"])
@pytest.mark.parametrize("new", ["file", "folder"])
def test_what_is_staged_takes_the_place_of_whatever_was_there(
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
    wanted = (
        {"a/": "", "a/dest": b"new"}
        if new == "file"
        else {"a/": "", "a/dest/": "", "a/dest/new": b"new"}
    )
    assert snapshot(tmp_path) == wanted


def test_what_is_not_swapped_in_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "dest").write_text("old")
    with files.staging(tmp_path, "dest") as staged, staged.open() as stream:
        stream.write(b"new")
    assert snapshot(tmp_path) == {"dest": b"old"}


@pytest.mark.parametrize(
    "name",
    [".git", ".GIT", ".git.", ".git ", ".git . ", "git~1", "GIT~2", ".git::$INDEX_ALLOCATION",
     ".git:x", ".g\u200cit", "\ufeff.git", ".git\\config", "a\\.git"],
)  # fmt: skip
def test_a_name_that_some_system_takes_for_git_s_folder_is_known_in_any_spelling(
    name: str,
) -> None:
    assert git_names.is_git_name(name)


@pytest.mark.parametrize(
    "name", [".github", ".gitignore", "git", ".git-spacy", "a.git", "git~", ""]
)
def test_a_name_that_only_looks_like_git_s_folder_is_an_ordinary_one(name: str) -> None:
    assert not git_names.is_git_name(name)


@pytest.mark.parametrize("target", [".git", ".git/hooks", "sub/.GIT"])
def test_a_link_into_git_s_own_folder_is_not_followed(tmp_path: Path, target: str) -> None:
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


def test_a_program_may_be_executed_by_whoever_may_read_it(tmp_path: Path) -> None:
    files.write_beneath(tmp_path, "a/b/hook", b"#!/bin/sh\n", executable=True, parents=True)
    readable = 0o444 & ~_umask()
    mode = stat.S_IMODE((tmp_path / "a/b/hook").stat().st_mode)
    assert mode & 0o111 == readable >> 2
    with pytest.raises(FileNotFoundError):
        files.write_beneath(tmp_path, "missing/file", b"")


def test_writing_beneath_a_folder_follows_a_link_that_stays_there_and_no_other(
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


def test_what_was_there_is_put_back_where_the_new_cannot_be_put_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/old").write_text("old")
    real = os.rename

    def refuse_the_new(source: str, target: str, **descriptors: int) -> None:
        if source.endswith("-new"):
            raise OSError(28, "No space left on device")
        real(source, target, **descriptors)

    with files.staging(tmp_path, "d") as staged:
        staged.path.mkdir()
        (staged.path / "new").write_text("new")
        monkeypatch.setattr(os, "rename", refuse_the_new)
        with pytest.raises(OSError, match="No space left"):
            staged.commit()
    assert snapshot(tmp_path) == {"d/": "", "d/old": b"old"}


def test_a_link_is_replaced_and_what_it_points_to_is_not_touched(tmp_path: Path) -> None:
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
