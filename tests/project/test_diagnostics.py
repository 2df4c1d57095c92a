"""Suggestions for misspelt names."""

from __future__ import annotations

import pytest

from git_spacy.project.diagnostics import closest_name, did_you_mean, group_problems


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


def test_problems_with_one_cause_and_hint_are_merged() -> None:
    groups = group_problems(
        [
            ("a", "no network", "try later"),
            ("b", "not found", "correct it"),
            ("c", "no network", "try later"),
        ]
    )
    assert [(one.first, one.quoted_names, one.cause, one.hint) for one in groups] == [
        (0, "'a', 'c'", "no network", "try later"),
        (1, "'b'", "not found", "correct it"),
    ]


def test_commands_with_one_argument_are_merged_into_one_command() -> None:
    (group,) = group_problems(
        [("a", "modified", "replace it: get a"), ("b c", "modified", "replace it: get 'b c'")],
        merge_arguments=True,
    )
    assert group.hint == "replace it: get a 'b c'"


def test_a_long_list_of_names_is_cut() -> None:
    (group,) = group_problems((str(number), "gone", "") for number in range(20))
    assert group.quoted_names.endswith("'7' and 12 more")
