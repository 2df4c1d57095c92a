"""Find the Python interpreter of the scripts, and what is installed for it, without starting it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput


class Interpreter(NamedTuple):
    """The Python that runs the scripts, and what it was chosen by."""

    path: str
    chosen_by: str


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
