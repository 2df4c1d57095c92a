"""Lines noted on commits: none lost, whoever writes at once, and readable by git itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.git import notes
from git_spacy.git.repository import Repository
from tests.testing.repositories import commit, git, repository

SOURCE = str(Path(notes.__file__).parents[2])
APPEND = """
import sys
from pathlib import Path
from git_spacy.git import notes
from git_spacy.git.repository import Repository
here = Repository.discover(Path.cwd())
for line in sys.argv[2:]:
    notes.append(here, sys.argv[1], [line])
"""


def opened(folder: Path) -> Repository:
    found = Repository.discover(folder)
    assert found is not None
    return found


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Somebody else who appends."""

    environ = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen((sys.executable, "-c", APPEND, *words), cwd=folder, env=environ)


def shown(folder: Path, revision: str = "HEAD") -> list[str]:
    return git(folder, "notes", "--ref=spacy", "show", revision).split("\n")


def test_a_line_is_added_after_those_that_are_there(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    notes.append(opened(made), head, ["one", "two"])
    notes.append(opened(made), head, ["three", "one"])
    assert shown(made) == ["one", "two", "three"]
    assert git(made, "notes", "--ref=spacy", "list").split()[1] == head
    assert git(made, "status", "--short") == ""
    (found,) = notes.log(opened(made), [])
    assert (found.commit, found.lines, found.subject) == (head, ("one", "two", "three"), "change")
    assert found.tree == git(made, "rev-parse", "HEAD^{tree}")


def test_what_git_wrote_is_kept_and_read(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    git(made, "notes", "--ref=spacy", "append", "-m", "by git")
    git(made, "notes", "--ref=spacy", "append", "-m", "again")
    notes.append(opened(made), git(made, "rev-parse", "HEAD"), ["by us"])
    assert shown(made) == ["by git", "again", "by us"]


def test_a_thousand_commits_fan_out_as_git_reads_it(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    script = "".join(
        f"commit refs/heads/main\nmark :{n}\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
        f"commit refs/notes/spacy\ncommitter A <a@b> {n} +0000\ndata 1\nx\nN inline :{n}\ndata 4\n{n:03}\n\n"
        for n in range(1, 1000)
    )
    git(made, "fast-import", "--quiet", "--force", input=script)
    tip = git(made, "rev-parse", "refs/notes/spacy")
    notes.append(opened(made), git(made, "rev-parse", "main~5"), ["a line more"])
    assert shown(made, "main~5") == ["994", "a line more"]
    assert shown(made, "main~6") == ["993"]
    assert git(made, "rev-parse", "refs/notes/spacy^") == tip
    assert len(git(made, "notes", "--ref=spacy", "list").split("\n")) == 999
    found = list(notes.log(opened(made), ["main"]))
    assert [one.lines for one in found[4:7]] == [("995",), ("994", "a line more"), ("993",)]


def test_the_log_is_four_processes_however_many_commits_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    for number in range(5):
        notes.append(opened(made), commit(made, {"a": str(number)}), [str(number)])
    processes = []
    real = subprocess.Popen

    def counted(words: tuple[str, ...], **options: object) -> object:
        processes.append(words)
        return real(words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", counted)
    assert [one.lines for one in notes.log(opened(made), [])] == [
        ("4",),
        ("3",),
        ("2",),
        ("1",),
        ("0",),
        (),
    ]
    assert len(processes) == 4, "what is meant, the log, the list of notes, and the notes"


def test_fifty_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    others = [started(made, head, *(f"{n}-{m}" for m in range(5))) for n in range(10)]
    assert [other.wait() for other in others] == [0] * 10
    assert sorted(shown(made)) == sorted(f"{n}-{m}" for n in range(10) for m in range(5))


def test_somebody_who_uses_git_itself_meanwhile_loses_us_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our lock does not hold git back: the ref changes between our look and our write."""

    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    notes.append(opened(made), head, ["before"])
    other = commit(made, {"a": "x"})
    real = notes._refusal
    meddled = []

    def meddling(*arguments: object) -> str:
        if len(meddled) < 3:
            meddled.append(
                git(made, "notes", "--ref=spacy", "add", "-f", "-m", str(len(meddled)), other)
            )
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(notes, "_refusal", meddling)
    notes.append(opened(made), head, ["ours"])
    assert shown(made, head) == ["before", "ours"]
    assert shown(made, other) == ["2"]


@pytest.mark.threat("torn-writes", commands="notes")
@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1, 0.14, 0.18, 0.22])
def test_killed_at_any_time_the_ref_is_old_or_new(tmp_path: Path, delay: float) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    notes.append(opened(made), head, ["old"])
    other = started(made, head, "new")
    time.sleep(delay)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert shown(made) in (["old"], ["old", "new"])
    notes.append(opened(made), head, ["new"])
    assert shown(made) == ["old", "new"]
    git(made, "fsck", "--strict")


def test_without_an_identity_somebody_writes_all_the_same(tmp_path: Path, sealed: Path) -> None:
    made = repository(tmp_path / "r")
    (sealed / ".gitconfig").write_text("")
    notes.append(opened(made), git(made, "rev-parse", "HEAD"), ["x"])
    assert (
        git(made, "log", "-1", "--format=%an <%ae>", "refs/notes/spacy")
        == "git-spacy <git-spacy@localhost>"
    )


def test_in_a_linked_work_tree_and_a_bare_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    git(made, "worktree", "add", "-q", "../linked")
    notes.append(opened(tmp_path / "linked"), head, ["linked"])
    assert shown(made) == ["linked"]
    git(tmp_path, "clone", "-q", "--bare", "r", "bare.git")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "bare.git"))
    notes.append(opened(tmp_path / "bare.git"), head, ["bare"])
    (found,) = notes.log(opened(tmp_path / "bare.git"), [])
    assert found.lines == ("bare",)


def test_a_note_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    notes.append(opened(made), head, ["one"])
    blob = git(made, "notes", "--ref=spacy", "list").split()[0]
    (made / ".git/objects" / blob[:2] / blob[2:]).unlink()
    before = git(made, "rev-parse", "refs/notes/spacy")
    with pytest.raises(ExternalError):
        notes.append(opened(made), head, ["two"])
    assert git(made, "rev-parse", "refs/notes/spacy") == before


def test_what_cannot_be_refusal_says_why(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    with pytest.raises(ExternalError):
        notes.append(opened(made), "0" * 40, ["x"])


@pytest.mark.threat("option-injection", commands="log show")
@pytest.mark.parametrize("revision", ["nonsense", "--all", "-n1", "--output=x"])
def test_a_wrong_revision_is_named_and_never_an_option(tmp_path: Path, revision: str) -> None:
    made = repository(tmp_path / "r")
    with pytest.raises(InvalidInput, match="no commit"):
        list(notes.log(opened(made), [revision]))
    assert sorted(path.name for path in made.iterdir()) == [".git", "README.md"]


def test_ranges_and_several_revisions(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    for number in range(3):
        commit(made, {"a": str(number)}, f"{number}")
    assert [one.subject for one in notes.log(opened(made), ["HEAD~2..HEAD"])] == ["2", "1"]
    assert [one.subject for one in notes.log(opened(made), ["HEAD~1", "^HEAD~2"])] == ["1"]
    assert [one.subject for one in notes.log(opened(made), [], limit=1)] == ["2"]


def test_before_the_first_commit_there_is_nothing_to_read(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "r")
    with pytest.raises(InvalidInput, match="no commit yet"):
        list(notes.log(opened(tmp_path / "r"), []))


def test_entries_that_are_not_notes_are_passed_over(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    blob = git(made, "hash-object", "-w", "--stdin", input="x\n")
    inner = git(made, "mktree", input=f"100644 blob {blob}\t{head[3:]}\n")
    names = (
        f"100644 blob {blob}\tREADME\n100644 blob {blob}\t{head}\n040000 tree {inner}\t{head[:3]}\n"
    )
    top = git(made, "mktree", input=names)
    git(made, "update-ref", notes.REF, git(made, "commit-tree", top, "-m", "x"))
    assert notes.blobs(opened(made)) == {head: notes.Note(blob, 2)}


def test_notes_that_were_counted_once_are_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    notes.append(opened(made), head, ["one"])
    counted = []
    real = notes.entries

    def counting(*arguments: object, **options: object) -> object:
        counted.append(arguments)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(notes, "entries", counting)
    notes.append(opened(made), head, ["two"])
    assert counted == [], "a note more by ourselves"
    git(made, "notes", "--ref=spacy", "append", "-m", "by git")
    notes.append(opened(made), head, ["three"])
    assert len(counted) == 1
    assert shown(made) == ["one", "two", "by git", "three"]


def test_notes_with_too_many_entries_are_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    head = git(made, "rev-parse", "HEAD")
    notes.append(opened(made), head, ["one"])
    sound = git(made, "rev-parse", notes.REF)
    git(made, "notes", "--ref=spacy", "add", "-m", "x", commit(made, {"a": "b"}))
    monkeypatch.setattr(notes, "MOST_ENTRIES", 1)
    with pytest.raises(ExternalError, match="more than 1 entries") as caught:
        notes.append(opened(made), head, ["two"])
    assert caught.value.problems[0].hint == f"git update-ref {notes.REF} {sound}"


def test_what_one_command_reads_is_bounded_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    for number in range(4):
        notes.append(opened(made), commit(made, {"a": str(number)}), ["x" * 100])
    monkeypatch.setattr(notes, "MOST_READ", 150)
    told: list[str] = []
    reader = notes.Reader(opened(made), told.append)
    found = list(notes.log(opened(made), [], reader=reader))
    assert [len(one.lines) for one in found] == [1, 1, 0, 0, 0]
    assert len(told) == 1
