"""Fixtures: a project with assets, and servers to fetch them from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.testing.fetching import Fetcher, without_waiting
from tests.testing.misbehaving import Misbehaving
from tests.testing.projects import Done, Spacy, project
from tests.testing.scripted import Scripted


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip the pauses before retries, shorten the timeout, and return the pauses."""

    return without_waiting(monkeypatch, idle=0.4)


@pytest.fixture
def fetcher(tmp_path: Path, pauses: list[float]) -> Fetcher:
    """A Fetcher for an empty project that does not sleep."""

    return Fetcher(tmp_path / "project", pauses)


@pytest.fixture
def web() -> Iterator[Scripted]:
    """A server with scripted answers."""

    with Scripted() as running:
        yield running


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def fetch(tmp_path: Path, spacy: Spacy) -> Callable[..., Done]:
    """Run `git spacy assets` in a project with one asset, in the folder `root`."""

    def run(url: str, dest: str = "assets/data.jsonl", checksum: str = "", *arguments: str) -> Done:
        entry = f"  - dest: '{dest}'\n    url: '{url}'\n"
        if checksum:
            entry += f"    checksum: '{checksum}'\n"
        project(tmp_path / "project", f"title: t\nassets:\n{entry}")
        return spacy("assets", *arguments, cwd=tmp_path / "project")

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "project"
