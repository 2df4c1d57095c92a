"""Fetch the assets of a project through the API, recording events and pauses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from git_spacy.assets.cancellation import Cancellation
from git_spacy.assets.events import FetchEvent
from git_spacy.assets.fetch import FetchOutcome, fetch
from git_spacy.assets.sources import http
from git_spacy.git import settings as configured
from git_spacy.git.settings import Settings
from git_spacy.project import loader
from git_spacy.state.stat_cache import StatCache
from tests.testing.projects import snapshot


class Fetcher:
    """Fetches the assets of a project and records the events and the pauses before retries."""

    def __init__(self, root: Path, slept: list[float]) -> None:
        self.root = root
        self.slept = slept
        self.settings: dict[str, str] = {}
        self.environ: dict[str, str] = {}
        self.events: list[FetchEvent] = []
        self.is_tidy = True  # whether temporary files are an error
        root.mkdir(exist_ok=True)

    def write(self, text: str) -> None:
        """Write project.yml with `text` below its title."""

        (self.root / "project.yml").write_text("title: t\n" + text)

    def write_asset(self, dest: str, **keys: str) -> None:
        """Write project.yml with a single asset."""

        lines = "".join(f"    {key}: {value!r}\n" for key, value in keys.items())
        self.write(f"assets:\n  - dest: {dest!r}\n{lines}")

    def __call__(self, *names: str, **options: Any) -> FetchOutcome:
        """Fetch, and assert that no temporary file is left."""

        self.events.clear()
        project = loader.load(self.root)
        try:
            return fetch(
                project,
                self.root,
                index=StatCache.open(self.root),
                settings=self.settings,
                environ=self.environ,
                report=self.events.append,
                names=names,
                **options,
            )
        finally:
            assert not (self.is_tidy and left_over(self.root))

    def code(self, *names: str, **options: Any) -> int:
        """Fetch and return the exit code that the command would have."""

        error = self(*names, **options).error()
        self.error = str(error) if error else ""
        return error.exit_code if error else 0

    def files(self) -> Mapping[str, bytes | str]:
        """Return the content of the project folder except project.yml."""

        found = snapshot(self.root)
        found.pop("project.yml", None)
        return found

    def events_of(self, kind: type) -> list[Any]:
        """Return the events of one class."""

        return [event for event in self.events if isinstance(event, kind)]


def left_over(root: Path) -> list[str]:
    """Return the temporary files below `root`."""

    return [
        os.path.join(folder, name)
        for folder, folders, files in os.walk(root)
        for name in (*folders, *files)
        if ".git-spacy-" in name or name.endswith(".tmp")
    ]


def without_waiting(monkeypatch: pytest.MonkeyPatch, idle: float) -> list[float]:
    """Skip the pauses before retries and set the timeout to `idle` seconds; return the pauses."""

    taken: list[float] = []

    def sleep(self: Cancellation, seconds: float) -> None:
        taken.append(seconds)
        self.check()

    def number(settings: Settings, name: str) -> float:
        return idle if name == http.TIMEOUT else configured.number(settings, name)

    monkeypatch.setattr(Cancellation, "sleep", sleep)
    monkeypatch.setattr(http, "number", number)
    return taken
