"""Find the Python interpreter of the scripts, and what is installed for it, without starting it."""

from __future__ import annotations

import base64
import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from git_spacy.errors import InvalidInput
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project.paths import has_git_dir

_READ_LIMIT = 1 << 16  # characters of pyproject.toml
_PROJECT_NAME = compile_late(
    r"""^\[(?:project|tool\.poetry)\][^\[]*?^name\s*=\s*["']([^"'\n]+)""", re.MULTILINE
)
_TOOL_MARKS = {"pipx": "pipx_metadata.json", "uv tool": "uv-receipt.toml"}


SETTING = "spacy.python"
CHANGE_IT = f"to choose another: git config {SETTING} PATH"


class Interpreter(NamedTuple):
    """The Python that runs the scripts, and what it was chosen by.

    `note` says why it is not the one that the user may expect, or is empty.
    """

    path: str
    chosen_by: str
    note: str = ""


def find_interpreter(
    root: Path, settings: Mapping[str, str], environ: Mapping[str, str]
) -> Interpreter:
    """Find the project's Python, without starting a process.

    In this order: `git config spacy.python`; the active environment, but not conda's `base`; that
    of the project, at its root or above it in the repository (see `_project_environments`); the
    environment in which git-spacy is installed, unless it is one of a tool such as pipx, in which
    models must not be trained; conda's `base`; the Python that runs git-spacy. Raises InvalidInput
    if the configured Python does not exist.
    """

    if configured := settings.get(SETTING):
        return Interpreter(_configured_python(root, configured), f"git config {SETTING}")
    if found := _python_in(environ.get("VIRTUAL_ENV")):
        return Interpreter(found, "VIRTUAL_ENV")
    conda = _python_in(environ.get("CONDA_PREFIX"))
    is_base = conda is not None and _is_conda_base(Path(environ["CONDA_PREFIX"]), environ)
    if conda and not is_base:
        return Interpreter(conda, "CONDA_PREFIX")
    folders = _folders(root)
    for prefix, name in _project_environments(folders, environ):
        if found := _python_in(prefix):
            return Interpreter(found, name)
    note = next(_missing_environments(folders), "")
    tool = _own_tool()
    if conda and (tool or not _is_own_environment()):
        return Interpreter(conda, "CONDA_PREFIX, conda's base", note)
    if conda:
        note = note or "conda's base is active, but git-spacy has an environment of its own"
    if tool:
        note = note or f"the environment of git-spacy itself, made by {tool}"
    return Interpreter(sys.executable, "the one that runs git-spacy", note)


def _folders(root: Path) -> list[Path]:
    """Return the project's folder and those above it, up to the top of the repository."""

    folders: list[Path] = []
    for folder in (root, *root.parents):
        folders.append(folder)
        if has_git_dir(folder):
            return folders
    return [root]


def _project_environments(
    folders: Iterable[Path], environ: Mapping[str, str]
) -> Iterator[tuple[Path, str]]:
    """Yield where the environment of a project may be, and a name for it."""

    for folder in folders:
        is_uv = (folder / "uv.lock").is_file()
        if is_uv and (configured := environ.get("UV_PROJECT_ENVIRONMENT")):
            yield folder / configured, "uv, UV_PROJECT_ENVIRONMENT"
        yield folder / ".venv", "uv's .venv" if is_uv else ".venv"
        if (folder / "poetry.lock").is_file():
            yield from ((prefix, "poetry") for prefix in _poetry_environments(folder, environ))
        if _uses_pixi(folder):
            yield folder / ".pixi/envs/default", "pixi"


def _missing_environments(folders: Iterable[Path]) -> Iterator[str]:
    """Yield what creates the environment of a project that has none yet."""

    for folder in folders:
        if (folder / "uv.lock").is_file():
            yield "the project has no environment yet: uv sync"
        if (folder / "poetry.lock").is_file():
            yield "the project has no environment yet, or several: poetry install"
        if _uses_pixi(folder):
            yield "the project has no environment yet: pixi install"


def _uses_pixi(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("pixi.toml", "pixi.lock"))


def _poetry_environments(folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return where poetry keeps the environment of a project: `NAME-HASH-pyX.Y`, with a hash of its
    path. With several versions of Python, only poetry knows which is active."""

    import hashlib

    try:
        text = (folder / "pyproject.toml").read_text("utf-8", "replace")[:_READ_LIMIT]
    except OSError:
        return []
    name = _PROJECT_NAME.search(text)
    if not name:
        return []
    sanitized = re.sub(r'[ $`!*@"\\\r\n\t]', "_", name[1].lower())[:42]
    path = os.path.normcase(os.path.realpath(folder)).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(path).digest()).decode()[:8]
    found = _poetry_folder(environ).glob(f"{glob.escape(f'{sanitized}-{digest}')}-py*")
    environments = list(found)
    return environments if len(environments) == 1 else []


def _poetry_folder(environ: Mapping[str, str]) -> Path:
    if configured := environ.get("POETRY_VIRTUALENVS_PATH"):
        return Path(configured)
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "pypoetry"
    if sys.platform == "darwin":
        cache = home / "Library/Caches/pypoetry"
    return Path(environ.get("POETRY_CACHE_DIR") or cache) / "virtualenvs"


def _is_conda_base(prefix: Path, environ: Mapping[str, str]) -> bool:
    return environ.get("CONDA_DEFAULT_ENV") == "base" or (prefix / "condabin").is_dir()


def _own_tool() -> str:
    """Return the name of the tool that made an environment only for git-spacy, or ""."""

    own = Path(sys.prefix)
    return next((tool for tool, mark in _TOOL_MARKS.items() if (own / mark).exists()), "")


def _is_own_environment() -> bool:
    """Return whether git-spacy is installed in an environment, not in a system's Python."""

    own = Path(sys.prefix)
    is_conda = (own / "conda-meta").is_dir() and not (own / "condabin").is_dir()
    return sys.prefix != sys.base_prefix or is_conda


def _configured_python(root: Path, configured: str) -> str:
    path = os.path.expanduser(configured)
    if os.sep in path:
        path = os.path.join(root, path)
        found = path if os.access(path, os.X_OK) and os.path.isfile(path) else None
    else:
        import shutil

        found = shutil.which(path)
    if found is None:
        raise InvalidInput(
            f"Python not found: '{configured}'",
            file="git config spacy.python",
            hint="git config --unset spacy.python\nor set it to the path of a Python",
        )
    return found


def _python_in(prefix: Path | str | None) -> str | None:
    python = os.path.join(prefix, "bin", "python") if prefix else ""
    return python if os.access(python, os.X_OK) else None


def installed_version(interpreter: Interpreter, package: str) -> str | None:
    """Return the version of a package installed for `interpreter`, or None if it is unknown.

    Read from the name of its metadata folder, since starting that Python would take longer than
    everything else in a run that skips all commands.
    """

    start, versions = f"{package}-", []
    library = Path(interpreter.path).parent.parent / "lib"
    for folder in _names_in(library):
        if folder.startswith("python"):
            versions += [
                name[len(start) :].removesuffix(".dist-info")
                for name in _names_in(f"{library}/{folder}/site-packages")
                if name.startswith(start) and name.endswith(".dist-info")
            ]
    return versions[0] if len(versions) == 1 else None


def _names_in(folder: Path | str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


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
