"""Whether a lock matches a commit: in a clone without data, and with all data.

Each kind of staleness is reported with its own reason and no other.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.project import loader
from git_spacy.state import lock_check
from git_spacy.state.lock_check import LockVerdicts
from git_spacy.state.project_view import Staged, TrackedFiles, View, WorkTree
from tests.testing.projects import SCRIPTS, Spacy, process, project, write_lock
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


_built: list[Path] = []


@pytest.fixture
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was run and committed; built once, with the environment of the first test."""

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


def check(view: View) -> LockVerdicts:
    text = view.lock()
    entries = lock_format.parse(text) if text else {}
    return lock_check.check_lock(loader.parse(view.project()).project, entries, view)


def reasons(view: View) -> list[str]:
    return [
        f"{name}: {reason}"
        for name, verdict in check(view).verdicts.items()
        for reason in lock_check.rerun_reasons(verdict)
    ]


def test_a_clone_without_data_is_as_up_to_date_as_the_project_that_was_run(
    ran: Path, clone: Path
) -> None:
    assert not (clone / "model").exists()
    for root, view in (
        (ran, WorkTree(ran)),
        (clone, WorkTree(clone)),
        (clone, Staged(clone)),
        (ran, TrackedFiles(ran)),
    ):
        assert reasons(view) == [], root
        assert check(view).notices == ()
    states = {name: verdict.state for name, verdict in check(WorkTree(ran)).verdicts.items()}
    assert states == {
        "prepare": "up_to_date",
        "train": "up_to_date",
        "evaluate": "up_to_date",
        "serve": "always_runs",
    }


