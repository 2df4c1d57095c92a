"""Comparing runs: which runs count, their order, and the best values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.git.notes import AnnotatedCommit
from git_spacy.history import run_diff, run_record
from git_spacy.history.commit_runs import RecordedRun
from git_spacy.history.run_diff import MetricsRow, MetricsTable, MetricValue, VariantRun
from git_spacy.history.run_params import RunParams
from git_spacy.history.run_record import RunRecord

COMMIT = AnnotatedCommit("a" * 40, "aaaaaaa", 0, "b" * 40, (), "subject")


def variant_run(
    variables: dict[str, Any], metrics: dict[str, dict[str, float]] | None = None, *,
    exit: int = 0, command: str = "train", complete: bool = True, how: Any = "run",
) -> VariantRun:  # fmt: skip
    record = RunRecord(
        "", "", command, (), (), (), how, 1.5, exit, vars=variables,
        metrics={"m.json": {"f": 0.5}} if metrics is None else metrics,
    )  # fmt: skip
    return VariantRun(RecordedRun(record), COMMIT, RunParams(variables, complete))


def table(*runs: VariantRun) -> MetricsTable:
    (result,) = run_diff.compare(runs).tables
    return result


def rows_with(*values: float, metric: str = "f") -> list[MetricsRow]:
    return [MetricsRow({}, {metric: MetricValue(value)}, 1.0, ()) for value in values]


def test_the_last_successful_run_of_each_set_of_variables_counts() -> None:
    newest = [
        variant_run({"seed": 1}, {"m": {"f": 0.9}}),
        variant_run({"seed": 2}, exit=1),
        variant_run({"seed": 1}, {"m": {"f": 0.1}}),
        variant_run({"seed": 2}, {"m": {"f": 0.2}}),
        variant_run({"seed": 3}, exit=1),
    ]
    found = run_diff.compare(newest)
    assert [row.metrics["f"].value for row in found.tables[0].rows] == [0.9, 0.2]
    assert [run.record.vars for run in found.failed] == [{"seed": 2}, {"seed": 3}]


def test_a_failure_before_a_successful_run_is_not_reported() -> None:
    assert (
        run_diff.compare([variant_run({"seed": 1}), variant_run({"seed": 1}, exit=1)]).failed == ()
    )


def test_commands_without_metrics_have_no_table() -> None:
    found = run_diff.compare(
        [variant_run({}, command="train"), variant_run({}, {}, command="prepare")]
    )
    assert [table.command for table in found.tables] == ["train"]
    assert found.without_metrics == ("prepare",)
    assert run_diff.compare([]) == ((), (), ())


def test_rows_are_in_the_natural_order_of_their_variables() -> None:
    values = [10, "b10", 9, "b9", None, 2.5, True, [1]]
    found = table(*(variant_run({"x": value}) for value in values))
    assert [row.variables["x"] for row in found.rows] == [2.5, 9, 10, "b9", "b10", [1], None, True]


@given(st.lists(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_any_values_of_variables_can_be_sorted(values: list[Any]) -> None:
    found = sorted(
        ({"x": value} for value in values),
        key=lambda variables: run_diff.natural_key(variables, "x"),
    )
    assert len(found) == len(values)


def test_a_variable_with_the_same_value_in_all_runs_has_no_column() -> None:
    found = table(variant_run({"seed": 1, "rate": 0.1}), variant_run({"seed": 2, "rate": 0.1}))
    assert found.variables == ("seed",)


def test_a_variable_that_only_some_runs_have_is_a_column() -> None:
    assert table(variant_run({"seed": 1}), variant_run({})).variables == ("seed",)
    given = variant_run({"seed": 1}, complete=False), variant_run({}, complete=False)
    assert table(*given).variables == ("seed",)


def test_an_unknown_value_is_not_a_difference() -> None:
    known = variant_run({"seed": 1, "rate": 0.1})
    assert table(known, variant_run({"seed": 2}, complete=False)).variables == ("seed",)


def test_top_level_metrics_come_first() -> None:
    found = table(variant_run({}, {"m.json": {"a.b.f": 1, "a.f": 1, "f": 1, "e": 1}}))
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
def test_a_metric_in_two_files_is_named_by_the_distinguishing_part_of_their_paths(
    files: list[str], names: list[str]
) -> None:
    assert (
        list(run_record.flat_metrics(variant_run({}, {file: {"f": 1} for file in files}).record))
        == names
    )


@given(st.dictionaries(st.text("ab/.-", min_size=1), st.just({"f": 1.0}), max_size=4))
def test_no_metric_is_lost_among_files(files: dict[str, dict[str, float]]) -> None:
    assert len(run_record.flat_metrics(variant_run({}, files).record)) == len(files)


@pytest.mark.parametrize("name", ["loss", "loss.ner", "train_loss", "Error", "mean.RMSE", "ppl"])
def test_lower_is_better_for_losses_and_errors(name: str) -> None:
    assert run_diff.best_rows(rows_with(0.2, 0.1, 0.3, metric=name), name) == {1}


@pytest.mark.parametrize("name", ["ents_f", "score", "words_per_second", "blossom", "terror"])
def test_higher_is_better_for_any_other_metric(name: str) -> None:
    assert run_diff.best_rows(rows_with(0.2, 0.1, 0.3, 0.3, metric=name), name) == {2, 3}


def test_equal_values_and_a_single_value_are_not_best() -> None:
    assert run_diff.best_rows(rows_with(0.5, 0.5), "f") == frozenset()
    assert run_diff.best_rows(rows_with(0.5), "f") == frozenset()


def test_the_mean_is_over_runs_that_differ_only_in_the_given_variables() -> None:
    runs = [
        variant_run({"seed": seed, "rate": rate}, {"m": {"f": rate + seed}}, how=how)
        for seed, rate, how in ((1, 0.5, "run"), (3, 0.5, "run"), (1, 0.25, "record"))
    ]
    found = run_diff.average_over(table(*runs), ["seed"])
    assert found.variables == ("rate",)
    alone, pair = found.rows
    assert (alone.metrics["f"], alone.seconds, len(alone.runs)) == (MetricValue(1.25), None, 1)
    assert pair.metrics["f"].value == 2.5
    assert pair.metrics["f"].deviation == pytest.approx(2**0.5)
    assert (pair.seconds, len(pair.runs)) == (1.5, 2)


def test_a_mean_that_overflows_is_left_out() -> None:
    runs = [variant_run({"seed": seed}, {"m": {"f": 1.7e308, "g": 1}}) for seed in (1, 2)]
    (row,) = run_diff.average_over(table(*runs), ["seed"]).rows
    assert list(row.metrics) == ["g"]


def test_metrics_are_selected_by_name_and_pattern_in_order() -> None:
    found = table(variant_run({}, {"m": {"ents_f": 1, "ents_p": 1, "speed": 1, "odd[1]": 1}}))
    assert run_diff.select_metrics(found, ["speed", "ents_*"]).metrics == (
        "speed",
        "ents_f",
        "ents_p",
    )
    assert run_diff.select_metrics(found, ["odd[1]"]).metrics == ("odd[1]",)
    assert run_diff.select_metrics(found, []) == found


def test_rows_without_the_metric_come_last_when_sorted_by_it() -> None:
    scored = [variant_run({"n": n}, {"m": {"f": f, "g": 1}}) for n, f in enumerate((0.2, 0.9, 0.5))]
    found = table(*scored, variant_run({"n": 3}, {"m": {"g": 1}}))
    down = run_diff.sort_by_metric(found, "f", ascending=False)
    assert [row.variables["n"] for row in down.rows] == [1, 2, 0, 3]
    up = run_diff.sort_by_metric(found, "f", ascending=True)
    assert [row.variables["n"] for row in up.rows] == [0, 2, 1, 3]
    assert run_diff.sort_by_metric(found, "g", ascending=True).metrics == ("g", "f")


def test_the_better_of_two_values_is_best() -> None:
    assert run_diff.best_rows(rows_with(0.5, 0.25), "f") == {0}
    assert run_diff.best_rows(rows_with(0.5, 0.25, metric="loss"), "loss") == {1}
    assert run_diff.best_rows(rows_with(0.5, 0.5), "f") == frozenset()
    assert run_diff.best_rows(rows_with(0.5), "f") == run_diff.best_rows([], "f") == frozenset()
    assert run_diff.best_rows(rows_with(1, 2, 2), "f") == {1, 2}


def test_numbers_sort_before_texts_then_other_values_then_missing_ones() -> None:
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
