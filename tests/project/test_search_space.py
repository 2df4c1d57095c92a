"""What may follow `--search`: ranges and choices."""

from __future__ import annotations

import math
import re
import shlex
from typing import Any

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project.search_space import (
    Choices,
    Dimension,
    Range,
    contains,
    count_points,
    fit,
    parse_dimension,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=1..9", Range(1, 9)),
        ("x=1e-5..1e-2,log", Range(1e-5, 1e-2, log=True)),
        ("x=1e-5..1e-2 log", Range(1e-5, 1e-2, log=True)),
        ("x=32..128,step=32", Range(32, 128, 32)),
        ("x=0..1,step=0.25", Range(0.0, 1.0, 0.25)),
        ("x=0..0.5", Range(0.0, 0.5)),
        ("x=-1..1", Range(-1, 1)),
        ("x=64,96,128", Choices(("64", "96", "128"))),
        ("x=true,false", Choices(("true", "false"))),
        ("x=../a,../b", Choices(("../a", "../b"))),
        ("x=a/../b,c", Choices(("a/../b", "c"))),
        ('x=["a,b", "c"]', Choices(("a,b", "c"))),
    ],
)
def test_ranges_and_choices_are_told_apart(text: str, values: object) -> None:
    assert parse_dimension(text) == Dimension("x", values)  # type: ignore[arg-type]
    found = parse_dimension(text).values
    if isinstance(found, Range):
        kind = int if found.is_integer else float
        assert {type(found.low), type(found.high)} == {kind}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x=a..b", "'a' is not a number, in 'x=a..b'"),
        ("x=1..b", "'b' is not a number"),
        ("x=1..", "'' is not a number"),
        ("x=2..1", "the range 'x=2..1' is empty"),
        ("x=true..2", "'true' is not a number"),
        ("=1..2", "is not a number"),
        ("x=0..1,log", "must begin above 0"),
        ("x=-2..-1,log", "must begin above 0"),
        ("x=1..9,log,step=1", "exclude each other"),
        ("x=1..9,step=0", "the step in 'x=1..9,step=0' must be above 0"),
        ("x=1..9,step=10", "must be above 0 and fit"),
        ("x=1..9,step=a", "invalid 'step=a'"),
        ("x=1..9,lgo", "invalid 'lgo'"),
        ("x=1..9,10", "invalid '10'"),
        ("x=tag(log, interval(1e-5, 1e-2))", "unknown notation"),
        ("x=loguniform(1e-5, 1e-2)", "unknown notation"),
        ("x=range(1,9)", "unknown notation"),
        ("x=choice(a, b)", "unknown notation"),
        ("x=normal()", "unknown notation"),
        ("x", "expected VARIABLE=VALUE,VALUE"),
    ],
)
def test_an_error_has_a_hint_that_can_be_typed(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_dimension(text)
    (problem,) = error.value.problems
    assert (problem.file, message in problem.message) == ("--search", True), problem
    option, typed = shlex.split(problem.hint.removeprefix("e.g. "))
    assert option == "--search"
    parse_dimension(typed)


def test_a_range_with_one_number_is_a_value() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_dimension("vars.x=2..2")
    assert error.value.problems[0].hint == "--vars.x 2"


def test_the_notations_of_others_are_translated() -> None:
    for text, hint in {
        "x=tag(log, interval(1e-5, 1e-2))": "x=1e-5..1e-2,log",
        "x=choice(a, b)": "x=a,b",
        "x=range(1,9)": "x=1..9",
    }.items():
        with pytest.raises(InvalidInput, match=re.escape(text[2:])) as error:
            parse_dimension(text)
        assert error.value.problems[0].hint == f"--search {hint}"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("x=0..1", 0.5, Range(0.0, 1.0)),
        ("x=0..1", "1e-3", Range(0.0, 1.0)),  # what YAML 1.1 does not take for a number
        ("x=0..1", 0, Range(0, 1)),
        ("x=0..1", None, Range(0, 1)),
        ("x=0.1..0.5", 0, Range(0.1, 0.5)),
        ("x=a,b", True, Choices(("a", "b"))),
    ],
)
def test_a_range_has_the_type_of_the_variable(text: str, value: Any, expected: object) -> None:
    assert fit(parse_dimension(text), "vars.x", value) == Dimension("vars.x", expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "hint"), [("en", "vars.x=A,B"), (True, "vars.x=true,false")])
def test_a_range_is_refused_for_what_is_not_a_number(value: Any, hint: str) -> None:
    with pytest.raises(InvalidInput, match="a range is for numbers") as error:
        fit(parse_dimension("x=0..1"), "vars.x", value)
    assert error.value.problems[0].hint.endswith(f"--search {hint}")


def test_numbers_are_typed_with_few_digits_and_stay_in_the_range() -> None:
    floats = Range(0.00012345, 0.9)
    assert floats.typed(0.123456789) == "0.1235"
    assert floats.typed(0.00012345) == "0.00012345"  # not below
    assert Range(1, 9).typed(3.0) == "3"
    assert Range(0.0, 1.0, 0.1).typed(0.1 + 0.2) == "0.3"
    for text in (floats.typed(0.5), "0.00012345", "0.9"):
        assert floats.contains(float(text))


def test_points_of_a_space_are_counted_and_recognized() -> None:
    space = [parse_dimension("a=0..1,step=0.1"), parse_dimension("b=x,1")]
    assert count_points(space) == 22
    assert count_points([parse_dimension("a=1..4")]) == 4
    assert count_points([parse_dimension("a=0.1..0.2")]) == math.inf
    assert contains(space, {"a": 0.3, "b": 1})
    for values in ({"a": 0.35, "b": 1}, {"a": 0.3, "b": 2}, {"a": 0.3}, {"a": True, "b": 1}):
        assert not contains(space, values)
