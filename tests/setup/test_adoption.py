"""`git spacy update --adopt`: a project that somebody once copied from a template."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.testing.git_server import GitServer
from tests.testing.projects import Spacy
from tests.testing.repositories import commit, git, repository, serve
from tests.testing.template_history import EDITS, FOLDER, build
from tests.testing.terminal import at_terminal, read_until, wait_for_exit


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return build(tmp_path / "source")


def copy(source: Path, revision: int, project: Path, *options: str) -> Path:
    """Copy a revision of the template by hand, as a project in a repository of its own."""

    git(source, "checkout", "-q", f"r{revision}")
    shutil.copytree(source / FOLDER, project)
    git(source, "checkout", "-q", "main")
    git(project, "init", "-q", *options)
    commit(project, {}, "My project")
    return project


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)])
def test_the_nearest_version_is_shown_and_then_updated_from(
    tmp_path: Path, git_server: GitServer, source: Path, spacy: Spacy, options: tuple[str, ...]
) -> None:
    mine = copy(source, 23, tmp_path / "mine", *options)
    for edit in ("config value", "deleted asset", "added command"):
        EDITS[edit](mine)
    commit(mine, {"model/meta.json": "{}\n"}, "My edits")
    url = f"{git_server.url}{serve(source, tmp_path / 'served')}//{FOLDER}"
    base, newest = (git(source, "rev-parse", name) for name in ("r23", "main"))
    before = git(mine, "rev-parse", "HEAD")

    asked = spacy("update", "--adopt", url, cwd=mine)
    assert asked.code == 2
    assert f"hint: git spacy update --adopt {url} --yes\n" in asked.err
    assert asked.out.splitlines() == [
        f"Nearest of 50 versions: {base[:12]} 2020-10-06 Revision 23",
        "  6 of its 9 files are the same",
        "  different: configs/default.cfg",
        "  different: project.yml",
        "  missing: assets/labels.txt",
    ]
    assert git_server.sent < 120_000
    dry = spacy("update", "--adopt", url, "--dry-run", "--to", "r30", cwd=mine)
    assert dry.code == 0
    assert f"Update from {base[:12]} to " in dry.out
    assert git(mine, "rev-parse", "HEAD") == before

    done = spacy("update", "--adopt", url, "--to", "r24", "--yes", cwd=mine)
    assert done.code == 0, done
    assert "dropout = 0.5" in (mine / "configs/default.cfg").read_text()
    assert "name: mine" in (mine / "project.yml").read_text()
    assert "version: '0.24'" in (mine / "project.yml").read_text()
    assert not (mine / "assets/labels.txt").exists()
    assert spacy("update", "--to", "main", "--check", cwd=mine).code == 1
    assert newest[:12] in spacy("update", "--to", "main", "--check", cwd=mine).out


def test_a_project_that_is_up_to_date_is_recorded(
    tmp_path: Path, source: Path, spacy: Spacy
) -> None:
    mine = copy(source, 49, tmp_path / "mine")
    (tmp_path / "outer").mkdir()
    for place in (mine, shutil.copytree(mine, tmp_path / "terminal")):
        unknown = spacy("update", cwd=place)
        assert unknown.code == 2
        if place == mine:
            done = spacy("update", "--adopt", f"{source}//{FOLDER}", "--yes", cwd=place)
            assert done.code == 0, done
        else:
            pid, terminal = at_terminal(place, "update", "--adopt", f"{source}//{FOLDER}")
            read_until(terminal, "Update from this version? [y/N]: ")
            os.write(terminal, b"y\n")
            assert wait_for_exit(pid, terminal)[0] == 0
        assert git(place, "log", "-1", "--format=%s") == "Record the template fashion"
        assert git(place, "show", "--format=", "--name-only") == ""
        assert spacy("update", "--check", cwd=place).code == 0


def test_what_is_not_a_copy_of_the_template_is_not_adopted(
    tmp_path: Path, source: Path, spacy: Spacy
) -> None:
    other = repository(tmp_path / "other", {"project.yml": "title: other\n"})
    done = spacy("update", "--adopt", f"{source}//{FOLDER}", "--yes", cwd=other)
    assert done.code == 2
    assert "has a file of this project" in done.err
    assert spacy("update", "--adopt", "ner_fashion", cwd=other).code == 2
    assert spacy("update", "--adopt", f"{source}//tutorial/fashion", cwd=other).code == 2
    assert git(other, "rev-list", "--count", "HEAD") == "1"
