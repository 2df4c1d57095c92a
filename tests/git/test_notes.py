"""Notes on commits: concurrent writers lose no lines, and git can read the result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from git_spacy.errors import Diagnostic, ExternalError, InvalidInput
from git_spacy.git import notes, sealed_notes
from git_spacy.git.repository import Repository
from tests.testing.repositories import GIT, commit, git, repository, write

SOURCE = str(Path(notes.__file__).parents[2])
APPEND = """
import sys
from pathlib import Path
from git_spacy.git import notes, sealed_notes
from git_spacy.git.repository import Repository
repository = Repository.discover(Path.cwd())
for line in sys.argv[2:]:
    notes.append(repository, sys.argv[1], [line])
"""


def discover(folder: Path) -> Repository:
    repository = Repository.discover(folder)
    assert repository is not None
    return repository


def start_appending(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start another process that appends lines to the note on a commit."""

    environ = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen((sys.executable, "-c", APPEND, *arguments), cwd=folder, env=environ)


def note_text(folder: Path, revision: str = "HEAD") -> list[str]:
    return git(folder, "notes", "--ref=spacy", "show", revision).split("\n")


def all_lines(folder: Path, revision: str = "HEAD") -> tuple[str, ...]:
    """Return the lines of the note on a commit, and of the sealed notes before it."""

    id = git(folder, "rev-parse", revision)
    return dict(notes.NotesReader(discover(folder)).lines([id]))[id]


def log(
    repository: Repository, revisions: Sequence[str], *, limit: int | None = None,
    reader: notes.NotesReader | None = None,
) -> list[notes.AnnotatedCommit]:  # fmt: skip
    """Return the commits that the revisions reach, newest first, with their notes."""

    names = notes.resolve_revisions(repository, revisions)
    listed = list(notes.list_commits(repository, names, limit))
    reader = reader or notes.NotesReader(repository)
    lines = reader.lines([annotated.commit for annotated in listed])
    return [
        annotated._replace(lines=text) for annotated, (_, text) in zip(listed, lines, strict=True)
    ]


def test_new_lines_are_appended_to_existing_ones(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["annotated", "two"])
    notes.append(discover(root), head, ["three", "annotated"])
    assert note_text(root) == ["annotated", "two", "three"]
    assert git(root, "notes", "--ref=spacy", "list").split()[1] == head
    assert git(root, "status", "--short") == ""
    (found,) = log(discover(root), [])
    assert (found.commit, found.lines, found.subject) == (
        head,
        ("annotated", "two", "three"),
        "change",
    )
    assert found.tree == git(root, "rev-parse", "HEAD^{tree}")


