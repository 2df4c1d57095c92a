"""Starting git with a scrubbed environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.git import process
from tests.testing.repositories import git


def test_scrubbed_variables_include_all_that_git_calls_local(tmp_path: Path) -> None:
    listed = git(tmp_path, "rev-parse", "--local-env-vars").split()
    assert set(listed) <= set(process.LOCAL_VARIABLES)


def test_scrubbing_removes_variables_of_a_repository_only() -> None:
    environ = {
        "GIT_DIR": "x", "GIT_INDEX_FILE": "x", "GIT_CONFIG_KEY_0": "x", "GIT_CONFIG_VALUE_0": "x",
        "GIT_SSH_COMMAND": "ssh -v", "GIT_AUTHOR_NAME": "A", "PATH": "p",
    }  # fmt: skip
    assert process.scrub_environment(environ) == {
        "GIT_SSH_COMMAND": "ssh -v",
        "GIT_AUTHOR_NAME": "A",
        "PATH": "p",
    }


def test_failure_has_the_message_of_git(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match="git rev-parse: not a git repository"):
        process.run_git(("rev-parse", "HEAD"), cwd=tmp_path)


def test_missing_git_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not process.available()
    with pytest.raises(ExternalError, match="git not found"):
        process.run_git(("version",), cwd=tmp_path)
