"""Script lines are split as weasel splits them, and run with the project's Python."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.project.model import Command
from git_spacy.run.interpreter import Interpreter
from git_spacy.run.script import build_steps, process_environment

PYTHON = Interpreter("/env/bin/python", "test")


def command(*lines: str) -> Command:
    parsed = loader.parse(b"commands: [{name: c, script: [x]}]").project.commands[0]
    return parsed._replace(script=lines, script_sources=())


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
        ("echo '$HOME;' \\* \\; {} +", ("echo", "$HOME;", "*", ";", "{}", "+")),
        ('sh -c "for f in *; do echo $f; done"', ("sh", "-c", "for f in *; do echo $f; done")),
        (
            "pip install spacy>=3.5,<4 x[a]",
            ("/env/bin/python", "-m", "pip", "install", "spacy>=3.5,<4", "x[a]"),
        ),
        ("curl https://a/b?c=1&d=2 --tag=*", ("curl", "https://a/b?c=1&d=2", "--tag=*")),
        ("x --a \\\n  b\n  --c 'd\\\ne'\n", ("x", "--a", "b", "--c", "d\\\ne")),
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
    assert step.shown == 'get "${A}" --x'
    assert arguments("get ${env.a} --x") == ("get", "--x"), (
        "an unset variable is empty, as in weasel"
    )
    assert arguments("get ${env.a}", {"A": "--gpu 0"}) == ("get", "--gpu", "0")


def test_a_value_that_unbalances_the_quotes_is_reported_without_the_value() -> None:
    with pytest.raises(InvalidInput) as caught:
        arguments("get '${env.a}'", {"A": "it's"})
    assert "the value of A unbalances the quotes" in str(caught.value)
    assert "it's" not in str(caught.value)


def test_a_line_with_shell_syntax_is_run_by_sh_and_shown_as_it_is() -> None:
    line = 'head -1 ${env.a} < in && echo "$HOME" > out'
    (step,) = build_steps(command(line), Interpreter(sys.executable, "test"), {"a": "A"}, {})
    assert step.arguments[:2] == ("sh", "-euc")
    assert step.shown == line.replace("${env.a}", "${A-}")
    assert step.arguments[2].endswith(step.shown)


def test_what_is_shown_names_the_interpreter_that_the_users_shell_would_not_find(
    tmp_path: Path,
) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    found = {"PATH": str(python.parent)}
    for line, environ, shown in (
        ("python x.py 'a b'", {}, f"{shlex.quote(str(python))} x.py 'a b'"),
        ("python x.py 'a b'", found, "python x.py 'a b'"),
        ("pip list", found, "python -m pip list"),
        ("spacy train", found, "spacy train"),
    ):
        (step,) = build_steps(command(line), Interpreter(str(python), "test"), {}, environ)
        assert step.shown == shown


def test_a_shell_finds_python_and_pip_of_an_environment_that_lacks_these_names(
    tmp_path: Path,
) -> None:
    """An environment of uv has no pip, and the PATH may have that of another environment."""

    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3.x"
    python.write_text('#!/bin/sh\necho ours "$@"\n')
    python.chmod(0o755)
    lines = "python a && python3 b | cat && pip list"
    (step,) = build_steps(command(lines), Interpreter(str(python), "test"), {}, {})
    done = subprocess.run(step.arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "ours a\nours b\nours -m pip list\n"


@pytest.mark.threat("git-environment", commands="run")
def test_git_variables_are_removed_from_the_environment_of_a_script() -> None:
    environ = {"GIT_DIR": "x", "GIT_INDEX_FILE": "x", "PATH": "/usr/bin", "KEPT": "1"}
    environ_of_script = process_environment(PYTHON, environ)
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
    environ_of_script = process_environment(PYTHON, environ)
    assert environ_of_script[name] == ("1" if value is None else value)
