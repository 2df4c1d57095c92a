"""Numbers and words without quotes in project.yml and on the command line, beside weasel's."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.project.matrix import to_cli
from git_spacy.project.variables import parse_override
from tests.testing.examples import examples
from tests.testing.projects import Spacy
from tests.testing.repositories import repository

COMMIT_IDS = ("7e12345", "61e9540", "0e12345", "6100e12", "1e400", "-1e400", "1234567e89012")


def project(scalars: list[str]) -> bytes:
    """A project with a variable of each value and a script line for each variable."""

    variables = [f"  v{number}: {scalar}\n" for number, scalar in enumerate(scalars)]
    lines = [f"      - 'x ${{vars.v{number}}}'\n" for number in range(len(scalars))]
    return "".join(
        ["vars:\n", *variables, "commands:\n  - name: c\n    script:\n", *lines]
    ).encode()


def script(scalars: list[str], overrides: dict[str, Any] | None = None) -> list[str]:
    return list(loader.parse(project(scalars), overrides).project.commands[0].script)


def weasel_script(
    folder: Path, scalars: list[str], overrides: dict[str, Any] | None = None
) -> list[str]:
    config = pytest.importorskip("weasel.util.config")
    (folder / "project.yml").write_bytes(project(scalars))
    document = config.load_project_config(folder, overrides=overrides or {})
    lines: list[str] = document["commands"][0]["script"]
    return lines


SPECIAL = (
    "1_000", "1_0.5", "_1", "1_", "0x1F", "0X1F", "0o17", "0o9", "017", "0b101", "1.10", "3.10", "1.",
    ".5", ".5e3", ".5e+3", "1:30", "12:30:45", "on", "no", "off", "yes", "y", "n", "ON", ".inf", "-.inf",
    ".Inf", ".nan", "inf", "nan", "Infinity", "NaN", "true", "True", "null", "~", "Null", "1e5", "1E5",
    "1e-400", "1e+3", "1e22", "0e0", "00", "-0", "-0.0", "12e03", "123456789012345678901234567890", "1e1_0",
    "0123456", "6100e12", '"61e9540"', '"0123456"', "'1_000'", "2001-1", "1.2.3", "v1.10",
)  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(SPECIAL),
    st.from_regex(r"[-+]?[0-9][0-9_]{0,6}(\.[0-9_]{0,4})?([eE][-+]?[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"0[xob][0-9a-fA-F][0-9a-fA-F_]{0,5}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{7}", fullmatch=True),
)


def is_too_large(scalar: str) -> bool:
    """Weasel reads such a number as infinite."""

    text = scalar.replace("_", "").strip("'\"")
    try:
        return math.isinf(float(text)) and "n" not in text.lower()
    except ValueError:
        return False


@settings(max_examples=examples(30))
@given(st.lists(SCALARS.filter(lambda scalar: not is_too_large(scalar)), min_size=1, max_size=40))
def test_a_scalar_in_project_yml_is_what_weasel_reads(
    tmp_path_factory: pytest.TempPathFactory, scalars: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("scalars")
    assert script(scalars) == weasel_script(folder, scalars)


@given(SCALARS.filter(lambda scalar: not re.search("[eE][-+]?[0-9]{3}", scalar)))
def test_a_value_on_the_command_line_is_what_weasel_reads_or_what_was_typed(scalar: str) -> None:
    config = pytest.importorskip("weasel.util.config")
    ours = parse_override(scalar)
    theirs = config.parse_config_overrides([f"--vars.v0={scalar}"], None)["vars.v0"]
    both_floats = isinstance(ours, float) and isinstance(theirs, float)
    # weasel's JSON parser keeps large whole numbers as text, is off in the last digit of others, and
    # takes some with an exponent of three digits for 0 or NaN
    is_close = both_floats and math.isclose(ours, theirs, rel_tol=1e-14)
    assert str(ours) in (str(theirs), scalar) or is_close
    assert parse_override(to_cli(ours)) == ours


@pytest.mark.parametrize("commit", COMMIT_IDS)
def test_the_id_of_a_commit_is_passed_on_as_typed(commit: str) -> None:
    assert script(["x"], {"vars.v0": parse_override(commit)}) == [f"x {commit}"]


@pytest.mark.parametrize("number", ["61e9540", "7e12345", "1e400", "-1e400", "1_0e999", "9.e999"])
def test_a_number_that_is_too_large_stays_text(number: str) -> None:
    assert script([number]) == [f"x {number}"]


@pytest.mark.parametrize(
    ("scalar", "message"),
    [
        ("61e9540", "61e9540 is too large for a number: weasel reads it as infinite"),
        ("6100e12", "6100e12 is read as the number 6100000000000000.0"),
        ("0123456", "0123456 is read as the number 123456"),
        ("007", "007 is read as the number 7"),
    ],
)
def test_digits_that_are_no_number_cause_a_warning_with_the_quotes_to_add(
    scalar: str, message: str
) -> None:
    (warning,) = loader.parse(project([scalar])).project.warnings
    assert (warning.message, warning.line) == (message, 2)
    cure = warning.hint.removeprefix("put it in quotes: ")
    assert not loader.parse(project([cure])).project.warnings
    assert script([cure]) == [f"x {scalar}"]


def test_ordinary_numbers_cause_no_warning() -> None:
    scalars = ["1e5", "0.10", "3.10", "1_000", "0x1F", "0", "0.5", "10e-3", "1234567", "e0e1234"]
    assert not loader.parse(project(scalars)).project.warnings


def test_values_that_json_cannot_hold_are_run_and_recorded(tmp_path: Path, spacy: Spacy) -> None:
    """These ended with an internal error and without a record."""

    made = repository(tmp_path / "p", {
        "project.yml": "vars: {v: 1}\ncommands:\n  - name: c\n    script: [\"true '${vars.v}'\"]\n"
        "    outputs: [out]\n",
        "out": "",
    })  # fmt: skip
    for value in ("NaN", "[1, -Infinity]", '{"a": 1e999}', r'"\u0000"', r'["\ud800"]', "[" * 3000):
        done = spacy("run", "c", "--vars.v", value, cwd=made)
        assert done.code == 0, done.err
        assert "warning" not in done.err
    assert spacy("show", "--json", cwd=made).out.count('"command": "c"') == 6
    assert "c  up to date" in spacy("status", "--vars.v", value, cwd=made).out


def test_the_resolved_project_is_json_also_with_infinite_numbers(
    tmp_path: Path, spacy: Spacy
) -> None:
    (tmp_path / "project.yml").write_bytes(project([".inf", "-.inf", ".nan"]))
    text = spacy("resolved", "--json", cwd=tmp_path).out
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert list(document["vars"].values()) == ["Infinity", "-Infinity", "NaN"]


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(InvalidInput, match="is not valid UTF-8"):
        parse_override("a\udcff")


def test_a_null_character_in_project_yml_is_reported_where_it_is() -> None:
    with pytest.raises(InvalidInput) as caught:
        script([r'"a\0b"'])
    (problem,) = caught.value.problems
    assert problem.location == "project.yml:2:7"
    assert problem.message == r"control character '\x00'"
