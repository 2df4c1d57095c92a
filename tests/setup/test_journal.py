"""The journal of `init`: values that it cannot have written are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.testing.projects import Spacy, snapshot, two_steps
from tests.testing.repositories import repository


@pytest.mark.threat("hostile-values", commands="init")
@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("text", {"where": "../../outside"}), ("text", {"where": "/etc/passwd"}),
        ("text", {"where": "a\0b"}), ("text", {"made": ["../../folder"]}), ("text", {"kind": "run"}),
        ("text", {"shared": "yes"}), ("text", {"part": 1}), ("setting", {"where": "core.fsmonitor"}),
        ("setting", {"own": "x"}), ("text", {"edit": {"at": -1}}), ("text", {"edit": [[[]]]}),
    ],
    ids=repr,
)  # fmt: skip
def test_a_journal_with_an_invalid_value_is_refused(
    tmp_path: Path, spacy: Spacy, kind: str, changed: dict[str, Any]
) -> None:
    root = repository(two_steps(tmp_path / "p"))
    assert spacy("init", "--yes", cwd=root).code == 0
    journal = next(
        path for path in sorted((root / ".git/spacy").glob("init*.json"))
        if f'"kind": "{kind}"' in path.read_text()
    )  # fmt: skip
    document = json.loads(journal.read_text())
    next(entry for entry in document["done"] if entry["kind"] == kind).update(changed)
    journal.write_text(json.dumps(document))
    before = snapshot(tmp_path)
    done = spacy("init", "--undo", "--yes", cwd=root)
    assert done.code == 2
    assert str(journal) in done.err
    assert snapshot(tmp_path) == before


def test_a_journal_that_is_nested_too_deeply_is_refused(tmp_path: Path, spacy: Spacy) -> None:
    root = repository(two_steps(tmp_path / "p"))
    assert spacy("init", "--yes", cwd=root).code == 0
    (root / ".git/spacy/init.json").write_text("[" * 100_000)
    assert spacy("init", "--undo", "--yes", cwd=root).code == 2
