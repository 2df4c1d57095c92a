"""Read objects with one git process, also with a git that has no such process."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.git import process
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from tests.testing.repositories import GIT, commit, git, repository, write


@pytest.fixture(params=["git", "a git before 2.36"])
def top(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three files, and a git that logs how it is started."""

    made = repository(tmp_path / "r")
    commit(made, {"a": "one", "in a folder/b": "two\n", "large": "x" * (1 << 20)}, "more")
    refuse = 'case "$*" in *--batch-command*) exit 129;; esac\n' if request.param != "git" else ""
    script = f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/log'\n{refuse}exec '{GIT}' \"$@\"\n"
    write(tmp_path, {"bin/git*": script, "log": ""})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return made


def started(top: Path) -> list[str]:
    """Return the git processes that were started since the last call."""

    log = top.parent / "log"
    lines = log.read_text().splitlines()
    log.write_text("")
    return lines


def test_one_process_describes_and_reads_objects(top: Path, request: pytest.FixtureRequest) -> None:
    names = (
        "HEAD:a",
        "HEAD:in a folder/b",
        "HEAD:in a folder",
        "HEAD:gone",
        "0" * 40,
        "HEAD:b\u2028",
    )
    expected = [git(top, "rev-parse", name) for name in names[:3]]
    started(top)
    reader = ObjectReader(Repository.require(top))
    found = reader.describe(names)
    assert [info and (info.id, info.kind) for info in found] == [
        (expected[0], "blob"), (expected[1], "blob"), (expected[2], "tree"), None, None, None
    ]  # fmt: skip
    assert [info.size for info in found[:2] if info] == [3, 4]
    assert [(id, text.read()) for id, text in reader.read(expected[:2])] == [
        (expected[0], b"one"), (expected[1], b"two\n")
    ]  # fmt: skip
    assert reader.describe([]) == list(reader.read([])) == []
    is_old = "2.36" in request.node.callspec.id
    assert len(started(top)) == (3 if is_old else 1)


def test_it_can_be_asked_something_else_while_objects_are_read_or_after_the_caller_stopped(
    top: Path,
) -> None:
    a, large = (git(top, "rev-parse", f"HEAD:{name}") for name in ("a", "large"))
    reader = ObjectReader(Repository.require(top))
    for _, content in reader.read([large, a]):
        assert [info and info.size for info in reader.describe([a, large])] == [3, 1 << 20]
        assert [text.read() for _, text in reader.read([a])] == [b"one"]
        content.read(5)
        break
    assert [len(text.read()) for _, text in reader.read([a, large])] == [3, 1 << 20]


def test_thousands_of_questions_at_once_do_not_make_both_sides_wait(top: Path) -> None:
    reader = ObjectReader(Repository.require(top))
    names = ["HEAD:a", "HEAD:" + "long/" * 50] * 4000
    found = reader.describe(names)
    assert [bool(info) for info in found] == [True, False] * 4000


def test_a_missing_blob_and_a_git_that_was_killed_are_reported(top: Path) -> None:
    id = git(top, "rev-parse", "HEAD:a")
    reader = ObjectReader(Repository.require(top))
    with pytest.raises(ExternalError, match=f"{'0' * 40} is missing"):
        list(reader.read(["0" * 40]))
    reader.start()
    process.end_all(9)
    assert [info and info.id for info in reader.describe([id])] == [id]


def test_a_refusal_of_git_is_reported_as_by_other_commands(top: Path) -> None:
    (top / ".git/config").write_text("[core\n")
    reader = ObjectReader(Repository.require(top))
    with pytest.raises(Exception, match="configuration has a syntax error"):
        reader.describe(["HEAD:a"])
