"""Each hostile input beside the peer: ours is what threats.md says, theirs is told in the report and
asserted nowhere. docs/explanation/security.md has the table, made by `python -m tests.threats.beside --write`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.threats.beside import INPUTS, Input, both, written

pytest.importorskip("weasel")


@pytest.mark.slow
@pytest.mark.parametrize("one", INPUTS, ids=lambda one: f"{one.threat}-{one.name}")
def test_what_comes_of_it(
    one: Input,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    ours, theirs = both(one, tmp_path / "w")
    record_property("weasel", theirs.text)
    assert (ours.code, ours.harm) == (one.code, "")


def test_the_document_has_all_of_them() -> None:
    assert written() == [(one.threat, one.name) for one in INPUTS]
