"""`git spacy log --plot` draws metrics over the history, one line each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.cli.metric_plot import sparkline
from tests.testing.projects import Spacy, process
from tests.testing.repositories import git, repository
from tests.testing.results import note_runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs with a growing score, of which one is an experiment, and one that failed."""

    text = "commands: [{name: score, script: [], outputs_no_cache: [m.json]}]\n"
    root = repository(tmp_path_factory.mktemp("plot") / "p", {"project.yml": text})
    note_runs(
        root, [{"ents_f": 0.1, "loss": 4}, {"ents_f": 0.5, "loss": 1}, {"ents_f": 0.3, "loss": 2}]
    )
    note_runs(root, [{"ents_f": 9.0}], exit=1)
    note_runs(root, [{"ents_f": 0.2}], command="other")
    return root


def test_each_metric_is_a_line_with_its_range_and_the_newest_at_the_right(
    root: Path, spacy: Spacy
) -> None:
    done = spacy("log", "--command", "score", "--plot", "ents_f", "--plot", "lo*", cwd=root)
    assert done.out.splitlines() == [
        "ents_f  ▁█▄  0.3  (min 0.1, max 0.5, 3 runs)",
        "loss    █▁▃  2  (min 1, max 4, 3 runs)",
    ]


def test_a_metric_of_several_commands_is_a_line_for_each(root: Path, spacy: Spacy) -> None:
    assert spacy("log", "--plot", "ents_f", cwd=root).out.splitlines() == [
        "other: ents_f    ▄  0.2  (min 0.2, max 0.2, 1 run)",
        "score: ents_f  ▁█▄  0.3  (min 0.1, max 0.5, 3 runs)",
    ]


def test_a_terminal_without_unicode_gets_ascii(root: Path) -> None:
    words = ("log", "--command", "score", "--plot", "ents_f")
    done = process(*words, cwd=root, PYTHONIOENCODING="ascii", COLUMNS="40")
    assert done.out == "ents_f  _#:  0.3  (min 0.1, max 0.5, 3 runs)\n"


def test_the_newest_values_are_those_that_fit(tmp_path: Path, spacy: Spacy) -> None:
    text = "commands: [{name: score, script: [], outputs_no_cache: [m.json]}]\n"
    root = repository(tmp_path / "p", {"project.yml": text})
    note_runs(root, [{"f": number} for number in range(200)])
    (line,) = spacy("log", "--plot", "f", cwd=root).out.splitlines()
    assert len(line) <= 80
    assert "199  (min 0, max 199, 200 runs)" in line
    blocks = re.sub("[^▁▂▃▄▅▆▇█]", "", line)
    assert 30 < len(blocks) < 80
    assert blocks == "".join(sorted(blocks))
    assert blocks[0] == "▁"
    assert blocks[-1] == "█"


def test_mistakes_get_a_hint(root: Path, spacy: Spacy) -> None:
    done = spacy("log", "--plot", "ents_g", cwd=root)
    assert (done.code, done.err) == (
        2, "error: these runs have no metric 'ents_g'\nhint: did you mean 'ents_f'?\n",
    )  # fmt: skip
    for words in (["--table"], ["--json"], ["--format", "md"]):
        assert spacy("log", "--plot", "ents_f", *words, cwd=root).code == 2
    git(root, "commit", "-q", "--allow-empty", "-m", "later")
    done = spacy("log", "--plot", "ents_f", "HEAD~1..HEAD", cwd=root)
    assert done.err == "error: these runs have no metric 'ents_f'\n"


_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(_FLOATS, min_size=1))
def test_any_values_have_a_block_each_that_keeps_their_order(values: list[float]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    pairs = sorted(zip(values, line, strict=True))
    assert "".join(block for _, block in pairs) == "".join(sorted(line))


def test_a_sparkline_goes_from_the_lowest_to_the_highest_value() -> None:
    assert sparkline([0, 1, 7]) == "▁▂█"
    assert sparkline([2, 2]) == "▄▄"
    assert sparkline([-1.7e308, 0, 1.7e308]) == "▁▅█"  # the difference is not a float
    assert sparkline([]) == ""
