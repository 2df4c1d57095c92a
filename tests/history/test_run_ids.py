"""A run has a short name that is the same in every clone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.git import notes
from git_spacy.git.repository import Repository
from git_spacy.history import run_ids
from git_spacy.history.run_ids import find_run, run_id, short_run_id
from git_spacy.history.run_record import RunRecord, parse_line, to_line
from tests.testing.repositories import commit, git, repository

RECORD = RunRecord("2026-11-24T01:55:41.123Z", "", "train", ("python train.py",), (), ())


def records_with_a_common_prefix() -> tuple[str, list[str]]:
    """Return four digits with which the ids of two records start, and those records."""

    seen: dict[str, RunRecord] = {}
    for number in range(1_000_000):
        record = RECORD._replace(seconds=float(number))
        prefix = run_id(record)[:8]
        if prefix in seen:
            return prefix, [to_line(seen[prefix]), to_line(record)]
        seen[prefix] = record
    raise AssertionError


def test_the_id_of_a_run_survives_its_line_and_depends_on_all_of_it() -> None:
    parsed = parse_line(to_line(RECORD))
    assert parsed
    assert run_id(parsed) == run_id(RECORD)
    assert run_id(RECORD).startswith(short_run_id(RECORD))
    assert run_id(RECORD._replace(exit=1)) != run_id(RECORD)
    assert run_id(RECORD._replace(vars={"seed": 1})) != run_id(RECORD)


def test_a_run_is_found_among_many_without_parsing_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = repository(tmp_path / "r")
    found_in = Repository.require(made)
    records = [RECORD._replace(seconds=float(number)) for number in range(40)]
    for part in (records[:20], records[20:]):
        notes.append(found_in, git(made, "rev-parse", "HEAD"), map(to_line, part))
        commit(made, {}, "next")
    foreign = json.dumps(json.loads(to_line(RECORD._replace(seconds=99.0))) | {"new": 1})
    notes.append(found_in, git(made, "rev-parse", "HEAD"), [foreign])
    parsed: list[str] = []

    def parsing(line: str) -> RunRecord | None:
        parsed.append(line)
        return parse_line(line)

    monkeypatch.setattr(run_ids, "parse_line", parsing)
    for name in (run_id(records[7]), short_run_id(records[7])):
        named = find_run(found_in, name)
        assert named == (records[7], git(made, "rev-parse", "HEAD~2"))
    assert len(parsed) == 2 * 20, "the records of one note, each time"
    other = find_run(found_in, run_id(RECORD._replace(seconds=99.0)))
    assert other, "a line with a key of another version"
    assert other.record.seconds == 99.0
    with pytest.raises(InvalidInput, match="unknown run 'run-0123456789'"):
        find_run(found_in, "run-0123456789")
