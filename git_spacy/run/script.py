"""A script line to the arguments of a process, and the Python that `python` in it means.

Split as the reference splits, without a shell. Starts nothing.
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
    """The Python that scripts run with, and what chose it."""

    path: str
    chosen_by: str


class Step(NamedTuple):
    """One script line: the arguments of its process, and the line as it may be shown (the values
    of environment variables not filled in)."""

    arguments: tuple[str, ...]
    shown: str


def interpreter(root: Path, settings: Mapping[str, str], environ: Mapping[str, str]) -> Interpreter:
    """The project's Python: `git config spacy.python`, else the active environment, else a
    `.venv` in the project, else our own. Somebody who installed git-spacy with pipx must not
    train in pipx's environment. Raises Malformed if the configured one is not there."""

    if configured := settings.get("spacy.python"):
        return Interpreter(_configured(root, configured), "git config spacy.python")
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if (prefix := environ.get(variable)) and (found := _python_in(Path(prefix))):
            return Interpreter(found, variable)
    if found := _python_in(root / ".venv"):
        return Interpreter(found, ".venv")
    return Interpreter(sys.executable, "the one that runs git-spacy")


def _configured(root: Path, configured: str) -> str:
    path = os.path.expanduser(configured)
    if os.sep in path:
        path = os.path.join(root, path)
        found = path if os.access(path, os.X_OK) and os.path.isfile(path) else None
    else:
        found = shutil.which(path)
    if found is None:
        raise InvalidInput(
            f"no Python at '{configured}'",
            location="git config spacy.python",
            hint="set it to one that is there, or: git config --unset spacy.python",
        )
    return found


def _python_in(prefix: Path) -> str | None:
    python = prefix / "bin" / "python"
    return str(python) if os.access(python, os.X_OK) else None


def installed_version(interpreter: Interpreter, package: str) -> str | None:
    """The version of `package` beside `interpreter`, read from the names of its metadata folders
    (starting that Python to ask would cost more than everything else here); None if not found."""

    prefix = Path(interpreter.path).parent.parent
    found = prefix.glob(f"lib/python*/site-packages/{package}-*.dist-info")
    versions = [path.name.removesuffix(".dist-info").split("-", 1)[1] for path in found]
    return versions[0] if len(versions) == 1 else None


def python_version(python: Interpreter) -> str | None:
    """The version of a Python, without starting it; None if it does not show."""

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


def steps(
    command: Command,
    python: Interpreter,
    environment: Mapping[str, str],
    environ: Mapping[str, str],
) -> tuple[Step, ...]:
    """The processes of `command`, in order. `environment` maps the names of `${env.NAME}` to
    variables of `environ`. Raises Malformed where a value breaks the quotes of its line."""

    return tuple(
        Step(_arguments(line, python, environment, environ, command), line)
        for line in command.script
    )


def _arguments(
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
            f"the value of {names} breaks the quotes of a script line of '{command.name}'",
            location=f"project.yml:{command.line}",
            hint="quote ${env.…} in the line the other way, or change the value",
        ) from None
    if not words:
        raise InvalidInput(
            f"a script line of '{command.name}' does nothing once its variables are filled in",
            location=f"project.yml:{command.line}",
            hint="set the environment variables it names",
        )
    if words[0] in ("python", "python3"):
        return (python.path, *words[1:])
    if words[0] in ("pip", "pip3"):
        return (python.path, "-m", "pip", *words[1:])
    return tuple(words)


def process_environment(
    python: Interpreter, root: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """What a script's process gets: Git's own variables scrubbed (a hook may have called us), and
    the programs of the interpreter's environment first on the PATH."""

    from git_spacy.git.process import scrub_environment

    result = scrub_environment(environ)
    programs = os.path.dirname(python.path)
    path = result.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != programs:
        result["PATH"] = programs + os.pathsep + path
    return child_env(root, result)
