"""A full note is sealed: the notes of many runs stay small, and no tool of Git loses a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import Diagnostic
from git_spacy.git import notes, notes_status, notes_sync, sealed_notes
from tests.git.test_notes import all_lines, discover, note_text
from tests.git.test_notes_sync import Team
from tests.testing.repositories import commit, git, noise, repository


@pytest.fixture(autouse=True)
def small_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seal notes of three lines, and name two sealed ones."""

    monkeypatch.setattr(sealed_notes, "MAX_OPEN_LINES", 3)
    monkeypatch.setattr(sealed_notes, "_MAX_NAMED", 2)


def append(root: Path, *lines: str, revision: str = "HEAD") -> None:
    """Append lines one at a time, as separate runs do."""

    for line in lines:
        notes.append(discover(root), git(root, "rev-parse", revision), [line])


def numbered(count: int, prefix: str = "line") -> tuple[str, ...]:
    return tuple(f"{prefix} {number}" for number in range(count))


def sealed_ids(root: Path) -> list[str]:
    listed = (line.split() for line in git(root, "notes", "--ref=spacy", "list").split("\n"))
    return [key for id, key in listed if key == id]


def bytes_written(root: Path) -> int:
    """Return the bytes of all objects, before compression."""

    sizes = git(root, "cat-file", "--batch-all-objects", "--batch-check=%(objectsize)")
    return sum(map(int, sizes.split()))


@pytest.mark.parametrize("format", ["sha1", "sha256"])
def test_the_bytes_of_twice_as_many_runs_are_twice_as_many(tmp_path: Path, format: str) -> None:
    git(tmp_path, "init", "-q", f"--object-format={format}", "r")
    root = tmp_path / "r"
    commit(root, {"a": "b"})
    lines = [noise(300, seed).hex() for seed in range(32)]
    before = bytes_written(root)
    append(root, *lines[:16])
    half = bytes_written(root) - before
    append(root, *lines[16:])
    assert bytes_written(root) - before <= 2.2 * half
    assert all_lines(root) == tuple(lines)
    assert len(sealed_ids(root)) == 10


def test_a_long_line_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_notes, "MAX_OPEN_BYTES", 1000)
    root = repository(tmp_path / "r")
    append(root, "x" * 1000, "y" * 1000, "z")
    assert len(sealed_ids(root)) == 2
    assert all_lines(root) == ("x" * 1000, "y" * 1000, "z")


