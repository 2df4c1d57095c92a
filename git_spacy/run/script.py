"""Turn script lines into process arguments, and find the Python interpreter for them.

Lines are split as weasel splits them, without a shell.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.project.model import Command
from git_spacy.project.variables import environment_names, fill_environment
from git_spacy.state.run_lock import child_env


class Interpreter(NamedTuple):
    """The Python that runs the scripts, and what it was chosen by."""

    path: str
    chosen_by: str


class Step(NamedTuple):
    """One script line: the arguments of its process, and the line to show, without the values of
    environment variables."""

    arguments: tuple[str, ...]
    shown: str


def find_interpreter(
    root: Path, settings: Mapping[str, str], environ: Mapping[str, str]
) -> Interpreter:
    """Find the project's Python.

    In this order: `git config spacy.python`, the active environment, a `.venv` in the project, and
    the Python that runs git-spacy. The last is not good enough on its own: if git-spacy was
    installed with pipx, models must not be trained in pipx's environment. Raises InvalidInput if
    the configured Python does not exist.
    """

    if configured := settings.get("spacy.python"):
        return Interpreter(_configured_python(root, configured), "git config spacy.python")
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if (prefix := environ.get(variable)) and (found := _python_in(Path(prefix))):
            return Interpreter(found, variable)
    if found := _python_in(root / ".venv"):
        return Interpreter(found, ".venv")
    return Interpreter(sys.executable, "the one that runs git-spacy")


def _configured_python(root: Path, configured: str) -> str:
    path = os.path.expanduser(configured)
    if os.sep in path:
        path = os.path.join(root, path)
        found = path if os.access(path, os.X_OK) and os.path.isfile(path) else None
    else:
        found = shutil.which(path)
    if found is None:
        raise InvalidInput(
            f"Python not found: '{configured}'",
            file="git config spacy.python",
            hint="git config --unset spacy.python\nor set it to the path of a Python",
        )
    return found


def _python_in(prefix: Path) -> str | None:
    python = prefix / "bin" / "python"
    return str(python) if os.access(python, os.X_OK) else None


def installed_version(interpreter: Interpreter, package: str) -> str | None:
    """Return the version of a package installed for `interpreter`, or None if it is unknown.

    Read from the name of its metadata folder, since starting that Python would take longer than
    everything else in a run that skips all commands.
    """

    prefix = Path(interpreter.path).parent.parent
    found = prefix.glob(f"lib/python*/site-packages/{package}-*.dist-info")
    versions = [path.name.removesuffix(".dist-info").split("-", 1)[1] for path in found]
    return versions[0] if len(versions) == 1 else None


def python_version(python: Interpreter) -> str | None:
    """Return the version of a Python without starting it, or None if that is not possible."""

    if os.path.realpath(python.path) == os.path.realpath(sys.executable):
        return ".".join(map(str, sys.version_info[:3]))
    try:
        lines = (Path(python.path).parent.parent / "pyvenv.cfg").read_text().splitlines()
    except (OSError, ValueError):
        return None
    pairs = (line.partition("=") for line in lines)
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    found = values.get("version") or values.get("version_info", "")
    return ".".join(found.split(".")[:3]) or None


def build_steps(
    command: Command,
    python: Interpreter,
    environment: Mapping[str, str],
    environ: Mapping[str, str],
) -> tuple[Step, ...]:
    """Return the steps of `command`, in order.

    `environment` maps the names in `${env.NAME}` to variables of `environ`. Raises InvalidInput if
    a value unbalances the quotes of its line, or a line is empty without its variables.
    """

    return tuple(
        Step(_process_arguments(line, python, environment, environ, command), line)
        for line in command.script
    )


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
            file="project.yml",
            line=command.line,
            hint="use the other kind of quotes around ${env.…}, or change the value",
        ) from None
    if not words:
        raise InvalidInput(
            f"a script line of '{command.name}' is empty: its environment variables are not set",
            file="project.yml",
            line=command.line,
            hint="set the environment variables that the line refers to",
        )
    if words[0] in ("python", "python3"):
        return (python.path, *words[1:])
    if words[0] in ("pip", "pip3"):
        return (python.path, "-m", "pip", *words[1:])
    return tuple(words)


def process_environment(
    python: Interpreter, root: Path, environ: Mapping[str, str]
) -> dict[str, str]:
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
    return child_env(root, result)
