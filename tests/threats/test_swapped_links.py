"""Another process replaces a file or folder by a link between any two of our system calls.

No file outside the project may then be written, or read for anything but its hash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy import files
from git_spacy.errors import GitSpacyError
from git_spacy.generate import writer
from git_spacy.generate.managed_block import HASH, GeneratedFile
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project import loader
from git_spacy.state import hashing
from git_spacy.state.project_view import WorkTree
from tests.testing.projects import snapshot
from tests.testing.repositories import write

SECRET = "secret"
CALLS = ("lstat", "stat", "readlink", "open", "mkdir", "unlink", "fchmod", "fsync", "rename",
         "listdir", "scandir", "chmod", "access")  # fmt: skip
MAX_CALLS = 400  # of one action


class Swapping:
    """Replaces `path` by a link to `target` before the N-th file-system call of `os`."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, path: Path, target: Path) -> None:
        self.left = number
        self._path = path
        self._target = target
        self._rename = os.rename
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            self.left -= 1
            if self.left == 0:
                self._swap()
            return real(*arguments, **options)

        return call

    def _swap(self) -> None:
        link = self._path.with_name("link-to-be")
        os.symlink(self._target, link)
        if self._path.is_dir():
            self._rename(self._path, self._path.with_name("moved-aside"))
        self._rename(link, self._path)


def _write_lock(root: Path) -> None:
    lock_file = LockFile(root)
    with lock_file.exclusive():
        lock_file.replace({"train": LockEntry("train", ("python train.py",), (), ())})


def _write_generated(root: Path) -> None:
    writer.write(root, GeneratedFile("sub/file", "/model\n", "git spacy ignore", HASH, shared=True))


def _read(root: Path) -> bytes:
    with files.open_beneath(root, "sub/file") as stream:
        return stream.read()


def _stage(root: Path) -> None:
    with files.staging(root, "sub/file") as staged:
        with staged.open() as stream:
            stream.write(b"new")
        staged.commit()


def _hash(relative: str) -> Callable[[Path], object]:
    def act(root: Path) -> object:
        fingerprint = hashing.fingerprint(root, relative)
        return fingerprint and fingerprint.digest

    return act


ACTIONS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "reading project.yml": ("project.yml", loader.read_bytes),
    "reading project.lock": ("project.lock", lock_format.content),
    "writing project.lock": ("project.lock", _write_lock),
    "writing a generated file": ("sub/file", _write_generated),
    "reading a file": ("sub/file", _read),
    "reading several files": ("sub/file", lambda root: WorkTree(root).read(["sub/file"])),
    "writing a file": ("sub/file", lambda root: files.write_beneath(root, "sub/file", b"new")),
    "staging a file": ("sub/file", _stage),
    "making a folder": ("sub/new", lambda root: files.make_directory(root, "sub/new/folder")),
    "hashing a file": ("sub/file", _hash("sub/file")),
    "hashing a folder": ("sub/file", _hash("sub")),
}


SWAPPED = [
    (action, swapped)
    for action, (name, _) in ACTIONS.items()
    for swapped in (name, os.path.dirname(name))
    if swapped
]


@pytest.mark.threat("link-destinations", commands="check document lock run status")
@pytest.mark.parametrize(("action", "name"), SWAPPED)
def test_a_link_swapped_in_at_any_system_call_is_not_followed(
    tmp_path: Path, action: str, name: str
) -> None:
    _, act = ACTIONS[action]
    secrets = (SECRET, hashlib.md5(SECRET.encode(), usedforsecurity=False).hexdigest())
    for number in range(1, MAX_CALLS):
        folder = tmp_path / str(number)
        outside, root = folder / "outside", folder / "root"
        write(outside, {"file": SECRET, "new/empty": ""})
        write(root, {"project.yml": "own", "project.lock": "{}\n", "sub/file": "own"})
        is_file = (root / name).is_file()
        before = snapshot(outside)
        target = outside / "file" if is_file else outside / "new" if name == "sub/new" else outside
        result: object = None
        with pytest.MonkeyPatch.context() as patch:
            swapping = Swapping(patch, number, root / name, target)
            try:
                result = act(root)
            except (GitSpacyError, OSError):
                pass
        assert snapshot(outside) == before, f"wrote outside the project at call {number}"
        assert action.startswith("hashing") or all(
            secret not in repr(result) for secret in secrets
        ), f"read outside the project at call {number}"
        if swapping.left > 0:
            assert number > 3
            break
    else:
        pytest.fail("the action has too many system calls")
