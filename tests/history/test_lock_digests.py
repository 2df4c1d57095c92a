"""The digests of locks in commits are remembered, however large or damaged the file is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from git_spacy.history import lock_digests
from git_spacy.history.lock_digests import LockDigest, LockDigests
from tests.testing.repositories import git

LOCK = """{name}:
  cmd: python -m weasel run {name}
  script: [cp a b]
  deps: [{{path: a, md5: '{digit}0000000000000000000000000000000'}}]
  outs: [{{path: b, md5: '00000000000000000000000000000000'}}]
"""


@pytest.fixture(params=["sha1", "sha256"])
def top(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with an object format of Git."""

    git(tmp_path, "init", "-q", f"--object-format={request.param}", "r")
    return tmp_path / "r"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the locks that are read from the repository."""

    ids: list[str] = []
    real = ObjectReader.read

    def reading(self: ObjectReader, names: Sequence[str]) -> object:
        ids.extend(names)
        return real(self, names)

    monkeypatch.setattr(ObjectReader, "read", reading)
    return ids


def locks(top: Path, number: int) -> list[str]:
    """Write locks into the repository, and return their ids."""

    return [
        git(
            top,
            "hash-object",
            "-w",
            "--stdin",
            input=LOCK.format(name=f"c\u00f6 {n}", digit=n % 10),
        )
        for n in range(number)
    ]


def digests(top: Path, ids: list[str]) -> dict[str, tuple[LockDigest, ...]]:
    repository = Repository.require(top)
    return LockDigests(repository, ObjectReader(repository)).read(ids)


def test_each_lock_is_read_once_and_found_among_others(top: Path, read: list[str]) -> None:
    ids = locks(top, 9)
    expected = digests(top, ids[:5])
    assert [[entry.name for entry in expected[id]] for id in ids[:5]] == [
        [f"c\u00f6 {n}"] for n in range(5)
    ]
    assert read == ids[:5]
    assert digests(top, ids[3:5][::-1]) == {id: expected[id] for id in ids[3:5]}
    assert read == ids[:5]
    everything = digests(top, ids)
    assert read == ids
    assert {id: everything[id] for id in ids[:5]} == expected
    assert digests(top, ids) == everything
    assert read == ids


def test_a_damaged_or_shortened_file_or_one_of_another_version_is_written_again(
    top: Path, read: list[str]
) -> None:
    ids = locks(top, 2)
    expected = digests(top, ids)
    file = top / ".git/spacy/lock-digests"
    content = file.read_bytes()
    changed = [
        content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :] for n in range(len(content))
    ]
    for damaged in (
        *changed[::7],
        *(content[:n] for n in range(0, len(content), 40)),
        b"git-spacy lock digests 1 2 bf8c9a9d\n{}",
    ):
        file.write_bytes(damaged)
        repository = Repository.require(top)
        assert LockDigests(repository, ObjectReader(repository))._remembered.find(ids[0]) is None
    assert digests(top, ids) == expected
    assert file.read_bytes() == content


def test_only_a_limited_number_of_entries_is_remembered(
    top: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_digests, "_MAX_REMEMBERED", 8)  # a lock with one entry counts as two
    ids = locks(top, 6)
    expected = digests(top, ids)
    read.clear()
    assert digests(top, ids) == expected
    assert len(read) == 2
