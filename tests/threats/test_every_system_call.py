"""Interrupt every command that writes at each of its system calls.

Threat model: killed-downloads, torn-writes, full-disks. Each call that changes the file system fails
in turn, or kills the process, or the disk is full after some bytes. Afterwards each file is complete,
in its old or new version; a rerun completes the work and leaves no temporary files.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from git_spacy.cli.main import main
from git_spacy.history import run_history
from git_spacy.lock import lock_format
from git_spacy.storage.cache_store import CacheStore
from tests.testing.archives import tar_of
from tests.testing.faults import failing, on_full_disk
from tests.testing.projects import two_steps
from tests.testing.repositories import git, write

ReadState = Callable[[Path], Any]
LEFT_OVER = ("*.tmp", ".*.git-spacy-new", ".*.git-spacy-old", "archive-*", "tmp-*")
SIZES = (0, 17, 300)
IS_LONG = "GIT_SPACY_STRESS" in os.environ
STEP = 1 if IS_LONG else 8  # from one call to the next


class Case(NamedTuple):
    """A command line, what to do before it, and a function that reads what it writes."""

    words: tuple[str, ...]
    prepare: Callable[[Path], object] = lambda root: None
    state: ReadState = lambda root: {}


def spacy(*words: str, cwd: Path) -> None:
    """Run a command in a child process, which must succeed."""

    assert failing(1 << 30, lambda: main(["-C", str(cwd), *words]), kills=False).code == 0


def content(*names: str) -> ReadState:
    return lambda root: {name: read(root / name) for name in names}


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def ran(root: Path) -> None:
    spacy("run", "all", cwd=root)


def committed(root: Path) -> None:
    ran(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "ran")


def changed(root: Path) -> None:
    ran(root)
    text = (root / "project.yml").read_text()
    write(root, {"project.yml": text.replace("word: hello", "word: other")})


def extracted(root: Path) -> None:
    """Extract an archive into a folder with a file of the user, and change the archive then."""

    asset = "{dest: data, url: source, extract: true}"
    old = {"a": b"1", "only_old": b"1"}
    write(root, {"source": tar_of(old), "project.yml": f"assets: [{asset}]\n"})
    spacy("assets", cwd=root)
    write(root, {"data/mine": "mine", "source": tar_of({"a": b"2", "only_new": b"2"})})


def remote(root: Path) -> Any:
    """Return the objects in the remote; check that each of them is complete."""

    objects = {}
    for path in (root / "remote").rglob("*"):
        if path.is_file() and ".git-spacy-tmp" not in path.name:
            with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
                data = b"".join(
                    file.read() for member in tar if (file := tar.extractfile(member)) is not None
                )
            assert hashlib.md5(data).hexdigest() == path.name
            objects[path.relative_to(root).as_posix()] = data
    return objects


def undamaged_cache(root: Path) -> Any:
    """Check that the cache has no damaged files."""

    assert CacheStore.open_for(root).verify() == []
    return {}


def variants(root: Path) -> Any:
    """Return the outputs of each variant that ran in a copy; check that the cache has them."""

    assert CacheStore.open_for(root).verify() == []
    found = {}
    for record in run_history.all_records(root):
        if record.exit == 0 and record.isolated:
            assert all(
                CacheStore.open_for(root).has(out.md5 or "", out.names) for out in record.outs
            )
            found[f"entry of {record.command} {record.vars}"] = [out.md5 for out in record.outs]
    return found


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
    """Return the outputs and the entries of the lock."""

    return {**content("corpus/words.txt", "model/weights.txt")(root), **entries(root)}


def entries(root: Path) -> Any:
    return {
        f"entry of {name}": entry.fingerprint_key for name, entry in lock_format.read(root).items()
    }


CASES = {
    "run": Case(("run", "all"), state=outputs),
    "run again": Case(("run", "all"), changed, outputs),
    "run in parallel": Case(("run", "all", "-j", "2"), state=outputs),
    "run and cache": Case(("run", "all", "--restore"), state=undamaged_cache),
    "run from the cache": Case(("run", "all", "--restore"), restorable, outputs),
    "run variants": Case(("run", "prepare", "--matrix", "word=a,b"), state=variants),
    "assets": Case(
        ("assets",),
        lambda root: write(
            root, {"source": "data", "project.yml": "assets: [{dest: a/b, url: source}]\n"}
        ),
        content("a/b"),
    ),
    "assets --update": Case(
        ("assets", "--update"),
        extracted,
        content("data/a", "data/mine", "data/only_old", "data/only_new", "project.yml"),
    ),
    "add": Case(("add", "streamlit"), state=content("project.yml", "requirements.txt")),
    "ignore": Case(
        ("ignore",), lambda root: write(root, {".gitignore": "mine\n"}), content(".gitignore")
    ),
    "document": Case(
        ("document",), lambda root: write(root, {"README.md": "mine\n"}), content("README.md")
    ),
    "dvc": Case(("dvc",), state=content("dvc.yaml", "params.yaml")),
    "schema": Case(("schema", "-o", "project.schema.json"), state=content("project.schema.json")),
    "graph": Case(("graph", "-o", "graph.svg"), state=content("graph.svg")),
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
    "clean": Case(("clean", "--force"), ran, content("corpus/words.txt", "model/weights.txt")),
    "report": Case(("report",), ran, content("report.html")),
    "provenance": Case(("provenance", "-o", "made.json"), committed, content("made.json")),
    "cache gc": Case(("cache", "gc", "--days", "0"), restorable, undamaged_cache),
}


def sampled(values: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return each case with each value, or by default with one of them: the cases take turns."""

    return [
        (name, value)
        for number, name in enumerate(CASES)
        for value in (values if IS_LONG else [values[number % len(values)]])
    ]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


