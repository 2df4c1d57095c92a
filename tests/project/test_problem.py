"""Problems of a file as one error, and the name that was most likely meant."""

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


def test_a_problem_reads_as_its_place_what_is_wrong_and_how_to_mend_it() -> None:
    assert str(FIRST).splitlines()[0].startswith("project.yml:2:9: ")
    assert str(FIRST).count("first") == str(FIRST).count("do this") == 1
    assert FIRST.problem.location == "project.yml:2:9"


def test_problems_are_listed_in_the_order_of_the_file() -> None:
    found = as_error([LAST, SAME_LINE, FIRST])
    assert [(one.location, one.message, one.hint) for one in found.problems] == [
        ("project.yml:2:9", "first", "do this"),
        ("project.yml:2:10", "second", ""),
        ("project.yml:11:1", "third", "leave it"),
    ]


def test_one_unsafe_problem_makes_the_whole_file_unsafe() -> None:
    assert type(as_error([FIRST, LAST])) is Refused
    assert type(as_error([FIRST, SAME_LINE])) is InvalidInput
    with pytest.raises(Refused, match="third"):
        raise_all([FIRST, LAST])
    with pytest.raises(InvalidInput, match="second"):
        raise_all(iter([SAME_LINE]))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("trian", "train"), ("TRAIN", "train"), ("evaluate", "Evaluat"), ("zzz", None), ("", None)],
)
def test_the_nearest_name_is_found_whatever_its_case(typed: str, meant: str | None) -> None:
    assert closest_name(typed, ["prepare", "train", "Evaluat"]) == meant
    text = f"did you mean '{meant}'?" if meant else ""
    assert did_you_mean(typed, ["prepare", "train", "Evaluat"]) == text


def test_among_no_names_none_is_near() -> None:
    assert closest_name("train", []) is None
    assert did_you_mean("train", []) == ""
