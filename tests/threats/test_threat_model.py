"""docs/explanation/threat-model.md: every threat has a name, and tests that carry it for each of its commands."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from git_spacy.cli.registry import COMMANDS
from tests.threats.inputs import READS, REFUSED

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs/explanation/threat-model.md").read_text()
READERS = "add assets run status check lock ignore dvc document graph push pull restore resolved"


def threats() -> dict[str, set[str]]:
    """Map the name of each threat in the document to the commands listed with it."""

    found = {}
    for section in re.split(r"^### ", DOCUMENT, flags=re.MULTILINE)[1:]:
        name, _, text = section.partition("\n")
        (commands,) = re.findall(r"^Commands: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
        found[name] = set(COMMANDS) if commands == "all" else set(re.findall(r"`(\w+)`", commands))
    return found


@cache
def markers() -> tuple[tuple[str, str, frozenset[str]], ...]:
    return tuple(read_markers())


def read_markers() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield the threats that tests carry: the test, the threat's name and the commands that the
    test is limited to (none: those of the threat)."""

    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and (
                    ast.unparse(decorator.func) == "pytest.mark.threat"
                ):
                    options = {
                        word.arg: ast.literal_eval(word.value) for word in decorator.keywords
                    }
                    for name in decorator.args:
                        test = f"{file.relative_to(TESTS)}::{node.name}"
                        commands = frozenset(options.get("commands", "").split())
                        yield test, ast.literal_eval(name), commands


THREATS = threats()


def test_the_document_names_known_commands() -> None:
    assert len(THREATS) >= 54
    assert set().union(*THREATS.values()) <= set(COMMANDS)


def test_tests_carry_names_that_the_document_has() -> None:
    assert {test: name for test, name, _ in markers() if name not in THREATS} == {}


@pytest.mark.parametrize("name", THREATS)
def test_every_command_of_a_threat_has_a_test(name: str) -> None:
    tested = defaultdict(set)
    for _, threat, commands in markers():
        tested[threat] |= commands or THREATS[threat]
    assert THREATS[name] - tested[name] == set()


def test_the_hostile_projects_cover_every_command_that_reads_one() -> None:
    assert {words.split()[0] for words in READS} == set(READERS.split())
    assert {text.threat for text in REFUSED} >= {
        "reserved-paths", "overwritten-work", "checksum-format", "project-file-type",
        "yaml-bombs", "huge-project-file", "yaml-syntax", "wrong-types-and-keys", "split-commands",
        "variable-cycles",
    }  # fmt: skip
