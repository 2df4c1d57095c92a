"""Refuse script lines that cannot do what they say, before any command of a run starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.patterns import compile_late
from git_spacy.project.model import Command
from git_spacy.project.script_line import (
    Problem,
    ScriptLine,
    at_line,
    line_problems,
    read_lines,
)
from git_spacy.project.variables import TABLES, environment_names
from git_spacy.run.script import SHELL, with_shell_variables

_SET_BY_SHELL = frozenset(("PWD", "OLDPWD", "PPID", "IFS", "LINENO", "OPTIND", "PS4"))
_DOLLAR_REFERENCE = compile_late(r"\$(\w+)[.:](\w+(?:\.\w+)*)")


def check_scripts(
    commands: Sequence[Command],
    environment: Mapping[str, str],
    environ: Mapping[str, str],
    must_run: Callable[[Command], bool],
) -> None:
    """Raise InvalidInput for the script lines of `commands` that cannot run in `environ`.

    The commands before the first that `must_run` are skipped in a run; all others may run.
    `environment` maps the names in `${env.NAME}` to variables of `environ`. No line is executed.
    """

    lines = {command.name: read_lines(command) for command in commands}
    if not any(line.problem or line.shell_syntax for of in lines.values() for line in of):
        return
    problems: list[Diagnostic] = []
    may_run = False
    for command in commands:
        may_run = may_run or must_run(command)
        if may_run:
            problems += line_problems(command, lines[command.name])
            problems += _shell_problems(command, lines[command.name], environment, environ)
    if problems:
        raise InvalidInput.from_problems(sorted(problems, key=lambda problem: problem.line))


def _shell_problems(
    command: Command,
    lines: Sequence[ScriptLine],
    environment: Mapping[str, str],
    environ: Mapping[str, str],
) -> Iterator[Diagnostic]:
    for index, line in enumerate(lines):
        if line.shell_syntax and not line.problem:
            for problem in _problems_in_shell(line, environment, environ):
                yield at_line(command, index, *problem)


def _problems_in_shell(
    line: ScriptLine, environment: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield why a shell cannot run the line."""

    import shutil

    if shutil.which(SHELL[0], path=environ.get("PATH", os.defpath)) is None:
        message = f"it needs a shell ({line.shell_syntax}), and the PATH has no 'sh'"
        yield Problem(message, "install one, or write the line without shell syntax")
        return
    for name in dict.fromkeys(environment[name] for name in environment_names(line.text)):
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            message = f"a shell cannot read the environment variable '{name}'"
            yield Problem(message, "use another environment variable under 'env'")
            return
    for name in line.variables:
        if name not in environ and name not in _SET_BY_SHELL:
            slips = _DOLLAR_REFERENCE.finditer(line.text) if name in TABLES else ()
            references = [slip for slip in slips if slip[1] == name]
            for slip in references:
                message = f"a shell reads '{slip[0]}' as its own variable '{name}'"
                yield Problem(message, f"write ${{{name}.{slip[2]}}}")
            if references:
                continue
            hint = f"export {name}=…\nor, if it is just text, put it in single quotes: '${name}'"
            yield Problem(f"the environment variable '{name}' is not set", hint)
    from git_spacy.run.foreground import shell_complaint

    if complaint := shell_complaint(with_shell_variables(line.text, environment), environ):
        message = f"it needs a shell ({line.shell_syntax}), which does not understand it: "
        yield Problem(message + complaint, "put what is just text in single quotes")
