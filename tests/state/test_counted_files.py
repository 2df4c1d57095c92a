"""Which files of a dependency folder count, for run, status, check and the hooks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from git_spacy.project import loader
from git_spacy.state.counted_files import dependency_folders, is_uncounted_name
from git_spacy.state.stat_cache import StatCache
from tests.testing.opinions import AGREED, opinions, ran
from tests.testing.projects import Spacy, project
from tests.testing.repositories import commit, git, repository, write

weasel_hashing = pytest.importorskip("weasel.util.hashing")

TEXT = """\
commands:
- {name: make, script: [python src/main.py], deps: [src], outputs: [out.txt]}
workflows: {all: [make]}
"""
# as an import does it, even with PYTHONDONTWRITEBYTECODE
FILES: dict[str, str | bytes] = {
    "src/main.py": (
        "import os, pathlib\n"
        "os.makedirs('src/__pycache__', exist_ok=True)\n"
        "pathlib.Path('src/__pycache__/lib.cpython-311.pyc').write_text(str(os.getpid()))\n"
        "pathlib.Path('out.txt').write_text('x')\n"
    ),
    "src/lib.py": "x = 1\n",
    ".gitignore": "out.txt\n",
}
JUNK = (
    "src/__pycache__/lib.cpython-312.pyc", "src/deep/__pycache__/x.pyc", "src/old.pyc",
    "src/.DS_Store", "src/.ipynb_checkpoints/a.ipynb", "src/.main.py.swp", "src/main.py~",
    "src/#main.py#", "src/.#main.py",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(project(tmp_path / "p", TEXT, FILES))


def recorded(root: Path) -> str:
    lines = (root / "project.lock").read_text().splitlines()
    return lines[lines.index("    - path: src") + 1].split()[1]


def test_bytecode_that_a_run_leaves_behind_does_not_repeat_it(root: Path, spacy: Spacy) -> None:
    """A3 of the cases from the field."""

    done = spacy("run", "all", cwd=root)
    assert (done.code, "changed while" in done.err) == (0, False)
    git(root, "add", "project.lock")
    git(root, "commit", "-qm", "run")
    assert opinions(root, spacy) == AGREED


@pytest.mark.parametrize("has_git", [True, False])
def test_caches_and_the_files_of_editors_do_not_count(
    root: Path, spacy: Spacy, has_git: bool
) -> None:
    if not has_git:
        os.rename(root / ".git", root.parent / "moved")
    assert spacy("run", "all", cwd=root).code == 0
    write(root, dict.fromkeys(JUNK, "junk"))
    for _ in range(2):  # without and with the stat cache
        assert not ran(spacy("run", "all", cwd=root))
    for name in JUNK:
        (root / name).unlink()
    assert not ran(spacy("run", "all", cwd=root))


def test_the_lock_is_what_weasel_writes_on_a_clean_worktree(root: Path, spacy: Spacy) -> None:
    write(root, dict.fromkeys(JUNK, "junk"))
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "clean", "-qxdf", "src")
    assert recorded(root) == weasel_hashing.get_checksum(root / "src")


def test_a_file_of_the_built_in_list_that_git_tracks_counts(root: Path, spacy: Spacy) -> None:
    commit(root, {"src/.DS_Store": "tracked"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "project.lock")
    assert opinions(root, spacy) == AGREED
    write(root, {"src/.DS_Store": "edited"})
    assert opinions(root, spacy) == {**AGREED, "status": False, "check": False, "run": False}


def test_files_that_git_ignores_do_not_count(root: Path, spacy: Spacy, sealed: Path) -> None:
    write(sealed, {"global": "*.global\n"})
    git(root, "config", "--global", "core.excludesFile", str(sealed / "global"))
    commit(root, {".gitignore": "out.txt\n*.log\n/src/cache\n", "src/in/.gitignore": "*.tmp\n"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "project.lock")
    ignored = ("src/a.log", "src/cache/x/y", "src/in/b.tmp", "src/c.global", "src/d.excluded")
    write(root, dict.fromkeys(ignored, "x"))
    (root / ".git/info/exclude").write_text("*.excluded\n")
    assert opinions(root, spacy) == AGREED
    (root / ".git/info/exclude").write_text("")
    assert opinions(root, spacy) == {**AGREED, "status": False, "check": False, "run": False}


@pytest.mark.parametrize("place", [".gitignore", ".git/info/exclude", "global"])
def test_a_pattern_that_is_added_later_counts_at_once(
    root: Path, spacy: Spacy, sealed: Path, place: str
) -> None:
    write(sealed, {"global": ""})
    git(root, "config", "--global", "core.excludesFile", str(sealed / "global"))
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "project.lock")
    write(root, {"src/notes.tmp": "x"})
    assert not opinions(root, spacy)["status"]
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "project.lock")
    file = sealed / "global" if place == "global" else root / place
    file.write_text(file.read_text() + "*.tmp\n")
    assert not opinions(root, spacy)["status"], "the run had seen the file, which is left out now"
    assert spacy("status", cwd=root).code == 0


def test_an_ignored_file_counts_once_it_is_added_by_force(root: Path, spacy: Spacy) -> None:
    commit(root, {".gitignore": "out.txt\n*.log\n"})
    write(root, {"src/a.log": "x"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "project.lock")
    assert opinions(root, spacy) == AGREED
    git(root, "add", "-f", "src/a.log")
    assert not any(opinions(root, spacy).values())


NAMED = """\
assets: [{dest: data/fetched.bin, url: "https://example.com/x"}]
commands:
- {name: make, script: [python make.py], outputs: [data/made]}
- {name: use, script: [python use.py], deps: [data, data/by_hand.bin, data/made], outputs: [out.txt]}
workflows: {all: [make, use]}
"""


@pytest.fixture
def named(tmp_path: Path) -> Path:
    make = "import os\nos.makedirs('data/made', exist_ok=True)\nopen('data/made/x.pyc', 'w')\n"
    files: dict[str, str | bytes] = {
        "make.py": make, "use.py": "open('out.txt', 'w')", "data/tracked": "x",
        ".gitignore": "*.bin\nmade/\n/out.txt\n*.log\n",
    }  # fmt: skip
    root = repository(project(tmp_path / "p", NAMED, files))
    git(root, "rm", "-q", "--cached", "-r", "--ignore-unmatch", "data/made")
    write(root, {"data/fetched.bin": "1", "data/by_hand.bin": "2"})
    return root


@pytest.mark.parametrize("name", ["data/fetched.bin", "data/by_hand.bin", "data/made/x.pyc"])
def test_what_project_yml_names_counts_although_git_ignores_it(
    named: Path, spacy: Spacy, name: str
) -> None:
    assert spacy("run", "all", cwd=named).code == 0
    write(named, {"data/a.log": "x"})
    assert not ran(spacy("run", "all", cwd=named))
    write(named, {name: "edited"})
    assert ran(spacy("run", "use", cwd=named))


def test_a_folder_that_is_ignored_as_a_whole_counts(tmp_path: Path, spacy: Spacy) -> None:
    for number, pattern in enumerate(["data/", "data/*\n!data/.gitkeep"]):
        text = TEXT.replace("deps: [src]", "deps: [src, data]")
        files = {**FILES, ".gitignore": f"out.txt\n{pattern}\n"}
        root = repository(project(tmp_path / str(number), text, files))
        write(root, {"data/.gitkeep": "", "data/corpus.txt": "x", "data/__pycache__/x.pyc": "x"})
        assert spacy("run", "all", cwd=root).code == 0
        write(root, {"data/__pycache__/x.pyc": "y"})
        assert not ran(spacy("run", "all", cwd=root))
        write(root, {"data/corpus.txt": "y"})
        assert ran(spacy("run", "all", cwd=root))


def test_an_output_folder_counts_in_full(tmp_path: Path, spacy: Spacy) -> None:
    text = "commands:\n- {name: make, script: ['python m.py'], deps: [m.py], outputs: [out]}\n"
    script = "import os\nos.makedirs('out', exist_ok=True)\nopen('out/x.pyc', 'w')\n"
    root = repository(project(tmp_path / "p", text, {"m.py": script, ".gitignore": "out\n"}))
    assert spacy("run", "make", cwd=root).code == 0
    (root / "out/x.pyc").write_text("edited")
    assert ran(spacy("run", "make", cwd=root))


def test_git_is_asked_only_if_the_names_in_a_folder_have_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.state import stat_cache

    asked = []
    real = stat_cache.find_uncounted
    monkeypatch.setattr(
        stat_cache,
        "find_uncounted",
        lambda root, folders: asked.append(list(folders)) or real(root, folders),
    )
    loaded = loader.load(root)

    def digest() -> str:
        stats = StatCache.open(root)
        stats.declare(loaded)
        found = stats.fingerprint("src")
        stats.save()
        assert found
        return found.digest

    before = digest()
    assert (digest(), len(asked)) == (before, 1)
    write(root, {"src/lib.py": "x = 2\n"})
    edited = digest()
    assert (edited != before, len(asked)) == (True, 1), "the same names"
    write(root, {"src/a.pyc": "x"})
    assert (digest(), len(asked)) == (edited, 2)
    write(root, {"src/a.pyc": "y"})
    assert (digest(), len(asked)) == (edited, 2), "it is known not to count"


def test_the_paths_that_project_yml_names_in_a_folder() -> None:
    text = NAMED.replace("data/made], outputs", "data/made/deep], outputs")
    assert dependency_folders(loader.parse(text.encode()).project) == {
        "data": {"fetched.bin": True, "by_hand.bin": False, "made": True, "made/deep": False},
        "data/by_hand.bin": {},
    }


def test_names_on_the_built_in_list() -> None:
    assert all(
        is_uncounted_name(name.rpartition("/")[2]) for name in JUNK if "/a.ipynb" not in name
    )
    for name in ("main.py", "pycache", "x.pyd", ".swp", "#x", "x#", "DS_Store", "~x", ".github"):
        assert not is_uncounted_name(name), name


def test_the_files_that_differ_in_a_folder_are_named(root: Path, spacy: Spacy) -> None:
    write(root, {f"src/{number}.py": "x\n" for number in range(7)})
    git(root, "add", "src")
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "project.lock")
    write(root, {"src/0.py": "edited", "src/new.py": "x", "src/a.pyc": "x"})
    (root / "src/3.py").unlink()
    os.utime(root / "src/4.py")
    changed = "dependency 'src' changed: '0.py', '3.py', 'new.py'"
    assert f"'make': {changed}\n" in spacy("check", cwd=root).out
    assert [reason["message"] for reason in status(root, spacy)] == [changed]
    git(root, "add", "src/0.py")
    staged = "'make': dependency 'src' changed: '0.py'\n"
    assert staged in spacy("check", "--staged", cwd=root).out
    write(root, {f"src/{number}.py": "edited" for number in range(7)})
    assert f"({changed[:24]}: '0.py', '1.py', '2.py', '3.py', '4.py' and 3 more)" in (
        spacy("run", "all", "--dry", cwd=root).err
    )


def status(root: Path, spacy: Spacy) -> list[dict[str, str]]:
    (command,) = json.loads(spacy("status", "--json", cwd=root).out)["commands"]
    reasons: list[dict[str, str]] = command["reasons"]
    return reasons
