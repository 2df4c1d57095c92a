"""Paths that wait for the value of a variable: a problem of the command, not of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from git_spacy.project import loader
from tests.testing.projects import Spacy, project
from tests.testing.repositories import commit, repository

VECTORS = """
title: Waiting
vars: {vectors: "", root: "", folder: "${vars.root}/corpus", nothing: null, suffix: "", n: 3}
assets:
  - dest: "${vars.nothing}/a.txt"
    url: https://example.com/a.txt
  - dest: b.txt
commands:
  - name: train
    script: ["cp ${vars.vectors} model.txt"]
    deps: ["${vars.vectors}"]
    outputs: [model.txt]
  - name: read
    script: ["cp '${vars.folder}/a.txt' a.txt"]
    deps: ["${vars.folder}/a.txt"]
    outputs: [a.txt]
  - name: write
    script: ["touch ${vars.nothing}/c.txt"]
    outputs: ["${vars.nothing}/c.txt"]
  - name: literal
    script: ["touch d.txt"]
    deps: [null]
    outputs: ["d${vars.suffix}.txt"]
  - name: other
    script: ["touch e${vars.suffix}.txt"]
    outputs: ["e${vars.suffix}.txt"]
workflows:
  all: [other, train]
"""


def test_a_path_without_a_value_is_a_problem_of_the_command_that_needs_it(
    tmp_path: Path, spacy: Spacy
) -> None:
    repository(tmp_path)
    root = project(tmp_path, VECTORS, {"v.txt": "v\n", "z/corpus/a.txt": "a\n", "b.txt": "b\n"})
    commit(root, {})
    assert spacy("run", cwd=root).code == 0
    assert spacy("run", "other", cwd=root).code == 0
    (root / "e.txt").unlink()
    everything = spacy("run", "all", cwd=root)
    assert everything.code == 2
    assert not (root / "e.txt").exists(), "nothing runs before the error"
    assert everything.err == (
        "project.yml:11:12: error: dependency '${vars.vectors}' has no value:"
        " 'vars.vectors' is empty\n"
        "hint: git spacy run train --vars.vectors PATH\n"
        "hint: or set 'vars.vectors' in project.yml\n"
    )
    assert spacy("run", "--dry-run", "train", cwd=root).code == 2
    assert spacy("run", "train", "--vars.vectors", "v.txt", cwd=root).code == 0
    assert lock_format.read(root)["train"].deps[0].path == "v.txt"
    assert spacy("check", cwd=root).code == 0
    assert spacy("lock", "record", "train", cwd=root).code == 2
    status = spacy("status", "--porcelain", cwd=root).out.splitlines()
    assert "command\tunknown\ttrain\tdependency\t" in status
    assets = spacy("assets", cwd=root)
    assert assets.code == 2
    assert "'vars.nothing' is null\nhint: git spacy assets --vars.nothing PATH\n" in assets.err
    for arguments in (("read", "--vars.root", "z"), ("write", "--vars.nothing", "z")):
        assert spacy("run", *arguments, cwd=root).code == 0, arguments


@pytest.mark.parametrize(
    ("variables", "path", "message"),
    [
        ("a: ''", "${vars.a}", "'vars.a' is empty"),
        ("a: ''", "${vars.a}/x", "'vars.a' is empty"),
        ("a: null", "x/${vars.a}", "'vars.a' is null"),
        ("{a: {b: null}, c: '${vars.a.b}/y'}", "${vars.c}/x", "'vars.a.b' is null"),
        ("{a: '', b: ''}", "${vars.a}${vars.b}", "'vars.a' and 'vars.b' are empty"),
        ("a: ''", "x${vars.a}/y", ""),
    ],
)
def test_the_message_names_the_variables_without_a_value(
    variables: str, path: str, message: str
) -> None:
    text = f"vars: {variables if variables[0] == '{' else '{' + variables + '}'}\n"
    text += f"commands: [{{name: go, deps: ['{path}']}}]\n"
    (command,) = loader.parse(text.encode()).project.commands
    assert [problem.message.partition(": ")[2] for problem in command.unset] == (
        [message] if message else []
    )


def test_a_braced_variable_is_named_as_it_is_given(tmp_path: Path, spacy: Spacy) -> None:
    text = "variables: {DATA: ''}\ncommands: [{name: go, script: [touch x], deps: ['{DATA}']}]\n"
    root = project(tmp_path, text, {"in.txt": ""})
    refused = spacy("run", "go", cwd=root)
    assert "hint: git spacy run go --variables.DATA PATH\n" in refused.err
    assert spacy("run", "go", "--variables.DATA", "in.txt", cwd=root).code == 0


def test_a_directory_without_a_value_is_left_out_with_a_warning() -> None:
    text = b"vars: {a: ''}\ndirectories: ['${vars.a}', b]\n"
    loaded = loader.parse(text).project
    assert [path.text for path in loaded.directories] == ["b"]
    assert [warning.line for warning in loaded.warnings] == [2]
