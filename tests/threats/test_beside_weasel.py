"""Each hostile input of the comparison with weasel has the documented result in git-spacy.

The results of weasel are reported, and not asserted, so `scripts/stress` gives it all inputs and
`scripts/test` only the first one. `python -m tests.threats.beside --write` writes the table in
docs/explanation/security.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing.scripted import Scripted
from tests.threats.beside import INPUTS, Input, documented_rows, run_input

FOR_WEASEL = INPUTS if "GIT_SPACY_STRESS" in os.environ else INPUTS[:1]


@pytest.fixture(autouse=True)
def python_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def name(hostile: Input) -> str:
    return f"{hostile.threat}-{hostile.name}"


@pytest.mark.parametrize("hostile", INPUTS, ids=name)
def test_hostile_input_has_the_documented_result(hostile: Input, tmp_path: Path) -> None:
    with Scripted() as web:
        ours = run_input(hostile, tmp_path / "w", web, ours=True)
    assert (ours.code, ours.harm) == (hostile.code, "")


@pytest.mark.slow
@pytest.mark.parametrize("hostile", FOR_WEASEL, ids=name)
def test_weasel_is_given_the_same_input(
    hostile: Input, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pytest.importorskip("weasel")
    with Scripted() as web:
        theirs = run_input(hostile, tmp_path / "w", web, ours=False)
    record_property("weasel", theirs.text)
    assert theirs.code is None or theirs.code >= 0, "weasel was killed by a signal"


def test_document_lists_every_input() -> None:
    assert documented_rows() == [(hostile.threat, hostile.name) for hostile in INPUTS]
