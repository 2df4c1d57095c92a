"""Seals the world: no test sees the user's home, Git configuration, editor, clock zone or network
proxies, and none leaves anything behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.testing.git_server import GitServer
from tests.testing.projects import Spacy

# no deadline: the machines that test this are slow and busy at times
settings.register_profile("git-spacy", deadline=None, print_blob=True)
settings.load_profile("git-spacy")

KEPT = ("PATH", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


@pytest.fixture(autouse=True)
def sealed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test, with an identity for Git and nothing else."""

    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name not in KEPT and not name.startswith(("PYTEST_", "COV_", "GIT_SPACY_TEST_")):
            monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "COLUMNS": "80",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = A U Thor\n\temail = author@example.com\n[init]\n\tdefaultBranch = main\n"
    )
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[GitServer]:
    """A real smart-HTTP server for the repositories under `tmp_path/served`."""

    (tmp_path / "served").mkdir(exist_ok=True)
    with GitServer(tmp_path / "served") as server:
        yield server


@pytest.fixture
def spacy(capfd: pytest.CaptureFixture[str]) -> Spacy:
    """The command line, run in this process."""

    return Spacy(capfd)
