"""Which Python runs the scripts: found by files only, in a documented order."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.run.interpreter import Interpreter, find_interpreter, installed_version
from tests.testing.projects import Spacy, project
from tests.testing.repositories import repository


def environment(prefix: Path) -> Path:
    """Create an environment with a Python."""

    python = prefix / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    return prefix


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    for name in ("active", "conda", "p/.venv", "configured"):
        environment(tmp_path / name)
    return tmp_path


def test_python_is_chosen_in_order_of_precedence(environments: Path) -> None:
    root = environments / "p"
    configured = {"spacy.python": str(environments / "configured/bin/python")}
    active = {"VIRTUAL_ENV": str(environments / "active")}
    conda = {"CONDA_PREFIX": str(environments / "conda")}
    for settings, environ, chosen_by in (
        (configured, active, "git config spacy.python"),
        ({}, {**conda, **active}, "VIRTUAL_ENV"),
        ({}, conda, "CONDA_PREFIX"),
        ({}, {}, ".venv"),
        ({}, {"VIRTUAL_ENV": "/gone"}, ".venv"),
    ):
        assert find_interpreter(root, settings, environ).chosen_by == chosen_by
    assert find_interpreter(environments, {}, {}).path == sys.executable
    relative = find_interpreter(root, {"spacy.python": "../configured/bin/python"}, {})
    assert Path(relative.path).resolve() == environments / "configured/bin/python"


def test_a_missing_configured_python_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"git config spacy\.python: error: Python not found: '/gone'"
    ):
        find_interpreter(tmp_path, {"spacy.python": "/gone"}, {})


def test_the_version_of_a_package_is_read_from_the_interpreters_environment(
    environments: Path,
) -> None:
    packages = environments / "active/lib/python3.11/site-packages"
    (packages / "spacy-3.8.1.dist-info").mkdir(parents=True)
    (packages / "spacy_legacy-3.0.12.dist-info").mkdir()
    python = Interpreter(str(environments / "active/bin/python"), "test")
    assert installed_version(python, "spacy") == "3.8.1"
    assert installed_version(python, "weasel") is None


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of an active base environment of conda; git-spacy has its own environment."""

    environment(tmp_path / "conda/condabin/..")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return {"CONDA_PREFIX": str(tmp_path / "conda"), "CONDA_DEFAULT_ENV": "base"}


def test_condas_base_comes_after_the_environment_of_git_spacy(
    tmp_path: Path, base: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_interpreter(tmp_path, {}, base)
    assert found.path == sys.executable
    assert found.note == "conda's base is active, but git-spacy has an environment of its own"
    del base["CONDA_DEFAULT_ENV"]  # as set by a tool that activates without conda
    assert find_interpreter(tmp_path, {}, base).path == sys.executable
    for mark in ("pipx_metadata.json", "uv-receipt.toml"):
        (tmp_path / "own" / mark).touch()
        assert find_interpreter(tmp_path, {}, base).chosen_by == "CONDA_PREFIX, conda's base"
        assert "the environment of git-spacy itself" in find_interpreter(tmp_path, {}, {}).note
        (tmp_path / "own" / mark).unlink()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert find_interpreter(tmp_path, {}, base).chosen_by == "CONDA_PREFIX, conda's base"
    named = {"CONDA_PREFIX": str(environment(tmp_path / "envs/nlp")), "CONDA_DEFAULT_ENV": "nlp"}
    assert find_interpreter(tmp_path, {}, named).chosen_by == "CONDA_PREFIX"
    environment(tmp_path / ".venv")
    assert find_interpreter(tmp_path, {}, base).chosen_by == ".venv"


def test_the_environment_of_uv_poetry_or_pixi_is_found_without_starting_them(
    tmp_path: Path,
) -> None:
    root = repository(tmp_path / "r") / "projects/p"
    root.mkdir(parents=True)
    top = tmp_path / "r"

    def chosen(**environ: str) -> str:
        return find_interpreter(root, {}, {"HOME": str(tmp_path), **environ}).chosen_by

    pixi = environment(top / ".pixi/envs/default")
    assert chosen() == "the one that runs git-spacy"
    (top / "pixi.toml").touch()
    assert chosen() == "pixi"
    (top / "poetry.lock").touch()
    (top / "pyproject.toml").write_text(
        '[build-system]\nname = "x"\n[project]\nversion = "1"\nname = "My Pro$ject"\n'
    )
    digest = hashlib.sha256(os.path.realpath(top).encode()).digest()
    name = f"my_pro_ject-{base64.urlsafe_b64encode(digest).decode()[:8]}-py3.11"
    cache = tmp_path / ".cache/pypoetry/virtualenvs"
    if sys.platform == "darwin":
        cache = tmp_path / "Library/Caches/pypoetry/virtualenvs"
    environment(cache / name)
    environment(tmp_path / "elsewhere" / name)
    assert chosen() == "poetry"
    assert chosen(POETRY_VIRTUALENVS_PATH=str(tmp_path / "elsewhere")) == "poetry"
    environment(cache / name.replace("py3.11", "py3.12"))
    assert chosen() == "pixi", "only poetry knows which of two is active"
    environment(top / ".venv")
    assert chosen() == ".venv"
    (top / "uv.lock").touch()
    assert chosen() == "uv's .venv"
    environment(top / "other")
    assert chosen(UV_PROJECT_ENVIRONMENT="other") == "uv, UV_PROJECT_ENVIRONMENT"
    environment(root / ".venv")
    assert chosen() == ".venv"
    assert chosen(VIRTUAL_ENV=str(pixi)) == "VIRTUAL_ENV"


@pytest.mark.parametrize(
    ("file", "command"),
    [("uv.lock", "uv sync"), ("poetry.lock", "poetry install"), ("pixi.toml", "pixi install")],
)
def test_a_project_whose_environment_was_not_created_says_how(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, file: str, command: str
) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    root = project(tmp_path, "commands: [{name: c, script: ['true']}]", {file: ""})
    assert command in find_interpreter(root, {}, {}).note
    done = spacy("run", "c", cwd=root)
    assert f": {command}; to choose another: git config spacy.python PATH\n" in done.err
    checks = json.loads(spacy("doctor", "--json", cwd=root).out)
    assert f": {command}, to choose another: git config spacy.python PATH" in json.dumps(checks)
