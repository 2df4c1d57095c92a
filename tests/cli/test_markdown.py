"""Text of others in a Markdown comment is shown as it is, whatever it contains."""

from __future__ import annotations

import re

import pytest

from git_spacy.cli import markdown

HOSTILE = (
    "a|b", "a\\|b", "`code` | x", "``` x", "<img src=x onerror=y>", "<!-- hidden", "**bold**",
    "[text](https://example.com)", "@team please", "#1", "GH-1", "https://example.com", "www.a.de",
    "line\nbreak", "line\r\n| x |", "\x1b[31mred", "\u202eright to left", "\u2066isolate\u2069",
    "\u200fmark", "&lt;b&gt;", "a\u2028b", "`", "``", "~~~", "$x$", "| --- |", "",
)  # fmt: skip


@pytest.mark.threat("injected-text", commands="diff, log")
def test_hostile_text_stays_in_its_cell() -> None:
    for text in HOSTILE:
        cell = markdown.cell(text)
        assert "\n" not in cell
        assert not re.search(
            "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]", cell
        )
        assert not re.search(r"(?<!\\)\|", cell)
        assert "\\\\|" not in cell  # in some dialects, this is a backslash and the end of a cell
        if text:
            fence = re.match("`+", cell)
            assert fence, cell
            assert cell.endswith(fence[0])
            inner = cell[len(fence[0]) : -len(fence[0])]
            assert fence[0] not in re.findall("`+", inner)


def test_numbers_and_ids_of_commits_are_plain() -> None:
    for text in ("0.25", "-1.5e-07", "12", "0.94 ± 0.05", "0.3 s", "–", "1a2b3c4+", "2026-11-24"):
        assert markdown.cell(text) == text


@pytest.mark.threat("injected-text", commands="diff, log")
def test_lines_of_a_script_cannot_end_their_block() -> None:
    block = markdown.diff_block(["- ```", "+ a\n```` b", "+   kept  spaces", "+ \u202ex"])
    lines = block.split("\n")
    assert lines == [
        "`````diff",
        "- ```",
        "+ a\\n```` b",
        "+   kept  spaces",
        "+ \\u202ex",
        "`````",
    ]


def test_a_table_aligns_numbers_to_the_right() -> None:
    assert markdown.table(["a", "b"], [["x", "1"]], [True, False]) == (
        "| a | b |\n| --- | ---: |\n| x | 1 |"
    )
