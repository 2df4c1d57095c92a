"""A run that has nothing to do says so without what it takes to run anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy.project import documents
from git_spacy.run import up_to_date
from tests.testing.projects import SCRIPTS, Done, Spacy, snapshot, two_steps
from tests.testing.repositories import commit, git, write


@pytest.fixture
def root(tmp_path: Path, spacy: Spacy) -> Path:
    """Create a project whose commands are up to date, and committed."""

    root = two_steps(tmp_path / "p")
    write(root, {".gitignore": "corpus\nmodel\n"})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "begin")
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    return root


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Collect what is found out before a run."""

    found: list[bool] = []
    asked = up_to_date.is_up_to_date

    def recorded(*arguments: object) -> bool:
        found.append(asked(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(up_to_date, "is_up_to_date", recorded)
    return found


def edit(root: Path, old: str, new: str) -> None:
    file = root / "project.yml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def edit_lock(root: Path, old: str, new: str) -> None:
    file = root / "project.lock"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def leave_pending(root: Path) -> None:
    """Leave a record behind, as a run does that is killed before it writes its notes."""

    git(root, "notes", "--ref=spacy", "list")
    line = git(root, "notes", "--ref=spacy", "show", "HEAD~1").splitlines()[0]
    (root / ".git/spacy/pending").write_text(f"{git(root, 'rev-parse', 'HEAD').strip()} {line}\n")


Change = Callable[[Path], object]
NOTHING: dict[str, Change] = {
    "nothing": lambda root: None,
    "a comment in project.yml": lambda root: edit(root, "title:", "# new\ntitle:"),
    "another file": lambda root: write(root, {"notes.txt": "x"}),
    "a variable that does not count": lambda root: edit(root, "vars:", "vars:\n  other: 1"),
    "the mtime of a dependency": lambda root: os.utime(root / "scripts/copy.py", (1, 1)),
    "no stat cache": lambda root: (root / ".git/spacy/documents").rename(root / ".git/gone"),
    "the rest of project.lock": lambda root: edit_lock(root, "train:", "# new\ntrain:"),
}
SOMETHING: dict[str, Change] = {
    "a script": lambda root: edit(root, "word: hello", "word: bye"),
    "a dependency": lambda root: write(root, {"scripts/copy.py": f"{SCRIPTS['scripts/copy.py']}#"}),
    "no output": lambda root: shutil.rmtree(root / "model"),
    "an output": lambda root: (root / "model/weights.txt").write_text("x"),
    "no lock": lambda root: (root / "project.lock").unlink(),
    "no entry": lambda root: edit_lock(root, "train:", "trained:"),
    "a command that always runs": lambda root: edit(root, "help: Train", "no_skip: true\n    help: T"),
    "a folder to create": lambda root: edit(root, "[corpus]", "[corpus, new]"),
    "a record that waits": leave_pending,
    "another md5": lambda root: edit_lock(root, "md5: ", "md5: 0123456789abcdef0123456789abcdef #"),
    "never hashed": lambda root: shutil.rmtree(root / ".git/spacy"),
}  # fmt: skip


@pytest.mark.parametrize("change", NOTHING.values(), ids=NOTHING)
def test_nothing_to_do_is_found_out_and_said(
    root: Path, spacy: Spacy, answers: list[bool], change: Change
) -> None:
    change(root)
    before = snapshot(root)
    assert spacy("run", "all", cwd=root) == Done(
        0, "", "==> prepare: up to date\n==> train: up to date\nran 0, skipped 2\n"
    )
    assert answers == [True]
    after = snapshot(root)
    state = (".git/spacy/", ".git/gone/")
    assert {name: value for name, value in after.items() if not name.startswith(state)} == {
        name: value for name, value in before.items() if not name.startswith(state)
    }


@pytest.mark.parametrize("change", SOMETHING.values(), ids=SOMETHING)
def test_something_to_do_is_done(
    root: Path, spacy: Spacy, answers: list[bool], change: Change
) -> None:
    change(root)
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("run", "all", cwd=root).code == 0
    assert answers[0] is False
    assert (root / "project.lock").read_text().count("cmd: ") >= 2
    assert all((root / folder).is_dir() for folder in ("corpus", "model"))
    assert not (root / ".git/spacy/pending").exists()


@pytest.mark.parametrize(
    "change", [*NOTHING.values(), *SOMETHING.values()], ids=[*NOTHING, *SOMETHING]
)
def test_a_run_does_the_same_without_asking_first(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """The output and the files are those of a run that judges each command just before it starts."""

    change(root)
    other = shutil.copytree(root, root.with_name("q"), symlinks=True)
    ours = spacy("run", "all", cwd=root)
    monkeypatch.setattr(up_to_date, "is_up_to_date", lambda *_: False)
    theirs = spacy("run", "all", cwd=other)
    varying = re.compile(r"done in [\d.]+ s|kept/[0-9a-f]+")
    assert varying.sub("", ours.err) == varying.sub("", theirs.err)
    kept = [
        {name: text for name, text in snapshot(folder).items() if not name.startswith(".git/")}
        for folder in (root, other)
    ]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    "options", [("--force",), ("--dry",), ("--restore",), ("--matrix", "vars.word=a,b")]
)
def test_options_that_ask_for_more_than_skipping_are_not_answered_at_once(
    root: Path, spacy: Spacy, answers: list[bool], options: tuple[str, ...]
) -> None:
    assert spacy("run", "all", *options, cwd=root).code == 0
    assert answers == []


def test_a_stale_command_that_is_left_out_is_warned_of(
    root: Path, spacy: Spacy, answers: list[bool]
) -> None:
    commit(root, {"scripts/write.py": "print()"})
    done = spacy("run", "train", cwd=root)
    assert "warning: 'prepare', which produces 'corpus/words.txt', is stale" in done.err
    assert answers == [False]


def test_a_set_of_variables_that_is_used_again_is_written_to_the_lock(
    root: Path, spacy: Spacy, answers: list[bool]
) -> None:
    text = (root / "project.lock").read_text()
    made = (root / "corpus/words.txt").read_bytes()
    assert spacy("run", "prepare", "--vars.word", "bye", cwd=root).code == 0
    assert (root / "project.lock").read_text() != text
    (root / "corpus/words.txt").write_bytes(made)
    assert spacy("run", "prepare", cwd=root).err == "==> prepare: up to date\n"
    assert (root / "project.lock").read_text() == text
    assert answers == [False, False]


def test_a_run_waits_for_another_one_even_if_it_has_nothing_to_do(
    root: Path, answers: list[bool], spacy: Spacy
) -> None:
    """Since the other one is about to change that."""

    edit(root, "name: prepare", "name: other\n    script: [cat]\n  - name: prepare")
    command = (sys.executable, "-m", "git_spacy", "run", "other", "--log")
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as other:
        assert other.stderr
        while b"$ cat" not in other.stderr.readline():
            assert other.poll() is None
        assert spacy("run", "all", cwd=root).err.endswith("ran 0, skipped 2\n")
        assert answers == [False]
        other.communicate(b"")


@pytest.mark.threat("hostile-values", commands="run")
def test_a_forged_document_does_not_decide_what_runs(root: Path, spacy: Spacy) -> None:
    """A file in .git can keep a command from running, as the stat cache can; it runs none."""

    assert spacy("run", "all", cwd=root).code == 0
    forged = 0
    for file in (root / ".git/spacy/documents").iterdir():
        content = file.read_bytes().partition(b"\n")[2]
        if b"scripts/write.py corpus" in content and b"workflows" in content:
            content = content.replace(b"python scripts/write.py", b"touch evil; echo")
            file.write_bytes(documents._checksum(file.name, content) + b"\n" + content)
            forged += 1
    assert forged == 1
    listed = spacy("run", "prepare", "--help", cwd=root)
    assert "touch evil" in listed.out, "reports use it"
    shutil.rmtree(root / "model")
    assert spacy("run", "all", cwd=root).code == 0
    assert not (root / "evil").exists()
    recorded = json.loads(spacy("log", "--json", cwd=root).out)
    assert "touch evil" not in json.dumps(recorded)
    assert "touch evil" not in (root / "project.lock").read_text()
