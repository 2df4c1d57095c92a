"""The Python module that a script line runs as a program, and how to get a tool that is not there.

Knows the words of a line and the names in requirements.txt. Asks no interpreter: `run.local` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Refused
from git_spacy.files import open_beneath

REQUIREMENTS = "requirements.txt"
_MOST = 1 << 16  # bytes of it that are read
_PYTHON = re.compile(r"python[\d.]*")
_LISTED = re.compile(rb"^[ \t]*([A-Za-z0-9][\w.-]*)", re.MULTILINE)
# what no package index has for everybody
_ELSEWHERE = {
    "prodigy": "Prodigy is licensed; how to get and install it: https://prodi.gy/docs/install",
}


class Module(NamedTuple):
    """A module by its top-level name, the Python that is to run it, and what the line adds to the
    environment."""

    name: str
    python: str
    environ: dict[str, str]


def module(arguments: Sequence[str]) -> Module | None:
    """What `python -m NAME …` runs, also behind `env VARIABLE=VALUE …`; None for any other line."""

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
    return Module(name, words[0], environ) if name.isidentifier() else None


def how_to_get(name: str, root: Path) -> str:
    """What to do to have a program or module, in words."""

    if found := _ELSEWHERE.get(name):
        return found
    if _same(name) in _required(root):
        return f"pip install -r {REQUIREMENTS}, in the environment that the scripts run in"
    return f"install what brings '{name}' into the environment that the scripts run in"


def _required(root: Path) -> set[str]:
    try:
        with open_beneath(root, REQUIREMENTS) as stream:
            return {_same(name.decode()) for name in _LISTED.findall(stream.read(_MOST))}
    except (OSError, Refused):
        return set()


def _same(name: str) -> str:
    """A name as package indexes compare it."""

    return re.sub(r"[-_.]+", "-", name).lower()
