"""Turn script lines into the processes that run them.

A line of plain words is split as weasel splits it, and starts without a shell; a line that needs
one is run by `sh`. What is shown of a line could be pasted into a shell.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping

from git_spacy.errors import InvalidInput
from git_spacy.light_typing import NamedTuple
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Command, Project
from git_spacy.project.script_line import ScriptLine, line_problems, read_lines
from git_spacy.project.variables import ENVIRONMENT, environment_names, fill_environment
from git_spacy.run.interpreter import Interpreter

SHELL = ("sh", "-euc")
"""A failing command ends the line, as a failing line ends the command; an unset variable fails."""

_PYTHON = ("python", "python3")
_PIP = ("pip", "pip3")


class Step(NamedTuple):
    """One script line: the arguments of its process, and the line to show, without the values of
    environment variables."""

    arguments: tuple[str, ...]
    shown: str


def build_steps(
    command: Command,
    python: Interpreter,
    environment: Mapping[str, str],
    environ: Mapping[str, str],
) -> tuple[Step, ...]:
    """Return the steps of `command`, in order.

    `environment` maps the names in `${env.NAME}` to variables of `environ`. Raises InvalidInput if
    a line cannot run, if a value unbalances the quotes of its line, or if a line is empty without
    its variables.
    """

    lines = read_lines(command)
    if problems := line_problems(command, lines):
        raise InvalidInput.from_problems(problems)
    return tuple(
        Step(
            shell_arguments(line, python, environment)
            if line.shell_syntax
            else _process_arguments(line.text, python, environment, environ, command),
            show_line(line, python, environment, environ),
        )
        for line in lines
    )


def shown_lines(
    command: Command, python: Interpreter, project: Project, environ: Mapping[str, str]
) -> list[str]:
    """Return what the steps of `command` show."""

    lines = read_lines(command)
    return [show_line(line, python, project.environment, environ) for line in lines]


def shell_arguments(
    line: ScriptLine, python: Interpreter, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the arguments of the shell that runs a line.

    To a shell, a pattern that matches no file is a word. Here it is an error.
    """

    text = _functions(python) + "".join(map(_require_match, line.patterns))
    return (*SHELL, text + with_shell_variables(line.text, environment))


def with_shell_variables(text: str, environment: Mapping[str, str]) -> str:
    """Return a line in which the shell fills in `${env.NAME}`; an unset variable is empty."""

    return ENVIRONMENT.sub(lambda match: f"${{{environment[match[1]]}-}}", text)


def _functions(python: Interpreter) -> str:
    """Return functions for the names that a shell would not find in the environment of `python`."""

    folder = os.path.dirname(python.path)
    real, functions = os.path.realpath(python.path), []
    for name in _PYTHON:
        if os.path.realpath(os.path.join(folder, name)) != real:
            functions.append((name, shlex.quote(python.path)))
    for name in _PIP:
        if functions or not os.access(os.path.join(folder, name), os.X_OK):
            functions.append((name, f"{shlex.quote(python.path)} -m pip"))
    return "".join(f'{name}() {{ {program} "$@"; }}; ' for name, program in functions)


def _require_match(pattern: str) -> str:
    message = shlex.quote(f"error: no file matches {pattern}")
    fail = f"{{ printf '%s\\n' {message} >&2; exit 1; }}"
    return f'( for f in {pattern}; do [ -e "$f" ] || [ -L "$f" ] || {fail}; done ) || exit 1; '


def show_line(
    line: ScriptLine,
    python: Interpreter,
    environment: Mapping[str, str],
    environ: Mapping[str, str],
) -> str:
    """Return what runs, as it could be pasted into a shell, without the values of environment
    variables."""

    if line.shell_syntax:
        return with_shell_variables(line.text, environment)
    words = shlex.split(line.text)
    if words and words[0] in _PYTHON + _PIP:
        name = "python" if words[0] in _PIP else words[0]
        module = ["-m", "pip"] if words[0] in _PIP else []
        words = [_shown_python(name, python, environ), *module, *words[1:]]
    return " ".join(_show_word(word, environment) for word in words)


def _shown_python(name: str, python: Interpreter, environ: Mapping[str, str]) -> str:
    """Return `name` if that is the interpreter in the user's shell, too; else its path."""

    import shutil

    found = shutil.which(name, path=environ.get("PATH", os.defpath))
    is_same = (
        found is not None
        and os.path.realpath(os.path.dirname(found))
        == os.path.realpath(os.path.dirname(python.path))
        and os.path.realpath(found) == os.path.realpath(python.path)
    )
    return name if is_same else python.path


def _show_word(word: str, environment: Mapping[str, str]) -> str:
    if not environment_names(word):
        return shlex.quote(word)
    escaped = re.sub(r'([\\"`]|\$(?!\{env[.:]))', r"\\\1", word)
    return f'"{ENVIRONMENT.sub(lambda match: f"${{{environment[match[1]]}}}", escaped)}"'


def _process_arguments(
    line: str,
    python: Interpreter,
    environment: Mapping[str, str],
    environ: Mapping[str, str],
    command: Command,
) -> tuple[str, ...]:
    try:
        words = shlex.split(fill_environment(line, environment, environ))
    except ValueError:
        names = ", ".join(environment[name] for name in environment_names(line))
        raise InvalidInput(
            f"the value of {names} unbalances the quotes in a script line of '{command.name}'",
            file=PROJECT_FILE,
            line=command.line,
            hint="use the other kind of quotes around ${env.…}, or change the value",
        ) from None
    if not words:
        raise InvalidInput(
            f"a script line of '{command.name}' is empty: its environment variables are not set",
            file=PROJECT_FILE,
            line=command.line,
            hint="set the environment variables that the line refers to",
        )
    if words[0] in _PYTHON:
        return (python.path, *words[1:])
    if words[0] in _PIP:
        return (python.path, "-m", "pip", *words[1:])
    return tuple(words)


def process_environment(python: Interpreter, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a script.

    Removes Git's own variables, since we may run in a hook, and puts the programs of the
    interpreter's environment first in the PATH. Python leaves no `__pycache__` in the project,
    unless the user has set PYTHONDONTWRITEBYTECODE (an empty value turns it off).
    """

    from git_spacy.git.process import scrub_environment

    result = {"PYTHONDONTWRITEBYTECODE": "1"} | scrub_environment(environ)
    programs = os.path.dirname(python.path)
    path = result.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != programs:
        result["PATH"] = programs + os.pathsep + path
    return result