def test_git_shows_the_latest_lines_and_the_sealed_notes_that_they_name(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    append(root, *numbered(8))
    first, second, *latest = note_text(root)
    assert latest == ["line 6", "line 7"]
    assert sealed_notes.named_by([first, second]) == [
        first.split('"')[3], second.split('"')[3],
    ]  # fmt: skip
    assert note_text(root, first.split('"')[3]) == ["line 0", "line 1", "line 2"]
    assert note_text(root, second.split('"')[3])[1:] == ["line 3", "line 4", "line 5"]
    status = notes_status.notes_status(discover(root), None)
    assert (status.lines, status.commits, status.missing, status.stranded) == (8, 1, (), ())


def test_no_clean_up_of_git_loses_a_line(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    append(root, *numbered(12))
    git(root, "notes", "--ref=spacy", "prune")
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "-q", "--prune=now")
    git(root, "fsck", "--strict")
    assert all_lines(root) == numbered(12)
    append(root, *numbered(2), "one more")
    assert set(all_lines(root)) == {*numbered(12), "one more"}
    assert len(all_lines(root)) == 13


def test_an_amended_commit_keeps_the_lines_of_the_first_one(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    git(root, "config", "notes.rewriteRef", notes.REF)
    git(root, "config", "notes.rewriteMode", "cat_sort_uniq")
    append(root, *numbered(7))
    former = git(root, "rev-parse", "HEAD")
    git(root, "commit", "-q", "--amend", "-m", "better")
    append(root, "after")
    assert all_lines(root) == (*numbered(7), "after")
    assert all_lines(root, former) == numbered(7)


@pytest.mark.parametrize("by_git", [False, True])
def test_histories_that_both_sealed_notes_are_merged(team: Team, by_git: bool) -> None:
    """Both sealed a note with lines that they share, and with lines of their own."""

    append(team.clones[0], *numbered(2, "shared"))
    assert team.push(0) == 2
    assert team.pull(1) == 2
    append(team.clones[0], *numbered(8, "left"))
    append(team.clones[1], *numbered(9, "right"))
    shared, left, right = numbered(2, "shared"), numbered(8, "left"), numbered(9, "right")
    here = discover(team.clones[1])
    assert team.push(0) == 8
    if by_git:
        tracking = notes_sync.tracking_ref("origin")
        git(here.cwd(), "fetch", "-q", "origin", f"+{notes.REF}:{tracking}")
        assert notes_sync.compare(here, notes.tip(here), notes.tip(here, tracking)) == (9, 8)
        git(here.cwd(), "notes", "--ref=spacy", "merge", "-q", "-s", "cat_sort_uniq", tracking)
    assert team.push(1) == 9
    assert team.pull(0) == 9
    for clone in team.clones:
        assert team.lines(clone) == {*shared, *left, *right}
        append(clone, *numbered(5, f"later {clone.name}"))
    assert team.push(0) == 5
    assert team.push(1) == 5
    assert team.pull(0) == 5
    assert len(team.lines(team.clones[0])) == 29
    status = notes_status.notes_status(discover(team.clones[0]), "origin")
    assert (status.lines, status.ahead, status.behind, status.missing) == (29, 0, 0, ())


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_a_sealed_note_that_the_other_side_has_in_its_open_note_is_no_difference(
    team: Team,
) -> None:
    append(team.clones[0], *numbered(3))
    team.push(0)
    team.pull(1)
    append(team.clones[0], "sealing")
    here = discover(team.clones[0])
    assert notes_sync.compare(here, notes.tip(here), notes.tip(discover(team.clones[1]))) == (1, 0)


def test_a_long_note_of_an_earlier_version_is_sealed_and_not_written_again(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    git(root, "notes", "--ref=spacy", "add", "-m", "\n".join(numbered(40)))
    git(root, "notes", "--ref=spacy", "append", "-m", "with an empty line before it")
    (blob, _) = git(root, "notes", "--ref=spacy", "list").split()
    append(root, "line 3", "new")
    assert sealed_ids(root) == [blob]
    assert all_lines(root) == (*numbered(40), "with an empty line before it", "new")


def test_lines_that_other_tools_append_to_an_open_note_are_kept(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    append(root, *numbered(4))
    git(root, "notes", "--ref=spacy", "append", "-m", "\n".join(numbered(4, "by git")))
    append(root, "after")
    assert all_lines(root) == (*numbered(4), *numbered(4, "by git"), "after")


@pytest.mark.parametrize("is_written", [False, True])
def test_a_stop_before_or_after_the_note_is_sealed_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    root = repository(tmp_path / "r")
    append(root, *numbered(3))
    real = notes._try_append

    def stopping(*arguments: object) -> str:
        if is_written:
            real(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(notes, "_try_append", stopping)
    with pytest.raises(KeyboardInterrupt):
        append(root, "new")
    monkeypatch.setattr(notes, "_try_append", real)
    assert all_lines(root) == (*numbered(3), *(["new"] if is_written else []))
    append(root, "new")
    assert all_lines(root) == (*numbered(3), "new")


def test_a_note_that_git_moved_to_another_folder_is_one_note(tmp_path: Path) -> None:
    """Git makes folders for fewer notes than fast-import, which an earlier version left to choose
    the path: a second note on the commit was the result, and Git printed both."""

    root = repository(tmp_path / "r")
    head = git(root, "rev-parse", "HEAD")
    blob = git(root, "hash-object", "-w", "--stdin", input="first\n")
    other = git(root, "hash-object", "-w", "--stdin", input="first\nsecond\n")
    inner = git(root, "mktree", input=f"100644 blob {blob}\t{head[2:]}\n")
    top = git(root, "mktree", input=f"040000 tree {inner}\t{head[:2]}\n100644 blob {other}\t{head}")
    git(root, "update-ref", notes.REF, git(root, "commit-tree", top, "-m", "x"))
    append(root, "third")
    assert note_text(root) == ["first", "second", "third"]
    assert len(git(root, "ls-tree", "-r", notes.REF).split("\n")) == 1


@pytest.mark.threat("expanding-notes", commands="log notes")
def test_lines_that_name_other_notes_are_followed_only_to_sealed_ones_and_within_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "r")
    append(root, *numbered(4))
    first = git(root, "rev-parse", "HEAD")
    (sealed,) = sealed_ids(root)

    def naming(*ids: str) -> str:
        return "\n".join(f'{{"before":"{id}","v":2}}' for id in ids)

    ids = [commit(root, {"a": str(number)}) for number in range(3)]
    git(root, "notes", "--ref=spacy", "add", "-m", naming(first, ids[0], "1" * 40, "x"), ids[0])
    for id in ids[1:]:
        git(root, "notes", "--ref=spacy", "add", "-m", naming(sealed, sealed), id)
    assert all_lines(root, ids[0]) == ('{"before":"x","v":2}',)
    assert all_lines(root, ids[1]) == all_lines(root, ids[2]) == numbered(3)
    wanted = [first, ids[1], ids[2], ids[1]]
    contents = [git(root, "cat-file", "blob", f"{notes.REF}:{path}") + "\n" for path in git(
        root, "ls-tree", "-r", "--name-only", notes.REF
    ).split("\n") if path.replace("/", "") != ids[0]]  # fmt: skip
    read_once = sum(notes.estimate_memory(text.encode()) for text in contents)
    monkeypatch.setattr(notes, "MAX_READ_BYTES", read_once + 30)  # and a sealed note once more
    warnings: list[Diagnostic] = []
    reader = notes.NotesReader(discover(root), warnings.append)
    found = [lines for _, lines in reader.lines(wanted)]
    assert found == [numbered(4), numbered(3), numbered(3), ()], "it counts for each that names it"
    assert [warning.message[:8] for warning in warnings] == ["too many"]