def test_lines_written_by_git_are_kept_and_read(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    git(root, "notes", "--ref=spacy", "append", "-m", "by git")
    git(root, "notes", "--ref=spacy", "append", "-m", "again")
    notes.append(discover(root), git(root, "rev-parse", "HEAD"), ["by us"])
    assert note_text(root) == ["by git", "again", "by us"]


def test_notes_on_a_thousand_commits_have_a_fan_out_that_git_reads(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    script = "".join(
        f"commit refs/heads/main\nmark :{n}\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
        f"commit refs/notes/spacy\ncommitter A <a@b> {n} +0000\ndata 1\nx\nN inline :{n}\ndata 4\n{n:03}\n\n"
        for n in range(1, 1000)
    )
    git(root, "fast-import", "--quiet", "--force", input=script)
    tip = git(root, "rev-parse", "refs/notes/spacy")
    notes.append(discover(root), git(root, "rev-parse", "main~5"), ["a line more"])
    assert note_text(root, "main~5") == ["994", "a line more"]
    assert note_text(root, "main~6") == ["993"]
    assert git(root, "rev-parse", "refs/notes/spacy^") == tip
    assert len(git(root, "notes", "--ref=spacy", "list").split("\n")) == 999
    found = list(log(discover(root), ["main"]))
    assert [annotated.lines for annotated in found[4:7]] == [
        ("995",),
        ("994", "a line more"),
        ("993",),
    ]


def test_log_starts_four_processes_for_any_number_of_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    for number in range(5):
        notes.append(discover(root), commit(root, {"a": str(number)}), [str(number)])
    processes = []
    real = subprocess.Popen

    def counted(words: tuple[str, ...], **options: object) -> object:
        processes.append(words)
        return real(words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", counted)
    assert [annotated.lines for annotated in log(discover(root), [])] == [
        ("4",),
        ("3",),
        ("2",),
        ("1",),
        ("0",),
        (),
    ]
    assert len(processes) == 4, "resolve the revision, log, list the notes, read the notes"


def test_fifty_concurrent_appends_lose_no_lines(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    others = [start_appending(root, head, *(f"{n}-{m}" for m in range(5))) for n in range(10)]
    assert [other.wait() for other in others] == [0] * 10
    assert sorted(all_lines(root)) == sorted(f"{n}-{m}" for n in range(10) for m in range(5))


def test_concurrent_git_notes_loses_none_of_our_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git does not honour our lock: the ref changes between our read and our write."""

    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["before"])
    other = commit(root, {"a": "x"})
    real = notes._try_append
    interruptions = []

    def try_append_after_git(*arguments: object) -> str:
        if len(interruptions) < 3:
            interruptions.append(
                git(root, "notes", "--ref=spacy", "add", "-f", "-m", str(len(interruptions)), other)
            )
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(notes, "_try_append", try_append_after_git)
    notes.append(discover(root), head, ["ours"])
    assert note_text(root, head) == ["before", "ours"]
    assert note_text(root, other) == ["2"]


@pytest.mark.threat("torn-writes", commands="notes")
@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1, 0.14, 0.18, 0.22])
def test_ref_is_old_or_new_after_a_kill_at_any_time(tmp_path: Path, delay: float) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    old = tuple(f"old {number}" for number in range(sealed_notes.MAX_OPEN_LINES))
    notes.append(discover(root), head, old)
    other = start_appending(root, head, "new")
    time.sleep(delay)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert all_lines(root) in (old, (*old, "new"))
    notes.append(discover(root), head, ["new"])
    assert all_lines(root) == (*old, "new")
    git(root, "fsck", "--strict")


def test_fallback_identity_writes_notes_if_none_is_set(tmp_path: Path, sealed: Path) -> None:
    root = repository(tmp_path / "r")
    (sealed / ".gitconfig").write_text("")
    notes.append(discover(root), git(root, "rev-parse", "HEAD"), ["x"])
    assert (
        git(root, "log", "-1", "--format=%an <%ae>", "refs/notes/spacy")
        == "git-spacy <git-spacy@localhost>"
    )


def test_append_works_in_a_linked_worktree_and_a_bare_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    git(root, "worktree", "add", "-q", "../linked")
    notes.append(discover(tmp_path / "linked"), head, ["linked"])
    assert note_text(root) == ["linked"]
    git(tmp_path, "clone", "-q", "--bare", "r", "bare.git")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "bare.git"))
    notes.append(discover(tmp_path / "bare.git"), head, ["bare"])
    (found,) = log(discover(tmp_path / "bare.git"), [])
    assert found.lines == ("bare",)


def test_unreadable_note_is_not_overwritten(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["annotated"])
    blob = git(root, "notes", "--ref=spacy", "list").split()[0]
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    before = git(root, "rev-parse", "refs/notes/spacy")
    with pytest.raises(ExternalError):
        notes.append(discover(root), head, ["two"])
    assert git(root, "rev-parse", "refs/notes/spacy") == before


def test_a_version_with_a_missing_folder_is_not_replaced(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["annotated"])
    before = git(root, "rev-parse", "refs/notes/spacy")
    folder = git(root, "rev-parse", f"refs/notes/spacy:{head[:2]}")
    (root / ".git/objects" / folder[:2] / folder[2:]).unlink()
    with pytest.raises(ExternalError, match="missing from the repository, or damaged"):
        notes.append(discover(root), head, ["two"])
    assert git(root, "rev-parse", "refs/notes/spacy") == before


def test_the_ref_may_be_packed_or_symbolic_or_name_something_that_is_not_a_commit(
    tmp_path: Path,
) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["one"])
    git(root, "pack-refs", "--all")
    assert not (root / ".git/refs/notes/spacy").exists()
    notes.append(discover(root), head, ["two"])
    assert (root / ".git/refs/notes/spacy").exists()  # and an older version is packed
    notes.append(discover(root), head, ["three"])
    git(root, "update-ref", "refs/notes/other", "refs/notes/spacy")
    git(root, "symbolic-ref", "refs/notes/spacy", "refs/notes/other")
    notes.append(discover(root), head, ["four"])
    assert all_lines(root) == ("one", "two", "three", "four")
    git(root, "symbolic-ref", "-d", "refs/notes/spacy")
    git(root, "update-ref", "refs/notes/spacy", "HEAD:")
    with pytest.raises(ExternalError):
        notes.append(discover(root), head, ["five"])


def test_one_record_is_appended_with_three_git_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["one"])
    script = f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/log'\nexec '{GIT}' \"$@\"\n"
    write(tmp_path, {"bin/git*": script})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    notes.append(discover(root), head, ["two"])
    started = (tmp_path / "log").read_text().splitlines()
    assert len(started) == 3, started
    assert all_lines(root) == ("one", "two")


def test_append_to_a_missing_commit_fails(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    with pytest.raises(ExternalError):
        notes.append(discover(root), "0" * 40, ["x"])


@pytest.mark.threat("option-injection", commands="log show")
@pytest.mark.parametrize("revision", ["nonsense", "--all", "-n1", "--output=x"])
def test_unknown_revision_is_reported_and_never_read_as_an_option(
    tmp_path: Path, revision: str
) -> None:
    root = repository(tmp_path / "r")
    with pytest.raises(InvalidInput, match="unknown revision"):
        list(log(discover(root), [revision]))
    assert sorted(path.name for path in root.iterdir()) == [".git", "README.md"]


def test_log_accepts_ranges_and_several_revisions(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    for number in range(3):
        commit(root, {"a": str(number)}, f"{number}")
    assert [annotated.subject for annotated in log(discover(root), ["HEAD~2..HEAD"])] == [
        "2",
        "1",
    ]
    assert [annotated.subject for annotated in log(discover(root), ["HEAD~1", "^HEAD~2"])] == ["1"]
    assert [annotated.subject for annotated in log(discover(root), [], limit=1)] == ["2"]


def test_log_before_the_first_commit_is_an_error(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "r")
    with pytest.raises(InvalidInput, match="no commits yet"):
        list(log(discover(tmp_path / "r"), []))


def test_entries_that_are_not_notes_are_skipped(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    blob = git(root, "hash-object", "-w", "--stdin", input="x\n")
    inner = git(root, "mktree", input=f"100644 blob {blob}\t{head[3:]}\n")
    names = (
        f"100644 blob {blob}\tREADME\n100644 blob {blob}\t{head}\n040000 tree {inner}\t{head[:3]}\n"
    )
    top = git(root, "mktree", input=names)
    git(root, "update-ref", notes.REF, git(root, "commit-tree", top, "-m", "x"))
    assert notes.notes_by_commit(discover(root)) == {head: notes.Note(blob, 2)}


def test_entries_are_counted_only_once_per_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["annotated"])
    counted = []
    real = notes.entries

    def counting(*arguments: object, **options: object) -> object:
        counted.append(arguments)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(notes, "entries", counting)
    notes.append(discover(root), head, ["two"])
    assert counted == [], "our own append needs no new count"
    git(root, "notes", "--ref=spacy", "append", "-m", "by git")
    notes.append(discover(root), head, ["three"])
    assert len(counted) == 1
    assert note_text(root) == ["annotated", "two", "by git", "three"]


def test_notes_with_too_many_entries_are_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    notes.append(discover(root), head, ["annotated"])
    sound = git(root, "rev-parse", notes.REF)
    for text in ("b", "c"):
        git(root, "notes", "--ref=spacy", "add", "-m", "x", commit(root, {"a": text}))
    monkeypatch.setattr(notes, "MAX_ENTRIES", 2)
    with pytest.raises(ExternalError, match="more than 2 entries") as caught:
        notes.append(discover(root), head, ["two"])
    assert caught.value.problems[0].hint == f"git update-ref {notes.REF} {sound}"


def test_total_read_limit_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path / "r")
    for number in range(4):
        notes.append(discover(root), commit(root, {"a": str(number)}), ["x" * 100])
    monkeypatch.setattr(notes, "MAX_READ_BYTES", 150)
    warnings: list[Diagnostic] = []
    reader = notes.NotesReader(discover(root), warnings.append)
    found = list(log(discover(root), [], reader=reader))
    assert [len(annotated.lines) for annotated in found] == [1, 1, 0, 0, 0]
    assert list(map(str, warnings)) == [
        "warning: too many run records to read at once, some are left out\n"
        "hint: to see those of one commit: git spacy show REV"
    ]
