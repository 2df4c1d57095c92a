"""A run has a short name that is the same in every clone."""

from __future__ import annotations

from git_spacy.history.run_ids import run_id, short_run_id
from git_spacy.history.run_record import RunRecord, parse_line, to_line

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
