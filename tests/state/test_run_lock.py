"""Only one run at a time in a project, except for runs inside its scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import Busy
from git_spacy.state.run_lock import child_env, project_lock


def fail_if_waiting() -> None:
    raise AssertionError("waited for the lock")


def test_only_scripts_of_the_run_that_holds_the_lock_can_run(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("a")
    with project_lock(tmp_path / "a", {}, waiting=fail_if_waiting):
        inner = child_env(tmp_path / "link", {"KEPT": "1"})
        assert inner["KEPT"] == "1"
        with project_lock(tmp_path / "a", inner, waiting=fail_if_waiting):
            pass
        deeper = child_env(tmp_path / "b", inner)
        with (
            project_lock(tmp_path / "b", {}, waiting=fail_if_waiting),
            project_lock(tmp_path / "a", deeper, waiting=fail_if_waiting),
        ):
            pass
        with (
            pytest.raises(Busy),
            project_lock(tmp_path / "a", {}, wait=False, waiting=fail_if_waiting),
        ):
            pass


def test_project_folders_can_have_any_name(tmp_path: Path) -> None:
    outer, inner = tmp_path / "a b\tc", tmp_path / "d e"
    for folder in (outer, inner):
        folder.mkdir()
    environ = child_env(inner, child_env(outer, {}))
    with (
        project_lock(outer, {}, waiting=fail_if_waiting),
        project_lock(inner, {}, waiting=fail_if_waiting),
    ):
        for folder in (outer, inner):
            with project_lock(folder, environ, wait=False, waiting=fail_if_waiting):
                pass