def test_a_dependency_without_evidence_is_unknown(clone: Path) -> None:
    verdicts = check(WorkTree(clone)).verdicts
    assert {name: verdict.state for name, verdict in verdicts.items()} == {
        "prepare": "unknown", "train": "unknown", "evaluate": "unknown", "serve": "always_runs",
    }  # fmt: skip
    assert [str(reason) for name in verdicts for reason in verdicts[name].reasons] == [
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


def md5_changed(command: str, path: str) -> Callable[[Path], object]:
    """Change the recorded md5 of a path of a command."""

    def change(root: Path) -> None:
        entries = lock_format.read(root)
        entry = entries[command]
        deps, outs = (
            tuple(item._replace(md5="0" * 32) if item.path == path else item for item in items)
            for items in (entry.deps, entry.outs)
        )
        entries[command] = entry._replace(deps=deps, outs=outs)
        (root / "project.lock").write_bytes(lock_format.text(entries))

    return change


def without_entry(command: str) -> Callable[[Path], object]:

    def remove(root: Path) -> None:
        lock_file = LockFile(root)
        left = {name: entry for name, entry in lock_file.entries.items() if name != command}
        write_lock(root, left)

    return remove


class StaleCase(NamedTuple):
    """A change, the reason that it causes, and whether that also holds for the index.

    `reason_with_data` is an additional reason where the data is present.
    """

    change: Callable[[Path], object]
    reason: str
    staged: bool = True
    reason_with_data: str = ""


STALE_CASES = {
    "a variable in a script": StaleCase(
        replaced("project.yml", "word: hello", "word: bye"),
        "prepare: script changed: line 1 is now 'python scripts/write.py corpus/words.txt bye ${env.place}'",
    ),
    "an added script line": StaleCase(
        replaced("project.yml", 'script: ["python scripts/copy.py corpus', 'script: ["python -V", "python scripts/copy.py corpus'),
        "train: script changed: it has 2 lines, had 1",
    ),
    "a tracked dependency": StaleCase(
        replaced("scripts/copy.py", "upper", "lower"), "train: dependency 'scripts/copy.py' changed"
    ),
    "a file in a tracked folder": StaleCase(
        replaced("configs/deep/b.cfg", "c", "d"), "train: dependency 'configs' changed"
    ),
    "a new file in a tracked folder": StaleCase(
        lambda root: write(root, {"configs/new.cfg": "x"}), "train: dependency 'configs' changed"
    ),
    "a deleted dependency": StaleCase(
        lambda root: (root / "scripts/copy.py").unlink(), "train: dependency 'scripts/copy.py' is missing"
    ),
    "the recorded md5 of another command's output": StaleCase(
        md5_changed("train", "corpus/words.txt"),
        "train: dependency 'corpus/words.txt' differs from what 'prepare' produced in its last run",
    ),
    "a producer that ran again": StaleCase(
        md5_changed("prepare", "corpus/words.txt"),
        "train: dependency 'corpus/words.txt' differs from what 'prepare' produced in its last run",
        reason_with_data="prepare: output 'corpus/words.txt' changed\n",
    ),
    "a producer without an entry": StaleCase(
        without_entry("prepare"), "train: dependency 'corpus/words.txt' is an output of 'prepare', which has no lock entry",
    ),
    "an asset's checksum": StaleCase(
        replaced("project.yml", "6f1ed002ab5595859014ebf0951522d9", "f" * 32),
        "prepare: dependency 'assets/sums.txt' does not match the checksum in line 4 of project.yml",
    ),
    "an output in Git": StaleCase(
        lambda root: write(root, {"metrics.json": "better"}), "evaluate: output 'metrics.json' changed"
    ),
    "a new dependency": StaleCase(
        replaced("project.yml", "deps: [scripts/write.py,", "deps: [data, scripts/write.py,"),
        "prepare: dependency 'data' is new",
    ),
    "a removed dependency": StaleCase(
        replaced("project.yml", "deps: [scripts/write.py, ", "deps: ["),
        "prepare: dependency 'scripts/write.py' is no longer declared",
    ),
    "an added output": StaleCase(
        replaced("project.yml", "outputs: [model]", "outputs: [model, other]"),
        "train: output 'other' is new",
    ),
    "a removed output": StaleCase(
        replaced("project.yml", "outputs_no_cache: [metrics.json]", "outputs: [elsewhere]"),
        "evaluate: output 'elsewhere' is new\nevaluate: output 'metrics.json' is no longer declared",
    ),
    "the script of a command that always runs": StaleCase(
        replaced("project.yml", "served hello", "served bye"),
        "serve: script changed: line 1 is now 'python scripts/write.py served bye'",
    ),
    "an output that is present": StaleCase(
        lambda root: write(root, {"model/weights.txt": "edited"}), "train: output 'model' changed", staged=False
    ),
    "data that is present": StaleCase(
        lambda root: write(root, {"private/notes.txt": "edited"}), "train: dependency 'private/notes.txt' changed", staged=False
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STALE_CASES.values(), ids=STALE_CASES.keys())
def test_each_stale_case_is_reported_with_its_reason_only(clone: Path, case: StaleCase) -> None:
    case.change(clone)
    assert reasons(WorkTree(clone)) == case.reason.split("\n")
    if case.staged:
        assert reasons(Staged(clone)) == [], "not staged yet"
        git(clone, "add", "-A")
        assert reasons(Staged(clone)) == case.reason.split("\n")


@pytest.mark.parametrize("case", STALE_CASES.values(), ids=STALE_CASES.keys())
def test_each_stale_case_is_reported_where_the_data_is_present(
    ran: Path, tmp_path: Path, case: StaleCase
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    case.change(root)
    without_names = [re.sub(" changed: '.*", " changed", text) for text in reasons(WorkTree(root))]
    assert without_names == (case.reason_with_data + case.reason).split("\n")


def test_recorded_values_of_environment_variables_may_differ(ran: Path) -> None:
    """weasel records the values, which differ on another machine."""

    text = (ran / "project.lock").read_text()
    entries = lock_format.parse(text.replace("${env.place}", "over there").encode())
    assert "over there" in entries["prepare"].script[0]
    loaded = loader.load(ran)
    assert (
        lock_check.check_lock(loaded, entries, WorkTree(ran)).verdicts["prepare"].state
        == "up_to_date"
    )


def test_lfs_pointers_are_notices(clone: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    write(clone, {"metrics.json": pointer})
    notices = check(WorkTree(clone)).notices
    assert reasons(WorkTree(clone)) == []
    assert [(notice.command, notice.path.text, notice.message) for notice in notices] == [
        ("evaluate", "metrics.json", "is only a Git LFS pointer"),
    ]


def test_changed_data_in_the_worktree_does_not_block_an_unrelated_commit(
    ran: Path, tmp_path: Path
) -> None:
    """The user tries another configuration, and fixes a typo in the README meanwhile."""

    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    write(
        root, {"model/weights.txt": "of another run", "corpus/words.txt": "x", "README.md": "typo"}
    )
    git(root, "add", "README.md")
    assert reasons(WorkTree(root))
    assert reasons(Staged(root)) == []


def test_run_and_check_agree_where_the_data_is_present(
    ran: Path, tmp_path: Path, spacy: Spacy
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    assert spacy("check", cwd=root) == (0, "", "")
    assert "ran 1, skipped 3" in process("run", "all", cwd=root, PLACE="here").err


def test_a_command_that_always_runs_needs_no_entry(clone: Path) -> None:
    entries = lock_format.read(clone)
    del entries["serve"]
    write_lock(clone, entries)
    verdict = check(WorkTree(clone)).verdicts["serve"]
    assert (verdict.state, [str(reason) for reason in verdict.reasons]) == (
        "always_runs", ["declares no outputs"],
    )  # fmt: skip
    assert lock_check.rerun_reasons(verdict) == ()
