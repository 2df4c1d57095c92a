"""A record and its line: written once, read again by anybody, merged by Git as lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.state import run_record
from git_spacy.state.run_record import RecordedFile, RunChange, RunRecord

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
)  # fmt: skip


@given(runs)
def test_a_record_is_one_line_of_ascii_and_is_read_as_it_was(run: RunRecord) -> None:
    line = run_record.to_line(run)
    assert line.isascii()
    assert "\n" not in line
    assert run_record.parse_line(line) == run
    assert run_record.to_line(run) == line


def test_a_line_has_sorted_keys_and_says_nothing_twice() -> None:
    document = json.loads(run_record.to_line(RUN))
    assert list(document) == sorted(document)
    assert document["v"] == 1
    assert document["outs"] == [
        {"md5": "d" * 32, "names": "e" * 32, "path": "training", "size": 7},
        {"md5": None, "path": "gone.txt", "size": None},
    ]
    assert RUN.entry().fingerprint_key == RUN.fingerprint_key


def without(name: str) -> str:
    document = json.loads(run_record.to_line(RUN))
    del document[name]
    return json.dumps(document)


def having(name: str, value: Any) -> str:
    return json.dumps({**json.loads(run_record.to_line(RUN)), name: value})


@pytest.mark.parametrize(
    "line",
    [
        "", "reviewed by somebody", "{", "[]", "null", "1e999", "{}", '"v"', "[" * 100_000,
        having("v", 2), having("v", "1"), without("time"), without("command"), without("deps"),
        having("deps", "abc"), having("deps", [{"md5": "x"}]), having("deps", {"path": 1}),
        having("deps", [{"path": 1, "md5": None}]), having("script", "python"),
        having("script", [1]), having("how", "guess"), having("seconds", "long"),
        having("seconds", True), having("vars", 1), having("versions", {"python": 3}),
        having("metrics", {"a": {"b": "high"}}), having("metrics", []), having("time", None),
        having("metrics", {"a": {"b": 10**400}}),
    ],
)  # fmt: skip
def test_what_others_wrote_into_the_notes_is_passed_over(line: str) -> None:
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
        ("seconds", [-1, True, "1", 1e300]), ("exit", NUMBERS[1:]), ("script", [["\ud800"]]),
        ("vars", [{"a": "\ud800"}, {"a": [[float("inf")]]}, {"a": float("nan")}]),
        ("versions", [{"python": "a\nb"}]), ("metrics", [{"\ud800": {}}, {"a": {"\ud800": 1}}]),
    ],
)  # fmt: skip
def test_a_record_with_a_value_that_cannot_be_is_passed_over(name: str, values: list[Any]) -> None:
    """Threat model: hostile-values."""

    for value in values:
        if name in RecordedFile._fields:
            file = {"path": "model", "md5": "a" * 32, "size": 1, "names": "", name: value}
            found = [having(part, [file]) for part in ("deps", "outs")]
        else:
            found = [having(name, value)]
        assert [run_record.parse_line(line) for line in found] == [None] * len(found), repr(value)[
            :80
        ]
        assert run_record.parse_lines([*found, run_record.to_line(RUN)]) == (RUN,)


def test_variables_that_are_nested_too_deeply_are_passed_over() -> None:
    text = having("vars", {"a": 0}).replace('"a": 0', '"a": ' + "[" * 900 + "]" * 900)
    assert run_record.parse_line(text) is None


def test_a_field_of_a_later_version_does_no_harm() -> None:
    assert run_record.parse_line(having("matrix", {"seed": 1})) == RUN


def test_records_come_by_time_and_of_one_project() -> None:
    later = RUN._replace(time="2026-11-25T00:00:00.000Z")
    other = RUN._replace(project="")
    lines = [run_record.to_line(one) for one in (later, other, RUN)]
    assert run_record.parse_lines(lines, "ner") == (RUN, later)
    assert len(run_record.parse_lines(lines)) == 3


@pytest.mark.parametrize(
    ("text", "found"),
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
def test_the_numbers_of_a_json_output_are_its_metrics(text: str, found: dict[str, float]) -> None:
    assert run_record.read_metrics(text.encode("latin-1")) == found


def test_two_runs_differ_in_what_went_in_and_what_came_out() -> None:
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


def test_metrics_of_two_files_are_told_apart() -> None:
    two = RUN._replace(metrics={"a.json": {"f": 1, "p": 2}, "b.json": {"f": 3}})
    assert run_record.flat_metrics(two) == {"a.json:f": 1, "p": 2, "b.json:f": 3}


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
def test_numbers_are_told_with_four_digits(number: float, text: str) -> None:
    assert run_record.format_number(number) == text


@pytest.mark.threat("expanding-notes", commands="diff log")
def test_scripts_of_many_equal_lines_are_compared_in_no_time() -> None:
    """Issue 17, B11: 6,000 alternating lines took 40 s."""

    from git_spacy.state.run_record import RunRecord, differences

    lines = tuple("ab"[number % 2] for number in range(6_000))
    runs = [
        RunRecord("2026-01-01T00:00:00.000Z", "", "all", script, (), ())
        for script in (lines, (*lines[1:], "c"))
    ]
    assert len(differences(*runs)) == 12_000
