"""Regular expressions that are compiled when they are first used."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import git_spacy
from git_spacy.patterns import compile_late

PACKAGE = Path(git_spacy.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if " = compile_late(" in path.read_text()
]


@pytest.mark.parametrize("text", ["(a)(b)?", b"(a)(b)?"])
def test_a_pattern_is_compiled_at_its_first_use(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    real = re.compile
    monkeypatch.setattr(re, "compile", lambda *given: compiled.append(given) or real(*given))
    pattern = compile_late(text, re.IGNORECASE)
    assert compiled == []
    for _ in range(2):
        match = pattern.fullmatch(text[1:2].upper())
        assert match
        assert match.groups() == (text[1:2].upper(), None)
    assert compiled == [(text, re.IGNORECASE)]
    assert pattern.pattern == text


@pytest.mark.parametrize("module", MODULES)
def test_every_pattern_is_valid(module: str) -> None:
    patterns = [
        value
        for value in vars(importlib.import_module(module)).values()
        if type(value) is compile_late
    ]
    assert patterns
    for pattern in patterns:
        assert pattern.pattern == re.compile(pattern.pattern, pattern.flags & ~re.UNICODE).pattern
