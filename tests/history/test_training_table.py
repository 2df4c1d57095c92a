"""The tables that spaCy prints while it trains are read from logs."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.history import training_table
from git_spacy.history.training_table import TrainingTable

TABLE = """\
E    #       LOSS NER  ENTS_F  SCORE
---  ------  --------  ------  ------
  0       0      9.50    0.00    0.00
  1     200      1.25   81.50    0.81
"""
READ = TrainingTable(("loss ner", "ents_f", "score"), (0, 200), ((9.5, 0, 0), (1.25, 81.5, 0.81)))


def test_what_spacy_s_own_logger_prints_is_read() -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.training.loggers import console_logger_v3

    nlp = spacy.blank("en")
    nlp.add_pipe("ner", name="a_component_with_a_long_name")
    weights = dict.fromkeys(nlp.config["training"]["score_weights"])
    nlp.config["training"]["score_weights"] = {**weights, "ents_f": 1.0, "speed": 0.0}
    printed = io.StringIO()
    log_step, finish = console_logger_v3()(nlp, printed, printed)
    for step in (0, 200, 123_456_789):
        scores = {"ents_f": step / 1e9, "speed": 12_345.6}
        log_step(
            {
                "epoch": step, "step": step, "losses": {"a_component_with_a_long_name": 1e12},
                "other_scores": scores, "score": 0.5,
            }
        )  # fmt: skip
    finish()
    (table,) = training_table.parse(printed.getvalue())
    assert table.columns == ("loss a_com...", "ents_f", "speed", "score")
    assert table.steps == (0, 200, 123_456_789)
    assert table.rows[2] == (1e12, 12.35, 12345.6, 0.5)


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        f"Pipeline: ['ner']\n{TABLE}✔ Saved pipeline to output directory\n",
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("  1  ", "\x1b[38;5;2m  1\x1b[0m  "),
        TABLE.replace("  1  ", " 50%|###   | 100/200\r                   \r  1  "),
        TABLE.replace("  1  ", "UserWarning: 1 of 2\n  1  "),
        TABLE + "  2     400      1.25   81.50\n",
        TABLE + "  2     400      1.25   81.50    0.81    7.00\n",
    ],
)
def test_other_output_between_the_rows_is_left_out(text: str) -> None:
    assert training_table.parse(text) == [READ]


def test_each_training_has_a_table_and_no_other_table_is_read() -> None:
    other = (
        "NAME  P       R     F\n----  -----  -----  -----\nX     1      2      3\n  1  2  3  4\n"
    )
    no_rows = "\n".join(TABLE.splitlines()[:2])
    assert training_table.parse(TABLE + other + no_rows + "\n" + TABLE) == [READ, READ]


def test_losses_that_are_no_numbers_are_kept() -> None:
    (table,) = training_table.parse(TABLE.replace("1.25", " nan").replace("9.50", " inf"))
    assert [str(row[0]) for row in table.rows] == ["inf", "nan"]


@given(st.text(alphabet="E# -\n\r019.\x1b[mSCORE", max_size=300), st.integers(0, 200))
def test_any_text_is_read_without_a_crash(text: str, place: int) -> None:
    for table in training_table.parse(TABLE[:place] + text + TABLE[place:]):
        assert len(table.steps) == len(table.rows)
        assert {len(row) for row in table.rows} == {len(table.columns)}
