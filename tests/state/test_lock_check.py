"""What a clone without data can say: each way to be stale, that reason and no other."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy.project import loader
from git_spacy.state import lock, lock_check
from git_spacy.state.lock_check import LockVerdicts
from git_spacy.state.project_view import Staged, TrackedFiles, View, WorkTree
from tests.testing.projects import SCRIPTS, Spacy, process, project
from tests.testing.repositories import git, repository, write

PROJECT = """\
vars: {word: hello}
env: {place: PLACE}
assets:
  - {dest: assets/sums.txt, url: data/sums.txt, checksum: 6f1ed002ab5595859014ebf0951522d9}
  - {dest: assets/free.txt, url: data/sums.txt}
  - {dest: assets/strong.txt, url: data/sums.txt, checksum: "sha256:SHA"}
  - {dest: private/notes.txt}
commands:
  - name: prepare
    script: ["python scripts/write.py corpus/words.txt ${vars.word} ${env.place}"]
    deps: [scripts/write.py, assets/sums.txt, assets/strong.txt]
    outputs: [corpus/words.txt]
  - name: train
    script: ["python scripts/copy.py corpus/words.txt model/weights.txt"]
    deps: [corpus/words.txt, scripts/copy.py, configs, assets/free.txt, private/notes.txt]
    outputs: [model]
  - name: evaluate
    script: ["python scripts/copy.py model/weights.txt metrics.json"]
    deps: [model, corpus, ignored/by_hand.txt]
    outputs_no_cache: [metrics.json]
  - name: serve
    script: ["python scripts/write.py served hello"]
    deps: [model]
workflows:
  all: [prepare, train, evaluate, serve]
"""
FILES: dict[str, str | bytes] = {
    **SCRIPTS,
    "data/sums.txt": "blah",
    "configs/a.cfg": "a = 1\nb = 2\n",
    "configs/deep/b.cfg": "c\n",
    ".gitignore": "/assets/\n/corpus/*\n!.gitkeep\n/model/\n/private/\n/ignored/\n/served\n",
    "corpus/.gitkeep": "",
}
DATA: dict[str, str | bytes] = {"private/notes.txt": "secret", "ignored/by_hand.txt": "mine"}
HERE = ("metrics.json", "project.lock")


_built: list[Path] = []


@pytest.fixture
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of which everything was run and committed; built once, in the first test's world."""

    if _built:
        return _built[0]
    text = PROJECT.replace("SHA", hashlib.sha256(b"blah").hexdigest())
    folder = repository(tmp_path_factory.mktemp("ran") / "project", FILES)
    project(folder, text, DATA)
    for words in (["assets"], ["run", "all"]):
        done = process(*words, cwd=folder, PLACE="here")
        assert done.code == 0, done.err
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "run")
    _built.append(folder)
    return folder


@pytest.fixture
def clone(ran: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(ran), "clone")
    return tmp_path / "clone"


def judge(view: View) -> LockVerdicts:
    text = view.lock()
    entries = lock.parse(text) if text else {}
    return lock_check.check_lock(loader.parse(view.project()).project, entries, view)


def reasons(view: View) -> list[str]:
    found = judge(view).verdicts
    return [
        f"{name}: {reason}"
        for name, one in found.items()
        for reason in lock_check.rerun_reasons(one)
    ]


def test_a_clone_without_data_is_as_fresh_as_what_was_run(ran: Path, clone: Path) -> None:
    assert not (clone / "model").exists()
    for root, view in (
        (ran, WorkTree(ran)),
        (clone, WorkTree(clone)),
        (clone, Staged(clone)),
        (ran, TrackedFiles(ran)),
    ):
        assert reasons(view) == [], root
        assert judge(view).notices == ()
    states = {name: one.state for name, one in judge(WorkTree(ran)).verdicts.items()}
    assert states == {
        "prepare": "up_to_date",
        "train": "up_to_date",
        "evaluate": "up_to_date",
        "serve": "always_runs",
    }


