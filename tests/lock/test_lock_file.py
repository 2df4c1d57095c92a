"""The project.lock of one project: parsed once, always current, written as weasel writes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LockEntry, TrackedPath


def entry(name: str, script: str = "python a.py") -> LockEntry:
    dep = TrackedPath("data.txt", "0" * 32)
    return LockEntry(name, (script,), (dep,), (), f"python -m weasel run {name}")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that gets the content of a lock each time that one is parsed."""

    contents: list[bytes] = []
    parse: Callable[[bytes], dict[str, LockEntry]] = lock_format.parse

    def recording_parse(data: bytes) -> dict[str, LockEntry]:
        contents.append(data)
        return parse(data)

    monkeypatch.setattr(lock_format, "parse", recording_parse)
    return contents


def test_a_lock_is_parsed_once_and_not_again_after_writes_of_its_own(
    tmp_path: Path, parsed: list[bytes]
) -> None:
    (tmp_path / "project.lock").write_bytes(lock_format.text({"a": entry("a")}))
    lock_file = LockFile(tmp_path)
    for name in "abcabc":
        lock_file.put(entry(name))
        assert lock_file.entries[name] == entry(name)
    assert len(parsed) == 1


def test_a_file_that_does_not_exist_has_no_entries_and_is_created_by_the_first(
    tmp_path: Path,
) -> None:
    lock_file = LockFile(tmp_path)
    assert dict(lock_file.entries) == {}
    lock_file.put(entry("a"))
    assert (tmp_path / "project.lock").read_bytes() == lock_format.text({"a": entry("a")})
    (tmp_path / "project.lock").unlink()
    assert dict(lock_file.entries) == {}


def test_a_change_in_place_is_seen_even_if_size_and_time_stay_the_same(tmp_path: Path) -> None:
    path = tmp_path / "project.lock"
    lock_file = LockFile(tmp_path)
    lock_file.put(entry("a", "python a.py"))
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"python a.py", b"python b.py"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert lock_file.entries["a"].script == ("python b.py",)


def test_an_entry_that_another_process_wrote_meanwhile_is_preserved(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path), LockFile(tmp_path)
    first.put(entry("a"))
    second.put(entry("b"))
    first.put(entry("c"))
    assert list(lock_format.read(tmp_path)) == ["a", "b", "c"]


def test_an_entry_is_chosen_by_what_the_file_has_once_others_are_kept_out(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path), LockFile(tmp_path)
    assert dict(first.entries) == {}
    second.put(entry("a", "python old.py"))
    chosen = first.update(lambda present: present["a"]._replace(name="b"))
    assert chosen == entry("a", "python old.py")._replace(name="b")
    assert list(lock_format.read(tmp_path).values()) == [entry("a", "python old.py"), chosen]


def test_a_new_entry_comes_before_those_that_are_named(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path)
    for name in "adec":
        lock_file.put(entry(name))
    lock_file.update(lambda _: entry("b"), {"c", "d", "other"})
    assert list(lock_format.read(tmp_path)) == ["a", "e", "b", "d", "c"]
    lock_file.update(lambda _: entry("c", "python new.py"), {"a"})
    assert list(lock_format.read(tmp_path)) == ["a", "e", "b", "d", "c"], "it is not new"


def test_the_text_of_entries_that_another_tool_changed_is_not_used_again(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path)
    for name in "abc":
        lock_file.put(entry(name))
    others = {name: entry(name, "python new.py" if name == "b" else "python a.py") for name in "cb"}
    (tmp_path / "project.lock").write_bytes(lock_format.text(others))
    lock_file.put(entry("d"))
    expected = lock_format.text({**others, "d": entry("d")})
    assert (tmp_path / "project.lock").read_bytes() == expected


def test_several_entries_can_be_written_while_others_are_kept_out(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path)
    with lock_file.exclusive():
        lock_file.put(entry("a"))
        lock_file.put(entry("b"))
    LockFile(tmp_path).put(entry("c"))
    assert list(lock_file.entries) == ["a", "b", "c"]


def test_concurrent_writers_lose_no_entry(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(24)]

    def write(part: list[str]) -> None:
        lock_file = LockFile(tmp_path)
        for name in part:
            lock_file.put(entry(name))

    threads = [threading.Thread(target=write, args=(names[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(lock_format.read(tmp_path)) == set(names)


def test_a_write_that_changes_nothing_leaves_the_file_alone(tmp_path: Path) -> None:
    LockFile(tmp_path).put(entry("a"))
    before = (tmp_path / "project.lock").stat()
    LockFile(tmp_path).put(entry("a")._replace(cmd="python -m spacy run a"))
    assert (tmp_path / "project.lock").stat() == before


def test_a_lock_that_cannot_be_parsed_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "project.lock"
    path.write_text("- broken\n")
    with pytest.raises(InvalidInput):
        LockFile(tmp_path).put(entry("a"))
    assert path.read_text() == "- broken\n"


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=150)


@given(st.lists(st.tuples(names, names), max_size=6), st.lists(names, max_size=2))
def test_entries_written_one_by_one_give_the_text_of_all_at_once(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, str]], removed: list[str]
) -> None:
    root = tmp_path_factory.mktemp("lock")
    lock_file = LockFile(root)
    expected: dict[str, LockEntry] = {}
    for name, script in items:
        expected[name] = entry(name, script)
        lock_file.put(expected[name])
    left = {name: value for name, value in expected.items() if name not in removed}
    with lock_file.exclusive():
        lock_file.replace(left)
    assert (root / "project.lock").read_bytes() == lock_format.text(left)


def test_the_file_is_not_replaced_without_its_lock(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path)
    with pytest.raises(AssertionError, match="without its lock"):
        lock_file.replace({})
    assert not (tmp_path / "project.lock").exists()
    with lock_file.exclusive():
        lock_file.replace({})
    assert (tmp_path / "project.lock").exists()
