"""The text of errors: location, message and hints, without control characters or secrets."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy import errors
from git_spacy.errors import Diagnostic, escape_controls, redact


@pytest.mark.threat("terminal-escapes")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("bell\a", "bell\\x07"),
        ("left\u202eright", "left\\u202eright"),
        ("\x9b31m", "\\x9b31m"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\udcff", "\\udcff"),
        ("ß → 😀", "ß → 😀"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


@given(st.text())
def test_escaped_text_has_no_control_characters(text: str) -> None:
    shown = escape_controls(text)
    assert not {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))} & set(shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("get https://user:s3cret@host/x now", "get https://***@host/x now"),
        ("https://tok@en@host/x", "https://***@host/x"),
        ("https://host/x?token=s3cret&a=1 failed", "https://host/x?*** failed"),
        ("what? a=1", "what? a=1"),
        ("git@github.com:o/r", "git@github.com:o/r"),
    ],
)
def test_credentials_and_query_strings_are_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_diagnostic_shows_its_location_severity_and_hints() -> None:
    assert str(Diagnostic("it is wrong", "correct it", "a.yml", 1, 2)) == (
        "a.yml:1:2: error: it is wrong\nhint: correct it"
    )
    assert str(Diagnostic("it is wrong", file="a.yml", line=3)) == "a.yml:3: error: it is wrong"
    assert str(Diagnostic("it is wrong")) == "error: it is wrong"
    old = Diagnostic("it is old", file="a.yml", severity="warning")
    assert str(old) == "a.yml: warning: it is old"


def test_a_coloured_severity_is_the_only_part_that_may_have_control_characters() -> None:
    hostile = Diagnostic("error: \x1b[2J", "error: \x1b[2J", "error: \x1b[2J")
    assert hostile.format("\x1b[31merror:\x1b[0m") == (
        "error: \\x1b[2J: \x1b[31merror:\x1b[0m error: \\x1b[2J\nhint: error: \\x1b[2J"
    )


def test_below_prefixes_the_file_with_a_folder() -> None:
    problem = Diagnostic("it is wrong", file="a/b.yml")
    assert problem.below("deep/folder/").file == "deep/folder/a/b.yml"
    assert problem.below("") == problem


def test_each_line_of_a_hint_is_prefixed_as_git_does() -> None:
    assert str(Diagnostic("it is wrong", "correct it:\n\n  git spacy run all")) == (
        "error: it is wrong\nhint: correct it:\nhint: \nhint:   git spacy run all"
    )


@pytest.mark.parametrize(
    ("error_class", "code"),
    [
        (errors.CheckFailed, 1),
        (errors.InvalidInput, 2),
        (errors.Refused, 3),
        (errors.ExternalError, 4),
        (errors.LocalFailure, 5),
        (errors.Busy, 75),
    ],
)
def test_each_error_class_has_its_exit_code(
    error_class: type[errors.GitSpacyError], code: int
) -> None:
    assert error_class("x").exit_code == code
    combined = error_class.from_problems([Diagnostic("a"), Diagnostic("b")])
    assert combined.exit_code == code
    assert str(combined) == "error: a\nerror: b"


REPEATED = [
    "a?", "a?=", "?a", "://", "://a@", "@", "a@", "://a?", "%", "%25", "a:", "=", "?=", "'a?", "a? ",
]  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
def test_masking_takes_linear_time(piece: str) -> None:
    """`x://a?a?…` once took quadratic time.

    Processor time is measured, so other processes do not count. It takes well under a second; a
    quadratic search would exceed the bound.
    """

    text = "x://" + piece * (1_000_000 // len(piece))
    start = time.process_time()
    escape_controls(redact(text))
    assert time.process_time() - start < 10


@given(st.text(alphabet="a?=:/@ '\"\n%é", max_size=40))
def test_a_query_string_is_masked_from_its_first_question_mark(text: str) -> None:
    """Compare with one simple regular expression that states the rule (and takes quadratic time)."""

    text = "x://" + text
    masked_credentials = re.sub(r"(?<=://)[^/\s'\"]*@", "***@", text)
    expected = re.sub(r"(?<=\w)\?[^\s'\"]*=[^\s'\"]*", "?***", masked_credentials)
    assert redact(text) == expected