def test_what_nothing_tells_is_unknown_and_said(clone: Path) -> None:
    found = judge(WorkTree(clone)).verdicts
    assert {name: one.state for name, one in found.items()} == {
        "prepare": "unknown", "train": "unknown", "evaluate": "unknown", "serve": "always_runs",
    }  # fmt: skip
    assert [str(reason) for name in found for reason in found[name].reasons] == [
        "'assets/strong.txt' is not present",
        "'assets/free.txt' is not present",
        "'private/notes.txt' is not present",
        "'corpus' is not present",
        "'ignored/by_hand.txt' is not present; Git ignores it, and nothing produces it",
        "declares no outputs",
    ]


def replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return change


def md5_of(command: str, path: str) -> Callable[[Path], object]:
    """Change what the lock has recorded of a path of a command."""

    def change(root: Path) -> None:
        entries = lock.read(root)
        entry = entries[command]
        deps, outs = (
            tuple(item._replace(md5="0" * 32) if item.path == path else item for item in items)
            for items in (entry.deps, entry.outs)
        )
        entries[command] = entry._replace(deps=deps, outs=outs)
        (root / "project.lock").write_bytes(lock.text(entries))

    return change


def without(command: str) -> Callable[[Path], object]:
    return lambda root: lock.remove_entries(root, [command])


class Way(NamedTuple):
    change: Callable[[Path], object]
    reason: str
    staged: bool = True
    with_data: str = ""  # what is wrong besides, where the data is


