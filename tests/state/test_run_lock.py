"""One at a time in a project, and those that belong to it let through."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import Busy
from git_spacy.state.run_lock import child_env, project_lock


def never() -> None:
    raise AssertionError("it waited")


def test_a_script_of_ours_is_let_through_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("a")
    with project_lock(tmp_path / "a", {}, waiting=never):
        inner = child_env(tmp_path / "link", {"KEPT": "1"})
        assert inner["KEPT"] == "1"
        with project_lock(tmp_path / "a", inner, waiting=never):
            pass
        deeper = child_env(tmp_path / "b", inner)
        with (
            project_lock(tmp_path / "b", {}, waiting=never),
            project_lock(tmp_path / "a", deeper, waiting=never),
        ):
            pass
        with pytest.raises(Busy), project_lock(tmp_path / "a", {}, wait=False, waiting=never):
            pass


def test_the_projects_that_a_script_belongs_to_may_have_any_name(tmp_path: Path) -> None:
    outer, inner = tmp_path / "a b\tc", tmp_path / "d e"
    for folder in (outer, inner):
        folder.mkdir()
    environ = child_env(inner, child_env(outer, {}))
    with project_lock(outer, {}, waiting=never), project_lock(inner, {}, waiting=never):
        for folder in (outer, inner):
            with project_lock(folder, environ, wait=False, waiting=never):
                pass
