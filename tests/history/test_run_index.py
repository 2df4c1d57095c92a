"""The index finds what the notes have, whatever happened to the notes or to its file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_spacy.errors import Diagnostic
from git_spacy.git import notes, sealed_notes
from git_spacy.git.objects import BlobStream
from git_spacy.git.repository import Repository
from git_spacy.history import run_index_update
from git_spacy.history.commit_runs import RunFinder
from git_spacy.history.run_index import digest_record, digest_tree, open_index
from git_spacy.history.run_record import RecordedFile, RunRecord, to_line
from tests.testing.repositories import commit, git, repository

MD5 = "fb0e22c79ac75679e9881e6ba183b354"


def record(number: int, **other: object) -> RunRecord:
    files = (RecordedFile("a.txt", MD5, 1),)
    time = f"2026-01-01T00:00:{number % 60:02}.000Z"
    return RunRecord(time, "", "make", (f"python make.py {number}",), (), files)._replace(**other)  # type: ignore[arg-type]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository of three commits; the first two have records."""

    made = repository(tmp_path / "r")
    for name in ("second", "third"):
        commit(made, {}, name)
    add(made, "HEAD~2", record(0), record(1))
    add(made, "HEAD~1", record(2, tree="1" * 40))
    return made


def discover(top: Path) -> Repository:
    return Repository.require(top)


def add(top: Path, revision: str, *records: RunRecord) -> None:
    notes.append(discover(top), git(top, "rev-parse", revision), map(to_line, records))


def found(top: Path) -> dict[str, list[tuple[str, int]]]:
    """Return where each record is, by number, according to the index."""

    index = open_index(discover(top))
    names = {git(top, "rev-parse", name): name for name in ("HEAD", "HEAD~1", "HEAD~2")}
    return {
        str(number): [(names[run.commit], run.line) for run in runs]
        for number in range(70)
        if (runs := index.find(digest_record(record(number)).exact))
    }


