"""How a failure reads: where, what, mend; nothing that a terminal obeys, nothing secret."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy import errors
from git_spacy.errors import Problem, escape_controls, redact


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
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


@given(st.text())
def test_nothing_printable_drives_a_terminal(text: str) -> None:
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
def test_credentials_and_queries_are_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_problem_says_where_what_and_the_mend() -> None:
    assert str(Problem("it is wrong", "correct it", "a.yml:1:2")) == (
        "a.yml:1:2: error: it is wrong\nhint: correct it"
    )
    assert str(Problem("it is wrong")) == "error: it is wrong"


@pytest.mark.parametrize(
    ("family", "code"),
    [
        (errors.CheckFailed, 1),
        (errors.InvalidInput, 2),
        (errors.Refused, 3),
        (errors.ExternalError, 4),
        (errors.LocalFailure, 5),
        (errors.Busy, 75),
    ],
)
def test_the_exit_code_is_on_the_class(family: type[errors.GitSpacyError], code: int) -> None:
    assert family("x").exit_code == code
    many = family.from_problems([Problem("a"), Problem("b")])
    assert many.exit_code == code
    assert str(many) == "error: a\nerror: b"


REPEATED = [
    "a?", "a?=", "?a", "://", "://a@", "@", "a@", "://a?", "%", "%25", "a:", "=", "?=", "'a?", "a? ",
]  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
def test_masking_takes_time_in_proportion_to_the_length(piece: str) -> None:
    """Issue 17, 13: `x://a?a?…` took quadratic time. (Processor time: other processes do not
    count. It takes well under a second; the bound is what a quadratic search would exceed.)"""

    text = "x://" + piece * (1_000_000 // len(piece))
    start = time.process_time()
    escape_controls(redact(text))
    assert time.process_time() - start < 10


@given(st.text(alphabet="a?=:/@ '\"\n%é", max_size=40))
def test_a_query_is_masked_from_the_first_question_mark(text: str) -> None:
    """The rule itself, as one simple expression says it."""

    text = "x://" + text
    masked_credentials = re.sub(r"(?<=://)[^/\s'\"]*@", "***@", text)
    expected = re.sub(r"(?<=\w)\?[^\s'\"]*=[^\s'\"]*", "?***", masked_credentials)
    assert redact(text) == expected
