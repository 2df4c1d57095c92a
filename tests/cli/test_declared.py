"""Commands whose parameters are declared without click: click and `flags` read the same."""

from __future__ import annotations

import importlib
from itertools import combinations
from pathlib import Path

import pytest

from git_spacy.cli import group, main
from git_spacy.cli.declared import DeclaredCommand
from tests.testing.projects import Spacy, two_steps
from tests.testing.repositories import git

DECLARED = {
    name: getattr(importlib.import_module(f"git_spacy.cli.commands.{name}"), name)
    for name in main._WITHOUT_CLICK
}


@pytest.mark.parametrize("name", DECLARED)
def test_flags_are_read_as_click_reads_them(name: str) -> None:
    declared: DeclaredCommand = DECLARED[name]
    names = [
        parameter.names[0] for parameter in declared.parameters if parameter.settings.get("is_flag")
    ]
    assert names
    for count in range(len(names) + 1):
        for words in combinations([*names, *names[:1]], count):
            context = declared.to_click().make_context(name, list(words))
            assert declared.flags(words) == context.params, words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status", "one"), ("status", "-h"), ("status", "--help"), ("status", "--js"), ("status", "--remote"),
        ("status", "--json --remote origin"), ("status", "--vars.a 1"), ("status", "--"), ("status", "--json=1"),
        ("check", "lock"), ("check", "--max-size 1k"), ("check", "--format json"), ("check", "--allow x"),
        ("check", "--staged outputs"), ("check", "-C x"),
    ],
)  # fmt: skip
def test_all_that_is_more_than_flags_is_left_to_click(name: str, words: str) -> None:
    assert DECLARED[name].flags(words.split()) is None


def test_a_command_does_the_same_with_and_without_click(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    git(root, "add", "-A")
    cases = [
        (["status"], {}),
        (["status", "--porcelain", "--no-data"], {}),
        (["status", "--json"], {"GIT_SPACY_VARS": "word=other"}),
        (["status"], {"GIT_SPACY_VARS": "'"}),
        (["check"], {}),
        (["check", "--staged", "--strict"], {}),
        (["--version"], {}),
        (["-V"], {}),
    ]
    for words, environ in cases:
        for folder in (root, tmp_path):  # in the latter, there is no project
            with monkeypatch.context() as patch:
                for variable, value in environ.items():
                    patch.setenv(variable, value)
                without = spacy(*words, cwd=folder)
                patch.setattr(main, "_run_without_click", lambda _: None)
                assert spacy(*words, cwd=folder) == without, words


def test_the_commands_without_click_are_commands_of_the_group() -> None:
    context = group.group.make_context("git spacy", ["status"], resilient_parsing=True)
    assert set(main._WITHOUT_CLICK) <= set(group.group.list_commands(context))
