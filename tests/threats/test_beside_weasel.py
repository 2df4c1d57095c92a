"""Each hostile input of the comparison with weasel has the documented result in git-spacy.

The results of weasel are reported, and not asserted. `python -m tests.threats.beside --write` writes
the table in docs/explanation/security.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.threats.beside import INPUTS, Input, documented_rows, run_both

pytest.importorskip("weasel")


@pytest.mark.slow
@pytest.mark.parametrize("hostile", INPUTS, ids=lambda hostile: f"{hostile.threat}-{hostile.name}")
def test_hostile_input_has_the_documented_result(
    hostile: Input,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    ours, theirs = run_both(hostile, tmp_path / "w")
    record_property("weasel", theirs.text)
    assert (ours.code, ours.harm) == (hostile.code, "")


def test_document_lists_every_input() -> None:
    assert documented_rows() == [(hostile.threat, hostile.name) for hostile in INPUTS]
