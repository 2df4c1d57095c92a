"""Compare `spacy_version` and requirements.txt with the packages that the scripts get.

No Python is started: names and versions come from the names of metadata folders. Whatever cannot be
decided that way, such as markers, URLs and pre-releases, is taken as met.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from git_spacy.errors import Diagnostic, Refused, warning
from git_spacy.files import open_beneath
from git_spacy.project.model import Project
from git_spacy.run.interpreter import Interpreter
from git_spacy.run.missing_tools import REQUIREMENTS, normalize

_READ_LIMIT = 1 << 16  # bytes of requirements.txt
_MOST_NAMED = 5
_METADATA = re.compile(r"(?P<name>[\w.]+?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*?)\s*(?:\[[\w\s.,-]*\])?\s*\(?([=<>!~][^;@()]*)?\)?")
_CLAUSE = re.compile(r"(===|==|!=|~=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?")
_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(?:\.?post\d+)?(?:\+[\w.]+)?")


class InstalledPackages(NamedTuple):
    """The versions of packages by normalized name; with `is_complete`, there are no others."""

    versions: dict[str, str]
    is_complete: bool


class _Requirement(NamedTuple):
    """A package and its version specifiers, e.g. `>=3.7,<4`, or "" for any version."""

    package: str
    wanted: str


def unmet_requirements(project: Project, root: Path, python: Interpreter) -> Iterator[Diagnostic]:
    """Yield a warning for `spacy_version` and one for requirements.txt if they are not met."""

    installed = installed_packages(Path(python.path))
    if project.spacy_version:
        wanted = _Requirement("spacy", project.spacy_version)
        if text := _unmet(wanted, installed):
            install = _pip(python, installed, quote(f"spacy{project.spacy_version}"))
            message = f"{text}, but project.yml has 'spacy_version: {wanted.wanted}'"
            yield warning(message, install)
    scripts = (line for command in project.commands for line in command.script)
    if not project.check_requirements or any(REQUIREMENTS in line for line in scripts):
        return  # in the latter case, the project installs them itself
    unmet = [text for wanted in _read(root) if (text := _unmet(wanted, installed, show=True))]
    if unmet:
        more = f" and {len(unmet) - _MOST_NAMED} more" if len(unmet) > _MOST_NAMED else ""
        found = "; ".join(unmet[:_MOST_NAMED]) + more
        file = quote(os.path.relpath(root / REQUIREMENTS))
        install = _pip(python, installed, f"-r {file}")
        yield warning(f"{REQUIREMENTS} is not met: {found}", install)


def _pip(python: Interpreter, installed: InstalledPackages, packages: str) -> str:
    path = quote(python.path)
    if "pip" in installed.versions or not installed.is_complete:
        return f"{path} -m pip install {packages}"
    return f"uv pip install --python {path} {packages}"  # uv's environments have no pip


def installed_packages(python: Path) -> InstalledPackages:
    """Return the packages of a Python by looking into its folders."""

    prefix = python.parent.parent
    if os.path.abspath(python) == os.path.abspath(sys.executable):
        folders, is_complete = [Path(folder) for folder in sys.path if folder], True
    else:
        folders = list(prefix.glob("lib/python*/site-packages"))
        try:
            is_complete = bool(folders) and not re.search(
                r"include-system-site-packages\s*=\s*true", (prefix / "pyvenv.cfg").read_text()
            )
        except (OSError, ValueError):  # not a virtual environment: packages may be elsewhere, too
            is_complete = False
    versions: dict[str, str] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for match in filter(None, map(_METADATA.fullmatch, names)):
            versions.setdefault(normalize(match["name"]), match["version"])
        for name in names:  # installed with `setup.py develop`: no version in the name
            if name.endswith(".egg-link"):
                versions.setdefault(normalize(name.removesuffix(".egg-link")), "")
    return InstalledPackages(versions, is_complete)


def _read(root: Path) -> Iterator[_Requirement]:
    """Yield the plain requirements in requirements.txt."""

    try:
        with open_beneath(root, REQUIREMENTS) as stream:
            text = stream.read(_READ_LIMIT).decode("utf-8", "replace")
    except (OSError, Refused):
        return
    for line in text.splitlines():
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if match := _REQUIREMENT.fullmatch(plain):
            yield _Requirement(match[1], (match[2] or "").strip())


def _unmet(wanted: _Requirement, installed: InstalledPackages, *, show: bool = False) -> str:
    """Return why a requirement is not met, or "" if it is or may be."""

    version = installed.versions.get(normalize(wanted.package))
    if version is None:
        return f"{wanted.package} is not installed" if installed.is_complete else ""
    if satisfies(version, wanted.wanted) is not False:
        return ""
    text = f"{wanted.package} {version} is installed"
    return f"{text}, {wanted.wanted} is required" if show else text


def satisfies(version: str, specifiers: str) -> bool | None:
    """Return whether a version satisfies all `specifiers` (PEP 440), None if that is not clear."""

    release = _RELEASE.fullmatch(version)
    clauses = [_CLAUSE.fullmatch(part.strip()) for part in specifiers.split(",") if part.strip()]
    if release is None:
        return None
    known = [clause for clause in clauses if clause]
    found = tuple(map(int, release[1].split(".")))
    if not all(_satisfies(found, *clause.groups()) for clause in known):
        return False
    return True if len(known) == len(clauses) else None


def _satisfies(found: tuple[int, ...], operator: str, text: str, wildcard: str | None) -> bool:
    wanted = tuple(map(int, text.split(".")))
    length = len(wanted) if wildcard else max(len(found), len(wanted))
    left, right = ((*numbers, *[0] * length)[:length] for numbers in (found, wanted))
    if operator == "~=":
        return left >= right and found[: len(wanted) - 1] == wanted[:-1]
    return {
        "===": left == right, "==": left == right, "!=": left != right,
        "<=": left <= right, ">=": left >= right, "<": left < right, ">": left > right,
    }[operator]  # fmt: skip
