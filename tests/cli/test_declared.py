"""Commands whose parameters are declared without click: click and `read` read the same."""

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
        parameter.names[0]
        for parameter in declared.parameters
        if parameter.settings.get("is_flag") and parameter.is_light
    ]
    assert names
    for count in range(len(names) + 1):
        for words in combinations([*names, *names[:1]], count):
            context = declared.to_click().make_context(name, list(words))
            assert declared.read(words) == context.params, words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status", "one"), ("status", "-h"), ("status", "--help"), ("status", "--js"), ("status", "--remote"),
        ("status", "--json --remote origin"), ("status", "--vars.a 1"), ("status", "--"), ("status", "--json=1"),
        ("check", "lock"), ("check", "--max-size 1k"), ("check", "--format json"), ("check", "--allow x"),
        ("check", "--staged outputs"), ("check", "-C x"),
        ("run", "-h"), ("run", "all --help"), ("run", "all --jobs 0"), ("run", "all --jobs"), ("run", "all -j2"),
        ("run", "all --jobs=2"), ("run", "all --jobs x"), ("run", "all --jobs ²"), ("run", "all --jobs +2"),
        ("run", "all --jobs 12345678901"), ("run", "all --vars.a 1"), ("run", "all --set a=1"), ("run", "all -Fk"),
        ("run", "all --log"), ("run", "all --no-restore"), ("run", "all --matrix a=1,2"), ("run", "all --output prefix"),
        ("run", "all --address x"), ("run", "-- all"), ("run", "-"), ("run", "all  x"), ("run", "all --unknown"),
        ("log", "-n"), ("log", "-n -1"), ("log", "-n 1_0"), ("log", "--command"), ("log", "--command -x"),
        ("log", "--command --json"), ("log", "--sort x"), ("log", "--format md"), ("log", "--metric a"),
        ("assets", "-S"), ("assets", "--sparse x"), ("assets", "--jobs 65"), ("assets", "-j 0"), ("assets", "-ef"),
        ("assets", "--vars.a 1"), ("assets", "--jobs"), ("assets", "x --updat"),
        ("show", "HEAD main"), ("show", "--log -- x"), ("show", "-x"),
    ],
)  # fmt: skip
def test_all_that_is_less_common_is_left_to_click(name: str, words: str) -> None:
    assert DECLARED[name].read(words.split(" ")) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run", ""), ("run", "all"), ("run", "all --dry"), ("run", "-D all train"), ("run", "all folder -k --jobs 3"),
        ("run", "-j 1 --jobs 02 --force all"), ("run", "all --dry-run --detach --no-wait"),
        ("log", "-n 20"), ("log", "--max-count 20 main..HEAD"), ("log", "HEAD~3 main --all --json"),
        ("log", "--command train"), ("log", "--command all --command train -n 3 --table"),
        ("assets", ""), ("assets", "a b --jobs 64"), ("assets", "--update a --dry-run"), ("assets", "-j 8 -F -e"),
        ("show", "HEAD"), ("show", "--log train"), ("show", "HEAD~1 --json"),
    ],
)  # fmt: skip
def test_arguments_and_common_options_are_read_as_click_reads_them(name: str, words: str) -> None:
    declared = DECLARED[name]
    context = declared.to_click().make_context(name, words.split())
    assert declared.read(words.split()) == context.params


def test_a_command_does_the_same_with_and_without_click(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    spacy("ignore", cwd=root)  # else the first command that fetches writes .gitignore
    git(root, "add", "-A")
    cases = [
        (["status"], {}),
        (["status", "--porcelain", "--no-data"], {}),
        (["status", "--json"], {"GIT_SPACY_VARS": "word=other"}),
        (["status"], {"GIT_SPACY_VARS": "'"}),
        (["check"], {}),
        (["check", "--staged", "--strict"], {}),
        (["run"], {}),
        (["run", "--dry", "all"], {}),
        (["run", "all", "-D"], {"GIT_SPACY_VARS": "word=other"}),
        (["run", "none"], {}),
        (["run", "/none"], {}),
        (["run", "all", "none", "--jobs", "2"], {"GIT_SPACY_VARS": "'"}),
        (["assets"], {}),
        (["assets", "none"], {"GIT_SPACY_VARS": "word=other"}),
        (["assets", "--dry-run"], {}),
        (["assets", "--update", "--no-wait"], {}),
        (["log", "-n", "3"], {}),
        (["log", "none"], {}),
        (["show"], {}),
        (["show", "none"], {}),
        (["show", "--log", "--json"], {}),
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