FIRST = {"0": [("HEAD~2", 0)], "1": [("HEAD~2", 1)], "2": [("HEAD~1", 0)]}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the notes that the index has read."""

    ids_read: list[str] = []
    real = run_index_update.objects.read_local_blobs

    def reading(repository: Repository, ids: list[str]) -> Iterator[tuple[str, BlobStream]]:
        for id, content in real(repository, ids):
            ids_read.append(id)
            yield id, content

    monkeypatch.setattr(run_index_update.objects, "read_local_blobs", reading)
    return ids_read


def test_it_follows_the_notes_and_reads_only_those_that_changed(top: Path, read: list[str]) -> None:
    assert found(top) == FIRST
    read.clear()
    assert found(top) == FIRST
    assert read == []
    add(top, "HEAD", record(3), record(3, time="2026-01-02T00:00:00Z"), record(0))
    expected = {**FIRST, "0": [("HEAD~2", 0), ("HEAD", 2)], "3": [("HEAD", 1), ("HEAD", 0)]}
    assert {key: sorted(runs) for key, runs in found(top).items()} == {
        key: sorted(runs) for key, runs in expected.items()
    }
    assert len(read) == 1
    tree = digest_tree("", "1" * 40)
    assert [run.line for run in open_index(discover(top)).find(tree)] == [0]
    git(top, "notes", "--ref=spacy", "remove", "HEAD", "HEAD~2")
    assert found(top) == {"2": FIRST["2"]}
    git(top, "update-ref", "-d", notes.REF)
    assert found(top) == {}


def test_another_version_of_the_notes_that_is_gone_is_no_obstacle(top: Path) -> None:
    assert found(top) == FIRST
    only = git(top, "notes", "--ref=spacy", "show", "HEAD~1")
    git(top, "update-ref", "-d", notes.REF)
    git(top, "reflog", "expire", "--expire=now", "--all")
    git(top, "gc", "-q", "--prune=now")
    git(top, "notes", "--ref=spacy", "add", "-m", only, "HEAD")
    assert found(top) == {"2": [("HEAD", 0)]}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "longer": lambda data: data + b"\0",
    "only the first line": lambda data: data.split(b"\n")[0] + b"\n",
    "zeros": lambda data: bytes(len(data)),
    "JSON": lambda _: b'{"version": 1}\n',
    "an old version": lambda data: data.replace(b"index 3", b"index 2"),
    "another byte order": lambda data: data.replace(b"little", b"BIG"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_or_foreign_index_is_built_again(top: Path, kind: str) -> None:
    assert found(top) == FIRST
    file = top / ".git/spacy/run-index"
    data = file.read_bytes()
    file.write_bytes(DAMAGE[kind](data))
    assert found(top) == FIRST
    assert file.read_bytes() == data


def test_a_changed_bit_is_noticed_wherever_it_is(top: Path) -> None:
    assert found(top) == FIRST
    file = top / ".git/spacy/run-index"
    data = file.read_bytes()
    for position in random.Random(0).sample(range(len(data)), 12):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        file.write_bytes(damaged)
        assert found(top) == FIRST, position


def test_an_index_that_cannot_be_written_is_not_needed(top: Path) -> None:
    (top / ".git/spacy/run-index").mkdir()
    assert found(top) == FIRST


@pytest.mark.threat("expanding-notes", commands="log")
def test_lines_that_are_not_records_are_passed_over_and_a_large_rest_waits(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(to_line(record(4)))
    hostile = [
        "[" * 10_000, "{}", "null", '{"v": 1}', "x", json.dumps({**document, "time": "yesterday"}),
        json.dumps({**document, "time": "9999-99-99T99:99:99Z"}),
        json.dumps({**document, "deps": 1}), json.dumps({**document, "outs": [[]]}),
        json.dumps({**document, "script": None}), json.dumps({**document, "project": {}}),
        json.dumps({**document, "v": True}), json.dumps({**document, "command": {"a": [1]}}),
        json.dumps({**document, "tree": ["x"]}), json.dumps(document),
    ]  # fmt: skip
    id = git(top, "rev-parse", "HEAD")
    notes.append(discover(top), id, hostile)
    monkeypatch.setattr(run_index_update, "_MAX_NEW_BYTES", 700)
    assert not open_index(discover(top)).complete
    monkeypatch.setattr(run_index_update, "_MAX_NEW_BYTES", 1 << 20)
    candidates = found(top)
    assert ("HEAD", len(hostile) - 1) in candidates.pop("4")
    assert candidates == FIRST
    assert open_index(discover(top)).complete


@pytest.mark.threat("expanding-notes", commands="log")
def test_a_note_on_many_commits_is_read_once_and_found_on_each(top: Path, read: list[str]) -> None:
    git(top, "notes", "--ref=spacy", "copy", "-f", "HEAD~2", "HEAD~1")
    git(top, "notes", "--ref=spacy", "copy", "HEAD~2", "HEAD")
    everywhere = {"HEAD", "HEAD~1", "HEAD~2"}
    assert {key: {name for name, _ in runs} for key, runs in found(top).items()} == {
        "0": everywhere, "1": everywhere,
    }  # fmt: skip
    assert len(read) == 1


@pytest.mark.threat("expanding-notes", commands="log")
def test_a_note_with_many_values_counts_as_a_larger_one(
    top: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = json.dumps({**json.loads(to_line(record(4))), "vars": {"a": [[]] * 10_000}})
    for name in ("HEAD", "HEAD~1", "HEAD~2"):
        notes.append(discover(top), git(top, "rev-parse", name), [values])
    read.clear()
    monkeypatch.setattr(run_index_update, "_MAX_NEW_BYTES", 10_000 * 64)
    for number in (1, 2, 3):
        assert open_index(discover(top)).complete is (number == 3)
        assert len(read) == number
    assert "4" in found(top)


def test_one_update_adds_a_limited_number_of_rows_and_the_next_one_goes_on(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(top, "notes", "--ref=spacy", "copy", "-f", "HEAD~2", "HEAD~1")
    git(top, "notes", "--ref=spacy", "copy", "HEAD~2", "HEAD")
    monkeypatch.setattr(run_index_update, "_MAX_NEW_ROWS", 4)  # those of a note on one commit
    for commits in (1, 2, 3):
        index = open_index(discover(top))
        assert index.complete is (commits == 3)
        assert len(index.find(digest_record(record(0)).exact)) == commits


@pytest.mark.threat("expanding-notes", commands="show")
def test_invalid_lines_that_look_like_a_record_do_not_hide_it(top: Path) -> None:
    document = json.loads(to_line(record(4)))
    wrong = [
        json.dumps({**document, "time": f"2030-01-01T00:00:{number:02}Z", "exit": [], "n": number})
        for number in range(50)
    ]
    notes.append(discover(top), git(top, "rev-parse", "HEAD"), [*wrong, json.dumps(document)])
    finder = RunFinder(discover(top))
    (run,) = finder.runs(digest_record(record(4)))
    assert run.record == record(4)


def test_records_in_sealed_notes_are_found_on_their_commits(
    top: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_notes, "MAX_OPEN_LINES", 3)
    monkeypatch.setattr(sealed_notes, "_MAX_NAMED", 2)
    assert found(top) == FIRST
    for number in range(10, 24):
        add(top, "HEAD", record(number))
        if number % 5 == 0:
            assert set(found(top)) == {*FIRST, *map(str, range(10, number + 1))}
    read.clear()
    everything = found(top)
    assert len(read) < 6, "a sealed note is read once"
    assert everything.keys() == {*FIRST, *map(str, range(10, 24))}
    assert {runs[0][0] for key, runs in everything.items() if key not in FIRST} == {"HEAD"}
    assert set(open_index(discover(top)).commits()) == set(git(top, "rev-list", "HEAD").split())
    finder = RunFinder(discover(top))
    (run,) = finder.runs(digest_record(record(10)))
    assert (run.record, run.recorded_on) == (record(10), git(top, "rev-parse", "HEAD"))
    assert len(finder.lines(run.recorded_on)) == 14
    git(top, "notes", "--ref=spacy", "copy", "-f", "HEAD", "HEAD~1")
    moved = {key: {name for name, _ in runs} for key, runs in found(top).items()}
    assert moved["10"] == moved["23"] == {"HEAD", "HEAD~1"}
    git(top, "notes", "--ref=spacy", "remove", "HEAD", "HEAD~1")
    assert found(top).keys() == {"0", "1"}, "no note names the sealed ones"


def test_an_updated_index_is_the_same_as_a_new_one(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any change of the notes: lines appended, notes copied, removed and merged."""

    monkeypatch.setattr(sealed_notes, "MAX_OPEN_LINES", 2)
    monkeypatch.setattr(sealed_notes, "_MAX_NAMED", 2)
    rng = random.Random(0)
    file, names = top / ".git/spacy/run-index", ["HEAD", "HEAD~1", "HEAD~2"]
    before = git(top, "rev-parse", notes.REF)
    for step in range(14):
        name, other = rng.sample(names, 2)
        match step % 7:
            case 3:
                git(top, "notes", "--ref=spacy", "copy", "-f", name, other)
            case 4:
                git(top, "update-ref", "refs/notes/other", before)
                git(top, "notes", "--ref=other", "append", "-m", to_line(record(60 + step)), name)
                merge = ("merge", "-q", "-s", "cat_sort_uniq", "refs/notes/other")
                git(top, "notes", "--ref=spacy", *merge)
                before = git(top, "rev-parse", notes.REF)
            case 6:
                git(top, "notes", "--ref=spacy", "remove", "--ignore-missing", name)
            case _:
                add(top, name, record(step), record(step + 20))
        updated = found(top)
        data = file.read_bytes()
        file.unlink()
        assert {key: sorted(runs) for key, runs in found(top).items()} == {
            key: sorted(runs) for key, runs in updated.items()
        }
        assert file.read_bytes() == data
    assert len(open_index(discover(top)).notes) > 6