_PRISTINE: dict[Case, Path] = {}  # is made once for all tests of a case


@pytest.fixture
def pristine(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project before the command, always in the same folder, since remotes have its path."""

    if case not in _PRISTINE:
        folder = tmp_path_factory.mktemp("case")
        root = two_steps(folder / "work")
        write(root, {".gitignore": "/corpus/\n/model/\n/remote/\n"})
        git(root, "init", "-q")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "x")
        case.prepare(root)
        shutil.copytree(root, folder / "pristine", symlinks=True)
        _PRISTINE[case] = folder / "pristine"
    return _PRISTINE[case]


def restored_copy(pristine: Path) -> Path:
    root = pristine.parent / "work"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(pristine, root, symlinks=True)
    return root


def command(case: Case, root: Path) -> Callable[[], int]:
    return lambda: main(["-C", str(root), *case.words])


def guaranteed_state(case: Case, root: Path) -> Any:
    """Return the part of the state that is guaranteed after an interruption.

    For a run, that is the lock: an interrupted script may leave partial outputs, but no entry has
    their digests.
    """

    state = case.state(root)
    if case.words[0] != "run":
        return state
    return {name: value for name, value in state.items() if "entry" in name}


def rerun(case: Case, root: Path) -> int | None:
    """Run the command in a child process without any failure."""

    return failing(1 << 30, command(case, root), kills=False).code


def left_over(root: Path) -> list[str]:
    paths = (path for pattern in LEFT_OVER for path in root.rglob(pattern))
    return [path.relative_to(root).as_posix() for path in paths if ".git/hooks" not in str(path)]


def is_between(now: Any, old: Any, new: Any) -> bool:
    """Return whether each value is the old or the new one, or missing."""

    return all(value in (old.get(name), new.get(name), None) for name, value in now.items())


@pytest.mark.threat("interrupted-uploads", commands="pull push")
@pytest.mark.threat("killed-downloads", "full-disks")
@pytest.mark.threat(
    "torn-writes",
    commands="assets cache check document dvc graph ignore lock pull push restore run schema",
)
@pytest.mark.slow
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "refused"])
def test_a_failure_at_any_system_call_is_repaired_by_a_rerun(
    case: Case, pristine: Path, kills: bool
) -> None:
    root = restored_copy(pristine)
    old = case.state(root)
    assert rerun(case, root) == 0
    new = case.state(root)
    first = 1 if kills else 1 + STEP // 4  # not the calls that kill
    for number in range(first, 400, STEP):
        root = restored_copy(pristine)
        ended = failing(number, command(case, root), kills=kills)
        assert is_between(case.state(root), old, new), number
        if not kills and ended.was_touched:
            # 0: the failure is a warning, or only affects a cache; 5: a local I/O error
            assert ended.code in (0, 5), (number, ended)
        assert rerun(case, root) == 0, number
        assert case.state(root) == new, number
        assert left_over(root) == [], number
        if not ended.was_touched:
            assert number > first, "no system call was counted"
            return
    raise AssertionError("the command has too many system calls")


@pytest.mark.threat(
    "torn-writes",
    commands="assets cache check document dvc graph ignore lock pull push restore run schema",
)
@pytest.mark.threat("full-disks")
@pytest.mark.parametrize(("case", "size"), sampled(SIZES), indirect=["case"])
def test_a_full_disk_is_repaired_by_a_rerun(case: Case, pristine: Path, size: int) -> None:
    root = restored_copy(pristine)
    old = case.state(root)
    assert rerun(case, root) == 0
    new = case.state(root)
    root = restored_copy(pristine)
    code = on_full_disk(size, command(case, root))
    # 4: git could not write; a script that cannot write exits as it likes (Python with 120)
    assert code in (0, 1, 4, 5) or (case.words[0] == "run" and code == 120), code
    assert is_between(guaranteed_state(case, root), old, new)
    assert rerun(case, root) == 0
    assert case.state(root) == new
    assert left_over(root) == []


def test_a_failed_system_call_is_an_error_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = two_steps(tmp_path / "p")
    for number in range(1, 30):
        ended = failing(number, command(Case(("document",)), root), kills=False, code=errno.ENOSPC)
        err = capfd.readouterr().err
        if ended.code == 5:
            assert "error: " in err
            assert "Traceback" not in err
        if not ended.was_touched:
            return
    raise AssertionError
