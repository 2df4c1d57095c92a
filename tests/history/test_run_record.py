"""Run records and their lines in notes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.history import run_record
from git_spacy.history.run_record import Attempt, RecordedFile, RunChange, RunRecord

RUN = RunRecord(
    time="2026-11-24T01:55:41.123Z",
    project="ner",
    command="train",
    script=("python -m spacy train configs/config.cfg",),
    deps=(
        RecordedFile("configs/config.cfg", "a" * 32, 1200),
        RecordedFile("corpus", "b" * 32, 5, "c" * 32),
    ),
    outs=(RecordedFile("training", "d" * 32, 7, "e" * 32), RecordedFile("gone.txt", None, None)),
    seconds=12.5,
    tree="f" * 40,
    dirty=True,
    vars={"seed": 1},
    versions={"python": "3.11.2"},
    metrics={"metrics.json": {"ents_f": 0.88, "per_type.BRAND.f": 1}},
)

texts = st.text(max_size=20)
lines = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
md5s = st.text("0123456789abcdef", min_size=32, max_size=32)
sizes = st.none() | st.integers(0, 1 << 60)
files = st.lists(
    st.builds(RecordedFile, lines, st.none() | md5s, sizes, st.just("") | md5s), max_size=3
).map(tuple)
numbers = st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
runs = st.builds(
    RunRecord,
    time=st.datetimes().map(lambda time: f"{time.isoformat(timespec='milliseconds')}Z"),
    project=st.sampled_from(["", "ner", "deep/er one/é"]), command=lines, script=st.lists(texts, max_size=3).map(tuple),
    deps=files, outs=files, how=st.sampled_from(["run", "record"]),
    seconds=st.floats(0, 1e9), exit=st.integers(0, 255), dirty=st.booleans(),
    tree=st.sampled_from(["", "f" * 40, "0" * 64]), source=lines,
    vars=st.dictionaries(texts, values, max_size=3),
    versions=st.dictionaries(lines, lines, max_size=3),
    metrics=st.dictionaries(texts, st.dictionaries(texts, numbers, max_size=3), max_size=2),
    links=st.dictionaries(lines, lines, max_size=2),
    queued=st.floats(0, 1e9), node=lines, resources=st.dictionaries(lines, numbers, max_size=2),
    timeout=st.floats(0, 1e9),
    attempts=st.lists(
        st.builds(Attempt, st.integers(0, 255), st.floats(0, 1e9), st.floats(0, 1e9)), max_size=2
    ).map(tuple),
)  # fmt: skip


@given(runs)
def test_a_record_is_one_line_of_ascii_that_reads_back_unchanged(run: RunRecord) -> None:
    line = run_record.to_line(run)
    assert line.isascii()
    assert "\n" not in line
    assert run_record.parse_line(line) == run
    assert run_record.to_line(run) == line


def test_a_line_has_sorted_keys_and_omits_empty_digests_of_names() -> None:
    document = json.loads(run_record.to_line(RUN))
    assert list(document) == sorted(document)
    assert document["v"] == 1
    assert document["outs"] == [
        {"md5": "d" * 32, "names": "e" * 32, "path": "training", "size": 7},
        {"md5": None, "path": "gone.txt", "size": None},
    ]
    assert RUN.entry().fingerprint_key == RUN.fingerprint_key


def without_key(name: str) -> str:
    document = json.loads(run_record.to_line(RUN))
    del document[name]
    return json.dumps(document)


def with_value(name: str, value: Any) -> str:
    return json.dumps({**json.loads(run_record.to_line(RUN)), name: value})


@pytest.mark.parametrize(
    "line",
    [
        "", "reviewed by a colleague", "{", "[]", "null", "1e999", "{}", '"v"', "[" * 100_000,
        with_value("v", 2), with_value("v", "1"), without_key("time"), without_key("command"), without_key("deps"),
        with_value("deps", "abc"), with_value("deps", [{"md5": "x"}]), with_value("deps", {"path": 1}),
        with_value("deps", [{"path": 1, "md5": None}]), with_value("script", "python"),
        with_value("script", [1]), with_value("how", "guess"), with_value("seconds", "long"),
        with_value("seconds", True), with_value("vars", 1), with_value("versions", {"python": 3}),
        with_value("metrics", {"a": {"b": "high"}}), with_value("metrics", []), with_value("time", None),
        with_value("metrics", {"a": {"b": 10**400}}),
    ],
)  # fmt: skip
def test_lines_that_are_not_records_are_skipped(line: str) -> None:
    assert run_record.parse_line(line) is None
    assert run_record.parse_lines([line, run_record.to_line(RUN)]) == (RUN,)


PATHS: list[Any] = ["../x", "/x", "a/../x", "a//b", "a\0b", ".git", 1, ["a"]]
HASHES: list[Any] = ["../x", "*", "a" * 31, "a" * 32 + "/..", "A" * 32, "a" * 10_000_000, 1, ["a"]]
LINES: list[Any] = ["a\nb", "\x1b[2J", "\ud800", 1, ["a"], {}]
NUMBERS: list[Any] = [-1, 1.5, True, "1", 10**400, [1]]


@pytest.mark.threat("hostile-values", commands="diff log show")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("project", PATHS), ("tree", HASHES), ("md5", HASHES), ("names", HASHES), ("path", LINES),
        ("command", LINES), ("source", LINES), ("size", NUMBERS), ("time", [*LINES, "", "yesterday"]),
        ("seconds", [-1, True, "1", 1e300]), ("queued", [-1, True, "1", 1e300]), ("node", LINES),
        ("resources", [1, [], {"CPU": "1"}, {"CPU": True}, {"a\nb": 1}]), ("exit", NUMBERS[1:]), ("script", [["\ud800"]]),
        ("vars", [{"a": "\ud800"}, {"a": [[float("inf")]]}, {"a": float("nan")}]),
        ("versions", [{"python": "a\nb"}]), ("metrics", [{"\ud800": {}}, {"a": {"\ud800": 1}}]),
    ],
)  # fmt: skip
def test_a_record_with_an_invalid_value_is_skipped(name: str, values: list[Any]) -> None:
    """Threat model: hostile-values."""

    for value in values:
        if name in RecordedFile._fields:
            file = {"path": "model", "md5": "a" * 32, "size": 1, "names": "", name: value}
            lines = [with_value(part, [file]) for part in ("deps", "outs")]
        else:
            lines = [with_value(name, value)]
        assert [run_record.parse_line(line) for line in lines] == [None] * len(lines), repr(value)[
            :80
        ]
        assert run_record.parse_lines([*lines, run_record.to_line(RUN)]) == (RUN,)


def test_a_record_with_deeply_nested_variables_is_skipped() -> None:
    text = with_value("vars", {"a": 0}).replace('"a": 0', '"a": ' + "[" * 900 + "]" * 900)
    assert run_record.parse_line(text) is None


def test_a_key_of_a_later_version_is_ignored() -> None:
    assert run_record.parse_line(with_value("matrix", {"seed": 1})) == RUN


def test_records_are_sorted_by_time_and_filtered_by_project() -> None:
    later = RUN._replace(time="2026-11-25T00:00:00.000Z")
    other = RUN._replace(project="")
    lines = [run_record.to_line(record) for record in (later, other, RUN)]
    assert run_record.parse_lines(lines, "ner") == (RUN, later)
    assert len(run_record.parse_lines(lines)) == 3


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ('{"a": 1, "b": {"c": 0.5, "d": {"e": -2}}}', {"a": 1, "b.c": 0.5, "b.d.e": -2}),
        ('{"a": true, "b": null, "c": "1", "d": [1, 2]}', {}),
        ('{"a": NaN, "b": Infinity, "c": 1e999, "d": 1}', {"d": 1}),
        ("[1, 2]", {}),
        ("1", {}),
        ("{", {}),
        ("\xff", {}),
        ('{"a": ' * 100_000, {}),
        ("{" + ",".join(f'"{n}": {n}' for n in range(300)) + "}", {}),
        ('{"a": ' + "9" * 400 + "}", {}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_numbers_of_a_json_output_are_its_metrics(text: str, metrics: dict[str, float]) -> None:
    assert run_record.read_metrics(text.encode("latin-1")) == metrics


def test_differences_cover_script_dependencies_outputs_metrics_and_exit_status() -> None:
    after = RUN._replace(
        script=("python -m spacy train configs/config.cfg", "echo done"),
        deps=(
            RecordedFile("configs/config.cfg", "0" * 32, 1200),
            RecordedFile("data", "b" * 32, 5),
        ),
        outs=RUN.outs[:1],
        exit=1,
        metrics={"metrics.json": {"ents_f": 0.9}},
    )
    assert run_record.differences(RUN, after) == (
        RunChange("script", "", "", "echo done"),
        RunChange("dep", "configs/config.cfg", "a" * 32, "0" * 32),
        RunChange("dep", "corpus", "b" * 32, ""),
        RunChange("dep", "data", "", "b" * 32),
        RunChange("metric", "ents_f", "0.88", "0.9"),
        RunChange("metric", "per_type.BRAND.f", "1", ""),
        RunChange("exit", "", "0", "1"),
    )
    assert run_record.differences(RUN, RUN) == ()


def test_a_metric_in_two_files_has_the_file_in_its_name() -> None:
    two = RUN._replace(metrics={"a.json": {"f": 1, "p": 2}, "b.json": {"f": 3}})
    assert run_record.flat_metrics(two) == {"a:f": 1, "p": 2, "b:f": 3}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (0.5, "0.5"),
        (0.88213, "0.8821"),
        (0.0, "0"),
        (1e-7, "1e-07"),
        (12345.678, "12345.678"),
        (1e12, "1e+12"),
        (-2.0, "-2"),
    ],
)
def test_numbers_are_formatted_with_at_most_four_decimal_places(number: float, text: str) -> None:
    assert run_record.format_number(number) == text


@pytest.mark.threat("expanding-notes", commands="diff log")
def test_scripts_with_many_equal_lines_are_compared_quickly() -> None:
    """A comparison of 6,000 alternating lines once took 40 s."""

    lines = tuple("ab"[number % 2] for number in range(6_000))
    runs = [
        RunRecord("2026-01-01T00:00:00.000Z", "", "all", script, (), ())
        for script in (lines, (*lines[1:], "c"))
    ]
    assert len(run_record.differences(*runs)) == 12_000
