"""Suggestions for misspelt names."""

from __future__ import annotations

import pytest

from git_spacy.project.diagnostics import closest_name, did_you_mean


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
