"""Threat model: killed-downloads, torn-writes, full-disks, for every verb that writes: each call that changes the file system
fails in turn, or is the last one; and each disk is full after so many bytes.

After each: what the verb writes is as it was, or as it is to be, and whole; a plain rerun makes it
so, and leaves nothing beside it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from git_spacy import cli
from git_spacy.state import lock
from git_spacy.storage.cache_store import CacheStore
from tests.testing.faults import failing, on_full_disk
from tests.testing.projects import process, two_steps
from tests.testing.repositories import git, write

Look = Callable[[Path], Any]
LEFT_OVER = ("*.tmp", ".*.git-spacy-new", ".*.git-spacy-old", "archive-*", "tmp-*")
SIZES = (0, 17, 300)
# every call only for those who have the time: here each verb has its turn at every fourth
STEP = 1 if "GIT_SPACY_STRESS" in os.environ else 4


class Case(NamedTuple):
    """A verb: its words, what is done before, and what of the project it is about."""

    words: tuple[str, ...]
    before: Callable[[Path], object] = lambda root: None
    look: Look = lambda root: {}


def spacy(*words: str, cwd: Path) -> None:
    done = process(*words, cwd=cwd)
    assert done.code == 0, done.err


def content(*names: str) -> Look:
    return lambda root: {name: read(root / name) for name in names}


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def ran(root: Path) -> None:
    spacy("run", "all", cwd=root)


def changed(root: Path) -> None:
    ran(root)
    text = (root / "project.yml").read_text()
    write(root, {"project.yml": text.replace("word: hello", "word: other")})


def remote(root: Path) -> Any:
    """The objects of the remote, each of which is whole."""

    found = {}
    for path in (root / "remote").rglob("*"):
        if path.is_file() and ".git-spacy-tmp" not in path.name:
            with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
                data = b"".join(
                    file.read() for one in tar if (file := tar.extractfile(one)) is not None
                )
            assert hashlib.md5(data).hexdigest() == path.name
            found[path.relative_to(root).as_posix()] = data
    return found


def stored(root: Path) -> Any:
    """The local store has nothing that is damaged."""

    assert CacheStore.open_for(root).verify() == []
    return {}


def pushed(root: Path) -> None:
    git(root, "config", "spacy.remote.default.url", str(root / "remote"))
    ran(root)
    spacy("push", cwd=root)
    for name in ("corpus", "model", "project.lock"):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def restorable(root: Path) -> None:
    spacy("run", "all", "--restore", cwd=root)
    for name in ("corpus", "model", "project.lock"):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def generated(root: Path) -> None:
    spacy("document", cwd=root)
    spacy("graph", "-o", "graph.svg", cwd=root)
    git(root, "add", "-A")
    text = (root / "project.yml").read_text()
    text = text.replace("help: Train on it", "help: Train").replace("[model]", "[model, log.txt]")
    write(root, {"project.yml": text})


def outputs(root: Path) -> Any:
    """The outputs and, each by itself, the entries of the lock."""

    return {**content("corpus/words.txt", "model/weights.txt")(root), **entries(root)}


def entries(root: Path) -> Any:
    return {f"entry of {name}": entry.fingerprint_key for name, entry in lock.read(root).items()}


CASES = {
    "run": Case(("run", "all"), look=outputs),
    "run again": Case(("run", "all"), changed, outputs),
    "run side by side": Case(("run", "all", "-j", "2"), look=outputs),
    "run and keep": Case(("run", "all", "--restore"), look=stored),
    "run from the store": Case(("run", "all", "--restore"), restorable, outputs),
    "assets": Case(
        ("assets",),
        lambda root: write(
            root, {"source": "data", "project.yml": "assets: [{dest: a/b, url: source}]\n"}
        ),
        content("a/b"),
    ),
    "ignore": Case(
        ("ignore",), lambda root: write(root, {".gitignore": "mine\n"}), content(".gitignore")
    ),
    "document": Case(
        ("document",), lambda root: write(root, {"README.md": "mine\n"}), content("README.md")
    ),
    "dvc": Case(("dvc",), look=content("dvc.yaml")),
    "schema": Case(("schema", "-o", "project.schema.json"), look=content("project.schema.json")),
    "graph": Case(("graph", "-o", "graph.svg"), look=content("graph.svg")),
    "check --fix": Case(
        ("check", "generated", "--fix"), generated, content("README.md", "graph.svg")
    ),
    "lock record": Case(
        ("lock", "record", "all"),
        lambda root: (ran(root), (root / "project.lock").unlink()),
        entries,
    ),
    "lock rebuild": Case(
        ("lock", "rebuild"),
        lambda root: (ran(root), (root / "project.lock").unlink()),
        entries,
    ),
    "push": Case(
        ("push",),
        lambda root: (
            git(root, "config", "spacy.remote.default.url", str(root / "remote")),
            ran(root),
        ),
        remote,
    ),
    "pull": Case(("pull",), pushed, outputs),
    "restore": Case(
        ("restore",),
        lambda root: (
            spacy("run", "all", "--restore", cwd=root),
            git(root, "add", "-A"),
            git(root, "commit", "-qm", "ran"),
            shutil.rmtree(root / "model"),
        ),
        content("model/weights.txt"),
    ),
    "cache gc": Case(("cache", "gc", "--days", "0"), restorable, stored),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def pristine(case: Case, tmp_path: Path) -> Path:
    """The project before the verb: always in the same place, since remotes are named by it."""

    root = two_steps(tmp_path / "work")
    write(root, {".gitignore": "/corpus/\n/model/\n/remote/\n"})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    case.before(root)
    shutil.copytree(root, tmp_path / "pristine", symlinks=True)
    return tmp_path / "pristine"


def fresh(pristine: Path) -> Path:
    root = pristine.parent / "work"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(pristine, root, symlinks=True)
    return root


def verb(case: Case, root: Path) -> Callable[[], int]:
    return lambda: cli.main(["-C", str(root), *case.words])


def ours(case: Case, root: Path) -> Any:
    """What we answer for: a script that was interrupted leaves what it has, and no entry says that
    this is its output."""

    found = case.look(root)
    if case.words[0] != "run":
        return found
    return {name: value for name, value in found.items() if "entry" in name}


def rerun(case: Case, root: Path) -> int | None:
    """The same with nothing in its way, in a child as well."""

    return failing(1 << 30, verb(case, root), kills=False).code


def left_over(root: Path) -> list[str]:
    found = (path for pattern in LEFT_OVER for path in root.rglob(pattern))
    return [path.relative_to(root).as_posix() for path in found if ".git/hooks" not in str(path)]


def is_between(now: Any, old: Any, new: Any) -> bool:
    """Each thing as it was, or as it is to be; one that was not there may still not be."""

    return all(value in (old.get(name), new.get(name), None) for name, value in now.items())


@pytest.mark.threat("interrupted-uploads", commands="pull push")
@pytest.mark.threat("killed-downloads", "full-disks")
@pytest.mark.threat(
    "torn-writes",
    commands="assets cache check document dvc graph ignore lock pull push restore run schema",
)
@pytest.mark.slow
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "refused"])
def test_every_call_in_turn(case: Case, pristine: Path, kills: bool) -> None:
    root = fresh(pristine)
    old = case.look(root)
    assert rerun(case, root) == 0
    new = case.look(root)
    for number in range(1, 400, STEP):
        root = fresh(pristine)
        ended = failing(number, verb(case, root), kills=kills)
        assert is_between(case.look(root), old, new), number
        if not kills and ended.was_touched:
            # 0: what failed is told in a warning, or is a cache; 5: this machine
            assert ended.code in (0, 5), (number, ended)
        assert rerun(case, root) == 0, number
        assert case.look(root) == new, number
        assert left_over(root) == [], number
        if not ended.was_touched:
            assert number > 2, "nothing was counted"
            return
    raise AssertionError("it never ends")


@pytest.mark.threat(
    "torn-writes",
    commands="assets cache check document dvc graph ignore lock pull push restore run schema",
)
@pytest.mark.threat("full-disks")
@pytest.mark.parametrize("size", SIZES)
def test_a_disk_that_is_full_after_so_many_bytes(case: Case, pristine: Path, size: int) -> None:
    root = fresh(pristine)
    old = case.look(root)
    assert rerun(case, root) == 0
    new = case.look(root)
    root = fresh(pristine)
    code = on_full_disk(size, verb(case, root))
    # 4: git could not write; a script that cannot write fails as it likes (Python's own code is 120)
    assert code in (0, 1, 4, 5) or (case.words[0] == "run" and code == 120), code
    assert is_between(ours(case, root), old, new)
    assert rerun(case, root) == 0
    assert case.look(root) == new
    assert left_over(root) == []


def test_an_error_number_says_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = two_steps(tmp_path / "p")
    for number in range(1, 30):
        ended = failing(number, verb(Case(("document",)), root), kills=False, code=errno.ENOSPC)
        err = capfd.readouterr().err
        if ended.code == 5:
            assert "error: " in err
            assert "Traceback" not in err
        if not ended.was_touched:
            return
    raise AssertionError
