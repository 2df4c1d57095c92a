"""Diagnostics as one error, and suggestions for misspelt names."""

from __future__ import annotations

import pytest

from git_spacy.errors import InvalidInput, Refused
from git_spacy.project.diagnostics import (
    Diagnostic,
    as_error,
    closest_name,
    did_you_mean,
    raise_all,
)

FIRST = Diagnostic("project.yml", 2, 9, "first", "do this")
SAME_LINE = Diagnostic("project.yml", 2, 10, "second")
LAST = Diagnostic("project.yml", 11, 1, "third", "leave it", unsafe=True)


def test_a_diagnostic_is_printed_with_its_position_message_and_hint() -> None:
    assert str(FIRST).splitlines()[0].startswith("project.yml:2:9: ")
    assert str(FIRST).count("first") == str(FIRST).count("do this") == 1
    assert FIRST.problem.location == "project.yml:2:9"


def test_diagnostics_are_sorted_by_position() -> None:
    error = as_error([LAST, SAME_LINE, FIRST])
    assert [(problem.location, problem.message, problem.hint) for problem in error.problems] == [
        ("project.yml:2:9", "first", "do this"),
        ("project.yml:2:10", "second", ""),
        ("project.yml:11:1", "third", "leave it"),
    ]


def test_the_error_is_a_refusal_if_any_diagnostic_is_unsafe() -> None:
    assert type(as_error([FIRST, LAST])) is Refused
    assert type(as_error([FIRST, SAME_LINE])) is InvalidInput
    with pytest.raises(Refused, match="third"):
        raise_all([FIRST, LAST])
    with pytest.raises(InvalidInput, match="second"):
        raise_all(iter([SAME_LINE]))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("trian", "train"), ("TRAIN", "train"), ("evaluate", "Evaluat"), ("zzz", None), ("", None)],
)
def test_the_closest_name_is_found_regardless_of_case(typed: str, expected: str | None) -> None:
    assert closest_name(typed, ["prepare", "train", "Evaluat"]) == expected
    hint = f"did you mean '{expected}'?" if expected else ""
    assert did_you_mean(typed, ["prepare", "train", "Evaluat"]) == hint


def test_without_names_there_is_no_suggestion() -> None:
    assert closest_name("train", []) is None
    assert did_you_mean("train", []) == ""