WAYS = {
    "a variable in a script": Way(
        replaced("project.yml", "word: hello", "word: bye"),
        "prepare: script changed: line 1 is now 'python scripts/write.py corpus/words.txt bye ${env.place}'",
    ),
    "a line more in a script": Way(
        replaced("project.yml", 'script: ["python scripts/copy.py corpus', 'script: ["python -V", "python scripts/copy.py corpus'),
        "train: script changed: it has 2 lines, had 1",
    ),
    "a tracked dependency": Way(
        replaced("scripts/copy.py", "upper", "lower"), "train: dependency 'scripts/copy.py' changed"
    ),
    "a file in a tracked folder": Way(
        replaced("configs/deep/b.cfg", "c", "d"), "train: dependency 'configs' changed"
    ),
    "a new file in a tracked folder": Way(
        lambda root: write(root, {"configs/new.cfg": "x"}), "train: dependency 'configs' changed"
    ),
    "a deleted dependency": Way(
        lambda root: (root / "scripts/copy.py").unlink(), "train: dependency 'scripts/copy.py' is missing"
    ),
    "another maker's output": Way(
        md5_of("train", "corpus/words.txt"),
        "train: dependency 'corpus/words.txt' differs from what 'prepare' produced in its last run",
    ),
    "a maker that ran again": Way(
        md5_of("prepare", "corpus/words.txt"),
        "train: dependency 'corpus/words.txt' differs from what 'prepare' produced in its last run",
        with_data="prepare: output 'corpus/words.txt' changed\n",
    ),
    "a maker without an entry": Way(
        without("prepare"), "train: dependency 'corpus/words.txt' is an output of 'prepare', which has no lock entry",
    ),
    "an asset's checksum": Way(
        replaced("project.yml", "6f1ed002ab5595859014ebf0951522d9", "f" * 32),
        "prepare: dependency 'assets/sums.txt' does not match the checksum in line 4 of project.yml",
    ),
    "an output in Git": Way(
        lambda root: write(root, {"metrics.json": "better"}), "evaluate: output 'metrics.json' changed"
    ),
    "a new dependency": Way(
        replaced("project.yml", "deps: [scripts/write.py,", "deps: [data, scripts/write.py,"),
        "prepare: dependency 'data' is new",
    ),
    "a dependency less": Way(
        replaced("project.yml", "deps: [scripts/write.py, ", "deps: ["),
        "prepare: dependency 'scripts/write.py' is no longer declared",
    ),
    "an output more": Way(
        replaced("project.yml", "outputs: [model]", "outputs: [model, other]"),
        "train: output 'other' is new",
    ),
    "an output less": Way(
        replaced("project.yml", "outputs_no_cache: [metrics.json]", "outputs: [elsewhere]"),
        "evaluate: output 'elsewhere' is new\nevaluate: output 'metrics.json' is no longer declared",
    ),
    "the script of what runs every time": Way(
        replaced("project.yml", "served hello", "served bye"),
        "serve: script changed: line 1 is now 'python scripts/write.py served bye'",
    ),
    "an output that is here": Way(
        lambda root: write(root, {"model/weights.txt": "edited"}), "train: output 'model' changed", staged=False
    ),
    "data that is here": Way(
        lambda root: write(root, {"private/notes.txt": "edited"}), "train: dependency 'private/notes.txt' changed", staged=False
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_each_way_to_be_stale_is_told_and_nothing_else(clone: Path, way: Way) -> None:
    way.change(clone)
    assert reasons(WorkTree(clone)) == way.reason.split("\n")
    if way.staged:
        assert reasons(Staged(clone)) == [], "not staged yet"
        git(clone, "add", "-A")
        assert reasons(Staged(clone)) == way.reason.split("\n")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_each_way_is_told_where_all_the_data_is(ran: Path, tmp_path: Path, way: Way) -> None:
    """With more to look at, nothing more is wrong."""

    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    way.change(root)
    assert reasons(WorkTree(root)) == (way.with_data + way.reason).split("\n")


def test_the_environment_may_hold_anything_where_it_is_checked(ran: Path) -> None:
    """weasel records the values; another machine has others."""

    text = (ran / "project.lock").read_text()
    entries = lock.parse(text.replace("${env.place}", "over there").encode())
    assert "over there" in entries["prepare"].script[0]
    loaded = loader.load(ran)
    assert (
        lock_check.check_lock(loaded, entries, WorkTree(ran)).verdicts["prepare"].state
        == "up_to_date"
    )


def test_line_endings_and_pointers_are_remarks(clone: Path) -> None:
    write(clone, {
        "scripts/copy.py": (clone / "scripts/copy.py").read_bytes().replace(b"\n", b"\r\n"),
        "metrics.json": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    })  # fmt: skip
    found = judge(WorkTree(clone))
    assert reasons(WorkTree(clone)) == []
    assert [(r.command, r.path.text, r.message) for r in found.notices] == [
        ("train", "scripts/copy.py", "differs only in line endings"),
        ("evaluate", "metrics.json", "is only a Git LFS pointer"),
    ]


def test_the_data_in_the_work_tree_does_not_hold_up_a_commit_of_something_else(
    ran: Path, tmp_path: Path
) -> None:
    """Somebody tries another configuration, and commits a typo in the README meanwhile."""

    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    write(
        root, {"model/weights.txt": "of another run", "corpus/words.txt": "x", "README.md": "typo"}
    )
    git(root, "add", "README.md")
    assert reasons(WorkTree(root))
    assert reasons(Staged(root)) == []


def test_the_run_and_the_check_agree_on_what_is_here(
    ran: Path, tmp_path: Path, spacy: Spacy
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    assert spacy("check", cwd=root) == (0, "", "")
    assert "ran 1, skipped 3" in process("run", "all", cwd=root, PLACE="here").err


def test_a_command_that_always_runs_and_has_no_entry_is_no_fault(clone: Path) -> None:
    entries = lock.read(clone)
    del entries["serve"]
    lock.write(clone, entries)
    found = judge(WorkTree(clone)).verdicts["serve"]
    assert (found.state, [str(reason) for reason in found.reasons]) == (
        "always_runs", ["declares no outputs"],
    )  # fmt: skip
    assert lock_check.rerun_reasons(found) == ()