@pytest.mark.threat("expanding-notes", commands="log")
def test_a_sealed_note_that_many_notes_name_counts_for_each_of_them(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_notes, "MAX_OPEN_LINES", 1)
    long = record(4, vars={"text": "x" * 10_000})
    add(top, "HEAD", long)
    add(top, "HEAD", record(5))
    for name in ("HEAD~1", "HEAD~2"):
        git(top, "notes", "--ref=spacy", "copy", "-f", "HEAD", name)
    monkeypatch.setattr(notes, "MAX_READ_BYTES", 25_000)
    warnings: list[Diagnostic] = []
    finder = RunFinder(discover(top), warnings.append)
    ids = git(top, "rev-list", "HEAD").split()
    assert [len(finder.lines(id)) for id in ids] == [2, 2, 0]
    assert [warning.message[:8] for warning in warnings] == ["too many"]


def test_the_ref_is_followed_wherever_git_keeps_it(top: Path) -> None:
    """In a file, packed, with both, and as a link to another ref."""

    assert found(top) == FIRST
    before = git(top, "rev-parse", notes.REF)
    git(top, "pack-refs", "--all")
    assert not (top / ".git" / notes.REF).exists()
    assert found(top) == FIRST
    add(top, "HEAD", record(3))
    assert (top / ".git" / notes.REF).exists()
    assert found(top).keys() == {*FIRST, "3"}
    git(top, "update-ref", "refs/notes/other", before)
    git(top, "symbolic-ref", notes.REF, "refs/notes/other")
    assert found(top) == FIRST
    git(top, "symbolic-ref", "-d", notes.REF)
    git(top, "update-ref", "-d", notes.REF)
    assert found(top) == {}
