"""Fetching assets while each system call that changes files fails, or the process is killed there.

A kill is simulated: every call from the N-th on raises, so that no clean-up happens either.
Threats `killed-downloads`, `large-outputs` and `full-disks`.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from git_spacy import files
from git_spacy.assets import merging
from git_spacy.assets.hashing_writer import HashingWriter
from tests.testing.fetching import Fetcher, left_over
from tests.testing.projects import snapshot
from tests.testing.repositories import repository, write
from tests.testing.scripted import Answer, Scripted

OLD, NEW = b"old data\n", b"new data\n"
MD5 = hashlib.md5(NEW).hexdigest()
COUNTED = ("open", "rename", "unlink", "fsync", "mkdir", "rmdir", "link")
needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root has all permissions")


class Killed(BaseException):
    """Simulates that the process was killed."""


class Disk:
    """A stand-in for `os` whose N-th call among COUNTED fails, and with `kills` all later ones."""

    def __init__(self, number: int, kills: bool, code: int = errno.EIO) -> None:
        self.number, self.kills, self.code = number, kills, code
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in COUNTED:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.kills and self.calls >= self.number:
                raise Killed
            if self.calls == self.number:
                raise OSError(self.code, os.strerror(self.code))
            return real(*arguments, **options)

        return call


def fail_every_call(fetcher: Fetcher, kills: bool, patch: pytest.MonkeyPatch, dest: str) -> int:
    """Fetch with the N-th call failing, for N = 1, 2, … until none fails, and return that N.

    After each fetch, the destination must be unchanged, missing or complete, and another fetch must
    succeed and clean up.
    """

    new = None
    for number in range(1, 200):
        restore_old_state(fetcher, dest)
        before = content_at(fetcher.root / dest)
        disk = Disk(number, kills)
        fetcher.is_tidy = False
        with patch.context() as patched:
            patched.setattr(files, "os", disk)
            patched.setattr(merging, "os", disk)
            try:
                code = fetcher.code()
            except Killed:
                code = -1
            except OSError:
                code = 5  # as in the command line, for errors that do not belong to one asset
        found = content_at(fetcher.root / dest)
        if new is not None:
            assert found in (before, new, None), number
        if disk.calls >= number:
            assert code in ((-1, 0) if kills else (0, 5)), number
            if code == 5 and not kills:
                assert found in (before, new or found), number  # new: only fsync failed
        fetcher.is_tidy = True
        assert fetcher.code() == 0, (number, fetcher.error)
        assert not left_over(fetcher.root)
        repaired = content_at(fetcher.root / dest)
        new = new or repaired
        assert repaired == new
        if disk.calls < number:
            return number
    raise AssertionError("the fetch never succeeded")


def restore_old_state(fetcher: Fetcher, dest: str) -> None:
    """Restore the old state, with git-spacy itself where it keeps records."""

    if dest == "folder":
        text = (fetcher.root / "project.yml").read_text()
        (fetcher.root / "project.yml").write_text(text.replace("path: new", "path: old"))
        assert fetcher.code() == 0
        (fetcher.root / "project.yml").write_text(text)
    elif dest == "deep/er/new":
        for path in sorted(fetcher.root.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
            elif path.name not in ("project.yml", "source"):
                path.unlink()
    else:
        (fetcher.root / "source").write_bytes(OLD)
        fetcher.write_asset(dest, url="source")
        assert fetcher.code(force=True) == 0
        (fetcher.root / "source").write_bytes(NEW)
        fetcher.write_asset(dest, url="source", checksum=MD5)


def content_at(path: Path) -> Any:
    """Return the content of a file or folder, or None if it does not exist."""

    if path.is_dir():
        return snapshot(path)
    return path.read_bytes() if path.exists() else None


@pytest.mark.threat("killed-downloads", commands="assets")
@pytest.mark.parametrize("kills", [True, False])
@pytest.mark.parametrize("dest", ["data", "deep/er/new"])
def test_file_survives_failures_of_every_call(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, kills: bool, dest: str
) -> None:
    write(fetcher.root, {"source": NEW})
    fetcher.write_asset(dest, url="source", checksum=MD5)
    assert fail_every_call(fetcher, kills, monkeypatch, dest) > 8


@pytest.mark.threat("killed-downloads", commands="assets")
@pytest.mark.parametrize("kills", [True, False])
def test_folder_survives_failures_of_every_call(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, kills: bool, tmp_path: Path
) -> None:
    from git_spacy.assets.sources import git as source
    from git_spacy.git.remote_tree import CheckoutResult

    class Tree(NamedTuple):
        commit: str = "0" * 40
        listing: tuple[()] = ()
        warn: object = None

        def files(self, path: str) -> list[str]:
            return [path]

        def checkout(self, path: str, dest: Path) -> CheckoutResult:
            write(dest, {"x": OLD} if path == "old" else {"d/x": NEW})
            return CheckoutResult(1, ())

    tree = Tree()

    class Opened:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> Tree:
            return tree

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(source, "open_remote_tree", Opened)  # without a network
    write(fetcher.root, {"folder/d/mine": b"not fetched"})
    fetcher.write("assets:\n  - dest: folder\n    git: {repo: https://e.example/r, path: new}\n")
    assert fail_every_call(fetcher, kills, monkeypatch, "folder") > 8


def test_full_disk_keeps_the_old_file(
    fetcher: Fetcher, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(fetcher.root, {"data": OLD})
    fetcher.write_asset("data", url=web.on("/x", Answer(NEW)), checksum=MD5)

    def full(self: HashingWriter, chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(HashingWriter, "write", full)
        assert fetcher.code() == 5
    assert "space" in fetcher.error
    assert fetcher.files() == {"data": OLD}
    assert fetcher.code() == 0


@pytest.mark.threat("full-disks", commands="assets")
@needs_permissions
@pytest.mark.parametrize("unreadable", ["source", "data", "folder"])
def test_missing_permissions_keep_the_old_file(fetcher: Fetcher, unreadable: str) -> None:
    write(fetcher.root, {"source": NEW, "folder/data": OLD})
    fetcher.write_asset("folder/data", url="source", checksum=MD5)
    path = (
        fetcher.root / {"source": "source", "data": "folder/data", "folder": "folder"}[unreadable]
    )
    mode = path.stat().st_mode
    path.chmod(0o500 if unreadable == "folder" else 0)
    try:
        assert fetcher.code() == 5
    finally:
        path.chmod(mode)
    assert (fetcher.root / "folder/data").read_bytes() == OLD


def test_read_only_folder_is_reported(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, web: Scripted
) -> None:
    write(fetcher.root, {"data": OLD})
    fetcher.write_asset("data", url=web.on("/x", Answer(NEW)), checksum=MD5)

    class ReadOnly(Disk):
        def __getattr__(self, name: str) -> Any:
            real = getattr(os, name)
            if name != "open":
                return real

            def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> Any:
                if flags & os.O_CREAT:
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                return real(path, flags, *rest, **options)

            return refuse

    with monkeypatch.context() as patch:
        patch.setattr(files, "os", ReadOnly(0, False))
        assert fetcher.code() == 5
    assert "permission" in fetcher.error
    assert fetcher.files() == {"data": OLD}
    assert not web.requests


@pytest.mark.threat("large-outputs", commands="assets")
def test_a_large_file_takes_little_memory(fetcher: Fetcher, web: Scripted) -> None:
    import tracemalloc

    def large(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(64 << 20))
        handler.end_headers()
        block = bytes(1 << 20)
        for _ in range(64):
            handler.wfile.write(block)

    fetcher.write_asset("data", url=web.on("/x", large))
    repository(fetcher.root.parent)
    tracemalloc.start()
    try:
        assert fetcher.code() == 0
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert (fetcher.root / "data").stat().st_size == 64 << 20
