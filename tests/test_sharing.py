"""Shared repositories (`core.sharedRepository`): our files in Git's folder have the permissions of
Git's own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy import sharing
from git_spacy.file_locks import file_lock
from git_spacy.files import write_atomic, write_beneath
from tests.testing.projects import process, two_steps
from tests.testing.repositories import git

VALUES = ("group", "all", "0660", "0640", "0770", "umask", "false")


@pytest.fixture(params=[0o077, 0o022], ids=["umask 077", "umask 022"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes_of_git(top: Path) -> tuple[int, int, int]:
    """Return the modes that Git itself gives a folder, a file and an object in a repository."""

    git(top, "commit", "-q", "--allow-empty", "-m", "for its modes")
    head = git(top, "rev-parse", "HEAD").strip()
    loose = top / ".git/objects" / head[:2] / head[2:]
    (branch,) = (top / ".git/refs/heads").iterdir()
    return mode(loose.parent), mode(branch), mode(loose)


def repository(top: Path, value: str) -> Path:
    git(top.parent, "init", "-q", str(top))
    git(top, "config", "core.sharedRepository", value)
    return top


def our_paths(top: Path) -> list[Path]:
    """Return all that git-spacy has written into the Git folder of the repository at `top`.

    The logs of runs are left out, whose files are private; their folder is not.
    """

    folders = [path for path in (top / ".git").rglob("spacy") if path.is_dir()]
    assert folders
    paths = {path for folder in folders for path in (folder, *folder.rglob("*"))}
    logs = {path for path in paths if path.suffix == ".log" and path.parent.name == "logs"}
    assert {mode(path) for path in logs} <= {0o600}
    return sorted(paths - logs)


@pytest.mark.parametrize("value", VALUES)
def test_files_and_folders_get_the_modes_of_git(tmp_path: Path, umask: int, value: str) -> None:
    top = repository(tmp_path / "r", value)
    folder, file, _ = modes_of_git(top)
    our_folder = top / ".git/spacy"
    with file_lock(our_folder / "a/b/lock"):
        write_atomic(our_folder / "a/text", b"x")
    write_beneath(top / ".git", "spacy/hooks/c", b"x", parents=True)
    for path in our_paths(top):
        assert oct(mode(path)) == oct(folder if path.is_dir() else file), path
    write_beneath(top / ".git", "spacy/hooks/d", b"x", executable=True)
    readable = file & 0o444
    assert mode(our_folder / "hooks/d") == file | readable >> 2
    write_atomic(our_folder / "a/text", b"y")
    assert mode(our_folder / "a/text") == file


@pytest.mark.parametrize("value", ["group", "umask"])
def test_what_a_run_writes_has_the_modes_of_git(tmp_path: Path, umask: int, value: str) -> None:
    root = two_steps(tmp_path / "r")
    repository(root, value)
    git(root, "config", "spacy.restore", "true")
    git(root, "add", "-A")
    folder, file, loose = modes_of_git(root)
    for arguments in (("run", "all"), ("assets",), ("init", "--yes"), ("run", "all", "--force")):
        done = process(*arguments, cwd=root)
        assert done.code == 0, done.err
    paths = our_paths(root)
    names = {
        path.relative_to(root / ".git").as_posix().split("/")[1]
        for path in paths
        if path.parent.name == "spacy"
    }
    assert {"store", "index", "index.lock", "run.lock", "runs", "notes.lock", "init.json"} <= names
    for path in paths:
        is_object = "objects" in path.parts and not path.is_dir()
        expected = folder if path.is_dir() else loose if is_object else file
        if "hooks" not in path.parts or path.is_dir():
            assert oct(mode(path)) == oct(expected), path


def test_another_worktree_and_a_project_in_a_subfolder_follow_the_repository(
    tmp_path: Path, umask: int
) -> None:
    top = repository(tmp_path / "r", "group")
    folder, file, _ = modes_of_git(top)
    git(top, "worktree", "add", "-q", str(tmp_path / "w"))
    root = two_steps(tmp_path / "w/inner")
    done = process("run", "all", cwd=root)
    assert done.code == 0, done.err
    paths = our_paths(top)
    assert any("worktrees" in path.parts and path.name == "index" for path in paths)
    for path in paths:
        assert oct(mode(path)) == oct(folder if path.is_dir() else file), path


def test_a_pending_record_has_the_mode_of_git(tmp_path: Path, umask: int) -> None:
    root = two_steps(tmp_path / "r")
    repository(root, "group")
    done = process("run", "all", cwd=root)
    assert done.code == 0, done.err
    folder, file, _ = modes_of_git(root)
    assert (root / ".git/spacy/pending").is_file()
    for path in our_paths(root):
        assert oct(mode(path)) == oct(folder if path.is_dir() else file), path


def test_outside_our_folder_the_umask_decides(tmp_path: Path, umask: int) -> None:
    top = repository(tmp_path / "r", "all")
    for folder in (top, tmp_path):
        write_beneath(folder, "spacy/a/file", b"x", parents=True)
        assert mode(folder / "spacy/a/file") == 0o666 & ~umask
        assert mode(folder / "spacy/a") == 0o777 & ~umask
        write_atomic(folder / "spacy/file", b"x")
        assert mode(folder / "spacy/file") == 0o666 & ~umask


def test_the_setting_is_read_as_git_reads_it(tmp_path: Path, umask: int) -> None:
    top = repository(tmp_path / "r", "umask")
    config = top / ".git/config"
    plain = config.read_text()
    for number, text in enumerate(
        (
            "[core]\n\tsharedRepository = group\n",
            "[Core]\nSHAREDREPOSITORY=all # everybody\n",
            '[core] sharedrepository = "0640" ; some\n',
            "[core]\nsharedrepository\n",
            "[core]\nsharedrepository = yes\n",
            "[core]\nsharedrepository = 1\n",
            "[core]\nsharedrepository = 2\n",
            "[core]\nsharedrepository = world\n",
            "[core]\nsharedrepository = everybody\n",
            "[core]\nsharedrepository = 0600\n",
            "[core]\nsharedrepository = 0\n",
            "[core]\nsharedrepository =\n",
            '[core "x"]\nsharedrepository = all\n',
            "[other]\nsharedrepository = all\n",
            "[core]\nsharedrepository = group\nsharedrepository = false\n",
        )
    ):
        config.write_text(plain + text)
        file = top / f".git/spacy/{number}"
        with file_lock(file):
            pass
        git(top, "update-ref", f"refs/heads/m{number}", _empty_commit(top))
        assert mode(file) == mode(top / f".git/refs/heads/m{number}"), text


def _empty_commit(top: Path) -> str:
    tree = git(top, "hash-object", "-w", "-t", "tree", "/dev/null").strip()
    return git(top, "commit-tree", "-m", "x", tree).strip()


def test_a_value_that_git_refuses_changes_nothing(tmp_path: Path, umask: int) -> None:
    top = repository(tmp_path / "r", "umask")
    for value in ("0444", "9", "nonsense", "077777777777777", "-1"):
        (top / ".git/config").write_text(f"[core]\n\tsharedRepository = {value}\n")
        assert sharing.adjusted(top / ".git/spacy/x", 0o100644) == 0o100644


_AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from git_spacy.state.hashing import Fingerprint, digest_contents, digest_file_names, files_below
from git_spacy.storage.cache_store import CachedResult, CacheStore
from git_spacy.files import staging
user, root, store, others = int(sys.argv[1]), Path(sys.argv[2]), CacheStore(Path(sys.argv[3])), sys.argv[4:]
os.setgroups([4321]); os.setgid(4321); os.setuid(user); os.umask(0o077)
root.mkdir()
(root / "out").write_text(f"made by {user}")
facts = files_below(root, "out")
known = Fingerprint(digest_contents(root, facts), digest_file_names(facts), facts[0].size)
store.save(facts, known)
store.add_result("0" * 64, CachedResult((("out", known.digest, known.names),)))
for other in others:
    with staging(root, "theirs") as staged:
        assert store.restore(*other.split(":"), staged)
        staged.commit()
    assert (root / "theirs").read_text().startswith("made by ")
assert store.verify() == []
print(f"{known.digest}:{known.names}")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two other users of one group")
def test_two_users_of_a_group_use_one_cache() -> None:
    with tempfile.TemporaryDirectory() as folder:  # other users may not read pytest's own
        home = Path(folder)
        home.chmod(0o777)
        top = repository(home / "r", "group")
        for path in (top, *top.rglob("*")):
            os.chown(path, 4001, 4321)
            path.chmod(0o2770 if path.is_dir() else 0o660)
        stored: list[str] = []
        for turn, user in enumerate((4001, 4002, 4001)):
            arguments = (user, home / f"work-{turn}", top / ".git/spacy/store", *stored)
            done = subprocess.run(
                [sys.executable, "-c", _AS_ANOTHER_USER, *map(str, arguments)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            stored.append(done.stdout.strip())
