"""Runs beside each other: which count, in which order, what is the best of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.git.notes import AnnotatedCommit
from git_spacy.state import run_diff
from git_spacy.state.run_diff import MetricsRow, MetricsTable, MetricValue, VariantRun
from git_spacy.state.run_history import RecordedRun
from git_spacy.state.run_params import RunParams
from git_spacy.state.run_record import RunRecord

COMMIT = AnnotatedCommit("a" * 40, "aaaaaaa", 0, "b" * 40, (), "subject")


def tried(
    variables: dict[str, Any], metrics: dict[str, dict[str, float]] | None = None, *,
    exit: int = 0, command: str = "train", complete: bool = True, how: Any = "run",
) -> VariantRun:  # fmt: skip
    record = RunRecord(
        "", "", command, (), (), (), how, 1.5, exit, vars=variables,
        metrics={"m.json": {"f": 0.5}} if metrics is None else metrics,
    )  # fmt: skip
    return VariantRun(RecordedRun(record), COMMIT, RunParams(variables, complete))


def table(*some: VariantRun) -> MetricsTable:
    (found,) = run_diff.compare(some).tables
    return found


def scored(*values: float, metric: str = "f") -> list[MetricsRow]:
    return [MetricsRow({}, {metric: MetricValue(value)}, 1.0, ()) for value in values]


def test_of_each_set_of_variables_the_last_run_that_succeeded_counts() -> None:
    newest = [
        tried({"seed": 1}, {"m": {"f": 0.9}}),
        tried({"seed": 2}, exit=1),
        tried({"seed": 1}, {"m": {"f": 0.1}}),
        tried({"seed": 2}, {"m": {"f": 0.2}}),
        tried({"seed": 3}, exit=1),
    ]
    found = run_diff.compare(newest)
    assert [row.metrics["f"].value for row in found.tables[0].rows] == [0.9, 0.2]
    assert [one.record.vars for one in found.failed] == [{"seed": 2}, {"seed": 3}]


def test_a_failure_that_was_made_good_is_told_no_more() -> None:
    assert run_diff.compare([tried({"seed": 1}), tried({"seed": 1}, exit=1)]).failed == ()


def test_commands_without_metrics_have_no_table() -> None:
    found = run_diff.compare([tried({}, command="train"), tried({}, {}, command="prepare")])
    assert [one.command for one in found.tables] == ["train"]
    assert found.without_metrics == ("prepare",)
    assert run_diff.compare([]) == ((), (), ())


def test_rows_are_in_the_natural_order_of_their_variables() -> None:
    values = [10, "b10", 9, "b9", None, 2.5, True, [1]]
    found = table(*(tried({"x": value}) for value in values))
    assert [row.variables["x"] for row in found.rows] == [2.5, 9, 10, "b9", "b10", [1], None, True]


@given(st.lists(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_whatever_variables_hold_they_can_be_put_in_order(values: list[Any]) -> None:
    found = sorted(
        ({"x": value} for value in values), key=lambda one: run_diff.natural_key(one, "x")
    )
    assert len(found) == len(values)


def test_a_variable_that_is_the_same_everywhere_is_no_column() -> None:
    found = table(tried({"seed": 1, "rate": 0.1}), tried({"seed": 2, "rate": 0.1}))
    assert found.variables == ("seed",)


def test_a_variable_that_came_later_is_a_column_as_is_one_that_was_given_for_once() -> None:
    assert table(tried({"seed": 1}), tried({})).variables == ("seed",)
    given = tried({"seed": 1}, complete=False), tried({}, complete=False)
    assert table(*given).variables == ("seed",)


def test_what_is_not_known_of_a_run_is_no_difference() -> None:
    known = tried({"seed": 1, "rate": 0.1})
    assert table(known, tried({"seed": 2}, complete=False)).variables == ("seed",)


def test_metrics_of_the_top_level_come_first() -> None:
    found = table(tried({}, {"m.json": {"a.b.f": 1, "a.f": 1, "f": 1, "e": 1}}))
    assert found.metrics == ("f", "e", "a.f", "a.b.f")


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["m.json"], ["f"]),
        (["1/dev.json", "1/test.json"], ["dev:f", "test:f"]),
        (["dev/seed-1.json", "test/seed-1.json"], ["dev:f", "test:f"]),
        (["1/dev/m.json", "1/test/m.json"], ["dev:f", "test:f"]),
        (["m.json", "m-dev.json"], ["m.json:f", "m-dev.json:f"]),
        (["a.json", "a.json.json"], ["json:f", "json.json:f"]),
    ],
)
def test_a_number_in_two_files_is_called_by_what_tells_them_apart(
    files: list[str], names: list[str]
) -> None:
    assert (
        list(run_diff.flat_metrics(tried({}, {file: {"f": 1} for file in files}).record)) == names
    )


@given(st.dictionaries(st.text("ab/.-", min_size=1), st.just({"f": 1.0}), max_size=4))
def test_no_number_gets_lost_among_files(files: dict[str, dict[str, float]]) -> None:
    assert len(run_diff.flat_metrics(tried({}, files).record)) == len(files)


@pytest.mark.parametrize("name", ["loss", "loss.ner", "train_loss", "Error", "mean.RMSE", "ppl"])
def test_of_losses_and_errors_the_lowest_is_marked(name: str) -> None:
    assert run_diff.best_rows(scored(0.2, 0.1, 0.3, metric=name), name) == {1}


@pytest.mark.parametrize("name", ["ents_f", "score", "words_per_second", "blossom", "terror"])
def test_of_anything_else_the_highest_is_marked(name: str) -> None:
    assert run_diff.best_rows(scored(0.2, 0.1, 0.3, 0.3, metric=name), name) == {2, 3}


def test_nothing_is_best_where_all_are_alike_or_alone() -> None:
    assert run_diff.best_rows(scored(0.5, 0.5), "f") == frozenset()
    assert run_diff.best_rows(scored(0.5), "f") == frozenset()


def test_the_mean_is_over_all_that_differ_in_nothing_else() -> None:
    runs = [
        tried({"seed": seed, "rate": rate}, {"m": {"f": rate + seed}}, how=how)
        for seed, rate, how in ((1, 0.5, "run"), (3, 0.5, "run"), (1, 0.25, "record"))
    ]
    found = run_diff.average_over(table(*runs), ["seed"])
    assert found.variables == ("rate",)
    alone, pair = found.rows
    assert (alone.metrics["f"], alone.seconds, len(alone.runs)) == (MetricValue(1.25), None, 1)
    assert pair.metrics["f"].value == 2.5
    assert pair.metrics["f"].deviation == pytest.approx(2**0.5)
    assert (pair.seconds, len(pair.runs)) == (1.5, 2)


def test_a_mean_beyond_any_float_is_left_out() -> None:
    runs = [tried({"seed": seed}, {"m": {"f": 1.7e308, "g": 1}}) for seed in (1, 2)]
    (row,) = run_diff.average_over(table(*runs), ["seed"]).rows
    assert list(row.metrics) == ["g"]


def test_metrics_are_chosen_by_name_and_pattern_in_the_order_given() -> None:
    found = table(tried({}, {"m": {"ents_f": 1, "ents_p": 1, "speed": 1, "odd[1]": 1}}))
    assert run_diff.select_metrics(found, ["speed", "ents_*"]).metrics == (
        "speed",
        "ents_f",
        "ents_p",
    )
    assert run_diff.select_metrics(found, ["odd[1]"]).metrics == ("odd[1]",)
    assert run_diff.select_metrics(found, []) == found


def test_sorted_by_a_metric_the_rows_without_it_come_last() -> None:
    some = [tried({"n": n}, {"m": {"f": f, "g": 1}}) for n, f in enumerate((0.2, 0.9, 0.5))]
    found = table(*some, tried({"n": 3}, {"m": {"g": 1}}))
    down = run_diff.sort_by_metric(found, "f", ascending=False)
    assert [row.variables["n"] for row in down.rows] == [1, 2, 0, 3]
    up = run_diff.sort_by_metric(found, "f", ascending=True)
    assert [row.variables["n"] for row in up.rows] == [0, 2, 1, 3]
    assert run_diff.sort_by_metric(found, "g", ascending=True).metrics == ("g", "f")


def test_of_two_values_the_better_one_is_marked() -> None:
    assert run_diff.best_rows(scored(0.5, 0.25), "f") == {0}
    assert run_diff.best_rows(scored(0.5, 0.25, metric="loss"), "loss") == {1}
    assert run_diff.best_rows(scored(0.5, 0.5), "f") == frozenset()
    assert run_diff.best_rows(scored(0.5), "f") == run_diff.best_rows([], "f") == frozenset()
    assert run_diff.best_rows(scored(1, 2, 2), "f") == {1, 2}


def test_numbers_come_before_texts_then_the_rest_and_last_what_nobody_gave() -> None:
    given = [
        {"x": None},
        {"x": "10b"},
        {"x": True},
        {},
        {"x": "9a"},
        {"x": 2},
        {"x": 1.5},
        {"x": [1]},
    ]
    found = sorted(given, key=lambda variables: run_diff.natural_key(variables, "x"))
    assert found == [
        {"x": 1.5}, {"x": 2}, {"x": "9a"}, {"x": "10b"}, {"x": [1]}, {"x": None}, {"x": True}, {},
    ]  # fmt: skip
