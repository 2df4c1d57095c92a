"""The author and committer of commits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy.git import process
from git_spacy.git.ident import format_ident, remembered_ident
from tests.testing.repositories import git


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return a list that gets the arguments of each git process."""

    started: list[tuple[str, ...]] = []
    real = process.run_git

    def recording(arguments: tuple[str, ...], **options: object) -> process.GitResult:
        started.append(arguments)
        return real(arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run_git", recording)
    return started


@pytest.fixture
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_india")
def test_git_is_asked_once_for_an_identity_and_the_time_is_the_present_one(
    tmp_path: Path, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", ".")
    git(tmp_path, "config", "user.name", "Jörg <x")
    environ = dict(os.environ)
    first = remembered_ident(tmp_path, environ, "COMMITTER")
    now = int(time.time()) + 1000
    monkeypatch.setattr(time, "time", lambda: now + 0.9)
    second = remembered_ident(tmp_path, environ, "COMMITTER")
    assert len(asked) == 1
    known = format_ident(tmp_path, environ, "COMMITTER")
    assert second.split()[:-2] == first.split()[:-2] == known.split()[:-2]
    assert second.split()[-2:] == [b"%d" % now, b"+0530"]
    assert known.split()[-1] == b"+0530"


def test_another_folder_configuration_or_role_has_an_identity_of_its_own(
    tmp_path: Path, asked: list[tuple[str, ...]]
) -> None:
    for name in ("a", "b"):
        git(tmp_path, "init", "-q", name)
        git(tmp_path / name, "config", "user.email", f"{name}@localhost")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    other = {"GIT_COMMITTER_EMAIL": "other@localhost"}
    for expected, folder, variables, role in (
        (b"<a@localhost>", "a", {}, "COMMITTER"),
        (b"<b@localhost>", "b", {}, "COMMITTER"),
        (b"<other@localhost>", "a", other, "COMMITTER"),
        (b"<a@localhost>", "a", other, "AUTHOR"),
    ):
        assert expected in remembered_ident(tmp_path / folder, environ | variables, role)
    assert len(asked) == 4


def test_a_date_in_the_environment_counts(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", ".")
    environ = {**os.environ, "GIT_COMMITTER_DATE": "1700000000 +0200"}
    for _ in range(2):
        assert remembered_ident(tmp_path, environ, "COMMITTER").endswith(b"> 1700000000 +0200")
