"""Find the Python module that a script line runs, and how to install a missing tool.

Only the arguments of the line and requirements.txt are used; whether a module is installed is
checked by `run.foreground`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from git_spacy.errors import Refused
from git_spacy.files import open_beneath
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project.diagnostics import closest_name

REQUIREMENTS = "requirements.txt"
_READ_LIMIT = 1 << 16  # bytes of requirements.txt
_PYTHON = compile_late(r"python[\d.]*")
_REQUIREMENT = compile_late(rb"^[ \t]*([A-Za-z0-9][\w.-]*)", re.MULTILINE)
_LONG_PROGRAMS = ("python", "python3", "spacy")
_PROGRAMS = (*_LONG_PROGRAMS, "pip", "bash", "sh", "git", "dvc")
# tools that cannot be installed from the public package index
_INSTALL_HINTS = {
    "prodigy": "Prodigy is licensed; how to get and install it: https://prodi.gy/docs/install",
}


class PythonModule(NamedTuple):
    """A module (its top-level name), the Python that runs it, and the environment variables that
    the script line sets for it."""

    name: str
    python: str
    environ: dict[str, str]


def parse_module(arguments: Sequence[str]) -> PythonModule | None:
    """Return the module that `python -m NAME …` runs, also after `env VARIABLE=VALUE …`; None for
    any other line."""

    words = list(arguments)
    environ = {}
    if words[0] == "env":
        del words[0]
        while words and re.match(r"\w+=", words[0]):
            variable, _, value = words.pop(0).partition("=")
            environ[variable] = value
    if len(words) < 3 or words[1] != "-m" or not _PYTHON.fullmatch(os.path.basename(words[0])):
        return None
    name = words[2].partition(".")[0]
    return PythonModule(name, words[0], environ) if name.isidentifier() else None


def misspelt_hint(program: str, path: str | None) -> str:
    """Return a hint that names the usual program that `program` is close to and that the PATH has,
    or ""."""

    import shutil

    if os.sep in program or _PYTHON.fullmatch(program):  # e.g. python3.13 is not a slip
        return ""
    swapped = (name for name in _PROGRAMS if sorted(name) == sorted(program))
    # of shorter names, too many are similar: zsh is not a slip
    closest = next(swapped, None) or closest_name(program, _LONG_PROGRAMS, cutoff=0.8)
    return f"did you mean '{closest}'?" if closest and shutil.which(closest, path=path) else ""


def install_hint(name: str, root: Path) -> str:
    """Return the hint that says how to install a program or module."""

    if hint := _INSTALL_HINTS.get(name):
        return hint
    if normalize(name) in _required_packages(root):
        return f"pip install -r {REQUIREMENTS}  # in the environment of the scripts"
    return f"install the package that provides '{name}' in the environment of the scripts"


def _required_packages(root: Path) -> set[str]:
    try:
        with open_beneath(root, REQUIREMENTS) as stream:
            return {
                normalize(name.decode()) for name in _REQUIREMENT.findall(stream.read(_READ_LIMIT))
            }
    except (OSError, Refused):
        return set()


def normalize(name: str) -> str:
    """Normalize a package name as package indexes do (PEP 503)."""

    return re.sub(r"[-_.]+", "-", name).lower()
