"""Script lines are split as weasel splits them, and run with the project's Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.project.model import Command
from git_spacy.run.script import (
    Interpreter,
    build_steps,
    find_interpreter,
    installed_version,
    process_environment,
)

PYTHON = Interpreter("/env/bin/python", "test")


def command(*lines: str) -> Command:
    parsed = loader.parse(b"commands: [{name: c, script: [x]}]").project.commands[0]
    return parsed._replace(script=lines)


def arguments(line: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    environment = {"a": "A", "b": "B"}
    return build_steps(command(line), PYTHON, environment, environ or {})[0].arguments


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python x.py", ("/env/bin/python", "x.py")),
        ("python3 -m spacy train", ("/env/bin/python", "-m", "spacy", "train")),
        ("pip install x", ("/env/bin/python", "-m", "pip", "install", "x")),
        ("pip3 list", ("/env/bin/python", "-m", "pip", "list")),
        ("echo python", ("echo", "python")),
        ("./python x", ("./python", "x")),
        ("echo 'a b' \"c d\" e\\ f", ("echo", "a b", "c d", "e f")),
        (
            "echo $HOME; rm * | x > y && z",
            ("echo", "$HOME;", "rm", "*", "|", "x", ">", "y", "&&", "z"),
        ),
    ],
)
def test_a_line_is_split_without_a_shell(line: str, expected: tuple[str, ...]) -> None:
    assert arguments(line) == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_quoted_arguments_are_passed_unchanged(words: list[str]) -> None:
    import shlex

    line = shlex.join(["echo", *words])
    assert arguments(line.replace("${", "$ {")) == (
        "echo",
        *[w.replace("${", "$ {") for w in words],
    )


def test_environment_variables_are_filled_in_but_not_shown() -> None:
    (step,) = build_steps(command("get ${env.a} --x"), PYTHON, {"a": "A"}, {"A": "s3cret"})
    assert step.arguments == ("get", "s3cret", "--x")
    assert step.shown == "get ${env.a} --x"
    assert arguments("get ${env.a} --x") == ("get", "--x"), (
        "an unset variable is empty, as in weasel"
    )
    assert arguments("get ${env.a}", {"A": "--gpu 0"}) == ("get", "--gpu", "0")


def test_a_value_that_unbalances_the_quotes_is_reported_without_the_value() -> None:
    with pytest.raises(InvalidInput) as caught:
        arguments("get '${env.a}'", {"A": "it's"})
    assert "the value of A unbalances the quotes" in str(caught.value)
    assert "it's" not in str(caught.value)


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    for name in ("active", "conda", "p/.venv", "configured"):
        python = tmp_path / name / "bin/python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
    return tmp_path


def test_python_is_chosen_in_order_of_precedence(environments: Path) -> None:
    root = environments / "p"
    configured = {"spacy.python": str(environments / "configured/bin/python")}
    active = {"VIRTUAL_ENV": str(environments / "active")}
    conda = {"CONDA_PREFIX": str(environments / "conda")}
    for settings, environ, chosen_by in (
        (configured, active, "git config spacy.python"),
        ({}, {**conda, **active}, "VIRTUAL_ENV"),
        ({}, conda, "CONDA_PREFIX"),
        ({}, {}, ".venv"),
        ({}, {"VIRTUAL_ENV": "/gone"}, ".venv"),
    ):
        assert find_interpreter(root, settings, environ).chosen_by == chosen_by
    assert find_interpreter(environments, {}, {}).path == sys.executable
    relative = find_interpreter(root, {"spacy.python": "../configured/bin/python"}, {})
    assert Path(relative.path).resolve() == environments / "configured/bin/python"


def test_a_missing_configured_python_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"git config spacy\.python: error: Python not found: '/gone'"
    ):
        find_interpreter(tmp_path, {"spacy.python": "/gone"}, {})


def test_the_version_of_a_package_is_read_from_the_interpreters_environment(
    environments: Path,
) -> None:
    packages = environments / "active/lib/python3.11/site-packages"
    (packages / "spacy-3.8.1.dist-info").mkdir(parents=True)
    (packages / "spacy_legacy-3.0.12.dist-info").mkdir()
    python = Interpreter(str(environments / "active/bin/python"), "test")
    assert installed_version(python, "spacy") == "3.8.1"
    assert installed_version(python, "weasel") is None


@pytest.mark.threat("git-environment", commands="run")
def test_git_variables_are_removed_from_the_environment_of_a_script() -> None:
    environ = {"GIT_DIR": "x", "GIT_INDEX_FILE": "x", "PATH": "/usr/bin", "KEPT": "1"}
    environ_of_script = process_environment(PYTHON, Path("/p"), environ)
    assert "GIT_DIR" not in environ_of_script
    assert "GIT_INDEX_FILE" not in environ_of_script
    assert environ_of_script["KEPT"] == "1"
    assert environ_of_script["PATH"] == "/env/bin:/usr/bin"


@pytest.mark.parametrize("value", [None, "", "0", "x"])
def test_python_leaves_no_bytecode_in_the_project_unless_the_user_decides_otherwise(
    value: str | None,
) -> None:
    name = "PYTHONDONTWRITEBYTECODE"
    environ = {"PATH": "/usr/bin"} | ({} if value is None else {name: value})
    environ_of_script = process_environment(PYTHON, Path("/p"), environ)
    assert environ_of_script[name] == ("1" if value is None else value)
